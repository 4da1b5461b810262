//! A table of faults, each of which is made, found and mended.

use serde_json::{Value, json};

use super::{Ward, codes};

/// One fault of a webhook configuration.
pub(super) struct Breakage {
    /// `mutating` or `validating`.
    pub(super) which: &'static str,
    /// A field of the webhook, and what it becomes.
    pub(super) field: &'static str,
    pub(super) value: Value,
    /// What is found, nothing else.
    pub(super) found: &'static [&'static str],
}

pub(super) fn breakage(
    which: &'static str,
    field: &'static str,
    value: Value,
    found: &'static [&'static str],
) -> Breakage {
    Breakage { which, field, value, found }
}

pub(super) fn rule(group: &str, version: &str, operation: &str, resource: &str) -> Value {
    json!([{"apiGroups": [group], "apiVersions": [version], "operations": [operation],
            "resources": [resource], "scope": "*"}])
}

impl Breakage {
    pub(super) fn is_found_in(&self, ward: &Ward) {
        let Self { which, field, value, found } = self;
        ward.change(which, |webhook| webhook[*field] = value.clone());
        let report = ward.report("-n shop");
        let mut wanted = found.to_vec();
        wanted.sort_unstable();
        assert_eq!(codes(&report), wanted, "{which} {field} {value}: {report:#}");
    }
}
