//! The Services behind Postern's webhooks, and their endpoints.

use serde_json::Value;

use super::ask::{Asker, Why};
use super::{each, text};
use crate::doctor::survey::{Backend, Hook, ServiceReference};

pub(super) async fn backends(asker: &mut Asker, hooks: &[Hook]) -> Vec<Backend> {
    let mut references: Vec<ServiceReference> = Vec::new();
    for service in hooks.iter().filter_map(|hook| hook.webhook.client_config.service.clone()) {
        // Both webhooks lead to one Service, by two paths.
        let service = ServiceReference { path: None, ..service };
        if !references.contains(&service) {
            references.push(service);
        }
    }
    let mut found = Vec::new();
    for reference in references {
        let ServiceReference { namespace, name, .. } = &reference;
        let service = asker.get(&format!("/api/v1/namespaces/{namespace}/services/{name}")).await;
        let ports = match service {
            Ok(service) => Some(ports(&service)),
            Err(why) if why.is_absence() => None,
            Err(why) => {
                let needs = format!("get services in {namespace}");
                asker.note("the Service of the webhooks", &needs, &why.text);
                continue;
            }
        };
        let slices = slices(asker, &reference).await;
        let needs = format!("list endpointslices in {namespace}");
        let slices = asker.noted("the endpoints of the Service", &needs, slices);
        let ready = slices.map(|slices| ready(&slices));
        let image = image(asker, &reference).await;
        found.push(Backend { ready, image, reference, ports });
    }
    found
}

/// The image of the Deployment that is called as the Service; there need not be one.
async fn image(asker: &mut Asker, reference: &ServiceReference) -> Option<String> {
    let ServiceReference { namespace, name, .. } = reference;
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let deployment = match asker.get(&path).await {
        Err(why) if why.is_absence() => return None,
        answer => asker.noted("the version in the cluster", "get deployments", answer)?,
    };
    let mut containers = each(&deployment, "/spec/template/spec/containers");
    let image = text(containers.next()?, "/image");
    (!image.is_empty()).then(|| image.to_owned())
}

async fn slices(asker: &Asker, reference: &ServiceReference) -> Result<Vec<Value>, Why> {
    let ServiceReference { namespace, name, .. } = reference;
    let path = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    let all = asker.list(&path).await?;
    let is_its = |slice: &Value| {
        slice.pointer("/metadata/labels/kubernetes.io~1service-name").and_then(Value::as_str)
            == Some(name.as_str())
    };
    Ok(all.into_iter().filter(is_its).collect())
}

fn ports(service: &Value) -> Vec<u16> {
    let ports = each(service, "/spec/ports");
    let numbers = ports.filter_map(|port| port.get("port").and_then(Value::as_u64));
    numbers.filter_map(|port| u16::try_from(port).ok()).collect()
}

/// As the API says: what does not say whether it is ready, is.
fn ready(slices: &[Value]) -> usize {
    let endpoints = slices.iter().flat_map(|slice| each(slice, "/endpoints"));
    let ready = |endpoint: &&Value| {
        endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true)
    };
    endpoints.filter(ready).count()
}
