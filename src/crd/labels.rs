//! The shape of a label selector, as Kubernetes has it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A label selector. All of it must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels and the values they must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelExpression>,
}

/// One condition on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "x-kubernetes-validations" = [
        {"rule": "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)", "message": "operators In and NotIn need at least one value"},
        {"rule": "self.operator in ['In', 'NotIn'] || !has(self.values) || size(self.values) == 0", "message": "operators Exists and DoesNotExist take no values"},
    ]
))]
pub struct LabelExpression {
    /// The label.
    pub key: String,
    /// How the label's value stands to the values.
    pub operator: LabelOperator,
    /// For In and NotIn, at least one; for Exists and DoesNotExist, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a label's value stands to the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are those of metav1.LabelSelectorRequirement")]
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}
