//! Label selectors as webhooks and roles use them.

use serde::Deserialize;

use super::survey::Labels;

/// A label selector; an empty one selects everything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// `matchLabels`
    pub match_labels: Labels,
    /// `matchExpressions`
    pub match_expressions: Vec<Requirement>,
}

/// An entry of `matchExpressions`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct Requirement {
    pub key: String,
    pub operator: String,
    pub values: Vec<String>,
}

impl Selector {
    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether it selects what has these labels. An operator that is not known selects nothing.
    #[must_use]
    pub fn selects(&self, labels: &Labels) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.holds(labels))
    }

    /// In one line.
    #[must_use]
    pub fn text(&self) -> String {
        let equal = self.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
        let others = self.match_expressions.iter().map(|Requirement { key, operator, values }| {
            if values.is_empty() {
                format!("{key} {operator}")
            } else {
                format!("{key} {operator} ({})", values.join(", "))
            }
        });
        equal.chain(others).collect::<Vec<_>>().join(", ")
    }
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|value| self.values.contains(value)),
            "NotIn" => value.is_none_or(|value| !self.values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selects_as_kubernetes_does() {
        let labels = Labels::from([("a".to_owned(), "1".to_owned())]);
        let selects =
            |selector| serde_json::from_value::<Selector>(selector).unwrap().selects(&labels);
        let expression = |key: &str, operator: &str, values: &[&str]| {
            selects(json!({"matchExpressions": [
                {"key": key, "operator": operator, "values": values}]}))
        };
        assert!(selects(json!({})));
        assert!(selects(json!({"matchLabels": {"a": "1"}})));
        assert!(!selects(json!({"matchLabels": {"a": "2"}})));
        assert!(expression("a", "In", &["1", "2"]));
        assert!(!expression("b", "In", &["1"]));
        assert!(!expression("a", "NotIn", &["1"]));
        assert!(expression("b", "NotIn", &["1"]), "a label that is not there is not in the list");
        assert!(expression("a", "Exists", &[]) && !expression("b", "Exists", &[]));
        assert!(!expression("a", "DoesNotExist", &[]) && expression("b", "DoesNotExist", &[]));
        assert!(!expression("a", "Gt", &["0"]), "what is not known selects nothing");
    }
}
