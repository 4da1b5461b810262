//! The Services behind Postern's webhooks.

use super::survey::{Backend, ServiceReference, Survey};
use super::{Code, Diagnosis};

pub(super) fn diagnose(survey: &Survey) -> Vec<Diagnosis> {
    let backends = survey.backends.iter();
    backends.flat_map(|backend| about(survey, backend).into_iter().chain(skew(backend))).collect()
}

/// Whether it runs the version that this is, as far as the image's tag says so.
fn skew(backend: &Backend) -> Option<Diagnosis> {
    let image = backend.image.as_ref()?;
    let name = image.split('@').next()?.rsplit('/').next()?;
    let (_, tag) = name.split_once(':')?;
    let ours = env!("CARGO_PKG_VERSION");
    (tag.trim_start_matches('v') != ours).then(|| {
        let ServiceReference { namespace, name, .. } = &backend.reference;
        let object = format!("Deployment/{namespace}/{name}");
        let what = format!("The cluster runs Postern `{tag}`, and this is {ours}");
        Diagnosis::new(Code::VersionSkew, what).seen(object, "image", image)
    })
}

/// The first thing that is wrong: the rest follows from it.
fn about(survey: &Survey, backend: &Backend) -> Option<Diagnosis> {
    let Backend { reference, ports, ready, image: _ } = backend;
    let ServiceReference { namespace, name, port, .. } = reference;
    let object = format!("Service/{namespace}/{name}");
    let here = survey.namespaces.as_ref().is_none_or(|all| all.contains_key(namespace));
    if !here {
        let what = format!("The webhooks name a Service in `{namespace}`, which does not exist");
        return Some(Diagnosis::new(Code::NamespaceMissing, what).seen(
            format!("Namespace/{namespace}"),
            "metadata.name",
            "not found",
        ));
    }
    let Some(ports) = ports else {
        let what = format!("Service {namespace}/{name}, which the webhooks name, does not exist");
        return Some(Diagnosis::new(Code::ServiceMissing, what).seen(
            object,
            "metadata.name",
            "not found",
        ));
    };
    if !ports.contains(port) {
        let texts: Vec<_> = ports.iter().map(u16::to_string).collect();
        let what = format!("The webhooks call port {port}, which Service {namespace}/{name} lacks");
        return Some(Diagnosis::new(Code::ServicePort, what).seen(
            object,
            "spec.ports",
            texts.join(", "),
        ));
    }
    (*ready == Some(0)).then(|| {
        let what = format!("No endpoint of Service {namespace}/{name} is ready");
        Diagnosis::new(Code::ServiceEmpty, what)
            .seen(format!("EndpointSlices of {namespace}/{name}"), "endpoints", "none is ready")
            .remedy(format!(
                "kubectl get pods -n {namespace}; kubectl describe pods -n {namespace}"
            ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_tells_the_version_if_there_is_one() {
        let skewed = |image: &str| {
            let reference = service();
            let image = Some(image.to_owned());
            skew(&Backend { reference, ports: None, ready: None, image }).is_some()
        };
        let ours = env!("CARGO_PKG_VERSION");
        assert!(!skewed(&format!("registry.example.com:5000/postern:{ours}")));
        assert!(!skewed(&format!("postern:v{ours}@sha256:00")));
        assert!(!skewed("registry.example.com:5000/postern@sha256:00"));
        assert!(skewed("registry.example.com:5000/postern:0.0.1"));
    }

    #[test]
    fn tells_the_first_thing_that_is_wrong() {
        let reference = service();
        let code = |ports: Option<Vec<u16>>, ready, namespace: &str| {
            let backend = Backend { reference: reference.clone(), ports, ready, image: None };
            let namespaces = [(namespace.to_owned(), Default::default())].into();
            let survey = Survey {
                namespaces: Some(namespaces),
                backends: vec![backend],
                ..Survey::default()
            };
            diagnose(&survey).first().map(|found| found.code)
        };
        assert_eq!(code(None, None, "other"), Some(Code::NamespaceMissing));
        assert_eq!(code(None, None, "ns"), Some(Code::ServiceMissing));
        assert_eq!(code(Some(vec![80]), Some(0), "ns"), Some(Code::ServicePort));
        assert_eq!(code(Some(vec![443]), Some(0), "ns"), Some(Code::ServiceEmpty));
        assert_eq!(code(Some(vec![443]), None, "ns"), None);
        assert_eq!(code(Some(vec![443]), Some(1), "ns"), None);
    }

    fn service() -> ServiceReference {
        let (namespace, name) = ("ns".to_owned(), "s".to_owned());
        ServiceReference { namespace, name, path: None, port: 443 }
    }
}
