//! What the API server fills in on an ephemeral container before a webhook sees it.

use serde_json::{Map, Value};

use crate::policy::image::ImageRef;

/// Fills in what is left out (`pkg/apis/core/v1`, `SetDefaults_*`).
pub(super) fn fill_in(container: &mut Map<String, Value>) {
    let pull_policy = pull_policy(container.get("image").and_then(Value::as_str));
    default(container, "imagePullPolicy", pull_policy);
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    // The fields below come in by a custom profile alone.
    for variable in items(container, "env") {
        if let Some(Value::Object(source)) = variable.get_mut("valueFrom") {
            if let Some(Value::Object(field)) = source.get_mut("fieldRef") {
                default(field, "apiVersion", "v1");
            }
            if let Some(Value::Object(file)) = source.get_mut("fileKeyRef") {
                default(file, "optional", false);
            }
        }
    }
    for port in items(container, "ports") {
        default(port, "protocol", "TCP");
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(Value::Object(probe)) = container.get_mut(probe) {
            fill_in_probe(probe);
        }
    }
}

/// The API server ignores a reference that it cannot parse: validation will find it.
fn pull_policy(image: Option<&str>) -> &'static str {
    let latest = image
        .and_then(|image| ImageRef::parse(image).ok())
        .is_some_and(|image| image.tag.as_deref() == Some("latest"));
    if latest { "Always" } else { "IfNotPresent" }
}

fn fill_in_probe(probe: &mut Map<String, Value>) {
    default(probe, "timeoutSeconds", 1);
    default(probe, "periodSeconds", 10);
    default(probe, "successThreshold", 1);
    default(probe, "failureThreshold", 3);
    if let Some(Value::Object(http_get)) = probe.get_mut("httpGet") {
        default(http_get, "path", "/");
        default(http_get, "scheme", "HTTP");
    }
    if let Some(Value::Object(grpc)) = probe.get_mut("grpc") {
        default(grpc, "service", "");
    }
}

fn default(fields: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    fields.entry(field).or_insert_with(|| value.into());
}

fn items<'a>(
    container: &'a mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = container.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}
