use super::*;
use crate::expression::Wanted as Gives;
use crate::policy::request::{EnvFrom, EnvSource, Fact, Mount};
use crate::policy::testing::{asking, container};

const SENT: &str = r#"{"request": {"uid": "1", "operation": "UPDATE", "userInfo": {"username": "ana"},
    "object": {"metadata": {"name": "new"}}, "oldObject": {"metadata": {"name": "old"}}}}"#;

/// A container that was sent, and the request that adds it.
fn sent() -> (Injection, crate::policy::request::DebugRequest) {
    let json = json!({
        "name": "debugger", "image": "busybox:1.36", "workingDir": "/tmp",
        "securityContext": {"capabilities": {"add": ["SYS_PTRACE", "CHOWN"]}},
        "volumeMounts": [{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/b"}],
        "envFrom": [{"secretRef": {"name": "s"}}],
    });
    let mut asked = container("busybox:1.36");
    asked.security.capabilities_add = Some(vec!["SYS_PTRACE".to_owned(), "CHOWN".to_owned()]);
    let mount = |position, name: &str| Mount {
        position,
        volume: name.to_owned(),
        path: format!("/{name}"),
        read_only: false,
    };
    asked.mounts = vec![mount(0, "a"), mount(1, "b")];
    let source = EnvSource::Secret("s".to_owned());
    asked.env_from = vec![EnvFrom { position: 0, prefix: String::new(), source }];
    let mut request = asking(vec![asked.clone()]);
    let sent: Value = serde_json::from_str(SENT).unwrap();
    let mut documents = sent["request"].clone();
    let mut part = |key: &str| Arc::new(documents.as_object_mut().unwrap().remove(key).unwrap());
    let (object, old_object) = (part("object"), part("oldObject"));
    let containers = [("debugger".to_owned(), json)].into();
    let sent = Sent {
        object,
        old_object,
        request: Arc::new(documents),
        containers,
        spent: Arc::default(),
    };
    request.documents = Documents::new(sent);
    (asked, request)
}

fn holds(source: &str, scene: &Scene<'_>) -> Result<bool, String> {
    let program = Program::compile(source, Gives::Bool, &RULE_VARIABLES).unwrap();
    Expression::holds(&program, scene)
}

#[test]
fn documents_are_what_was_sent() {
    let (asked, request) = sent();
    let scene = Scene { request: &request, container: Some(&asked) };
    for source in [
        "object.metadata.name == 'new'",
        "oldObject.metadata.name == 'old' && pod == oldObject",
        "request.userInfo.username == 'ana' && !has(request.object)",
        "container.workingDir == '/tmp' && container.image == 'busybox:1.36'",
        "image.registry == 'docker.io' && image.repository == 'library/busybox'",
        "image.tag == '1.36' && image.digest == ''",
    ] {
        assert_eq!(holds(source, &scene), Ok(true), "{source}");
    }
}

/// However many are asked, of however many containers: none is asked for nothing.
#[test]
fn the_time_of_all_expressions_together_ends() {
    let (asked, request) = sent();
    let scene = Scene { request: &request, container: Some(&asked) };
    let long = "[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, \
                [1,2,3,4,5,6,7,8,9].all(c, a + b + c > 0)))";
    let long = Program::compile(long, Gives::Bool, &RULE_VARIABLES).unwrap();
    let ended = || Err("the expressions about this request take too long together".to_owned());
    let ends = (0..1_000_000).find(|_| Expression::holds(&long, &scene) == ended());
    assert!(ends.is_some_and(|asked| asked > 0), "{ends:?}");
    // Also for whatever is tried in place of what was sent.
    let other = Sent::adding(&request.documents, "debugger", json!({"image": "x"}));
    let other = crate::policy::request::DebugRequest { documents: other, ..request.clone() };
    for request in [&request, &other] {
        let scene = Scene { request, container: Some(&asked) };
        assert_eq!(holds("true", &scene), ended());
    }
}

#[test]
fn the_container_is_seen_as_it_would_be_stored() {
    let (asked, request) = sent();
    let mut stored = asked.clone();
    Setting::RunAsNonRoot(true).apply(&mut stored);
    Setting::TargetContainerName("app".to_owned()).apply(&mut stored);
    stored.security.capabilities_add = Some(vec!["CHOWN".to_owned()]);
    stored.mounts.remove(0);
    stored.mounts[0].read_only = true;
    stored.env_from.clear();
    let scene = Scene { request: &request, container: Some(&stored) };
    for source in [
        "container.securityContext.runAsNonRoot && container.targetContainerName == 'app'",
        "container.securityContext.capabilities.add == ['CHOWN']",
        "container.volumeMounts.map(m, m.name) == ['b'] && container.volumeMounts[0].readOnly",
        "!has(container.envFrom) && container.workingDir == '/tmp'",
    ] {
        assert_eq!(holds(source, &scene), Ok(true), "{source}");
    }
    let scene = Scene { request: &request, container: Some(&asked) };
    assert!(holds("container.securityContext.runAsNonRoot", &scene).is_err(), "not asked for");

    // The API server keeps no list that has nothing in it, and the object that was about it.
    stored.security.capabilities_add = Some(Vec::new());
    stored.mounts.clear();
    let scene = Scene { request: &request, container: Some(&stored) };
    for source in [
        "!has(container.securityContext.capabilities.add) && !has(container.volumeMounts)",
        "container.securityContext.capabilities == {}",
    ] {
        assert_eq!(holds(source, &scene), Ok(true), "{source}");
    }
    assert!(holds("container.volumeMounts.size() == 0", &scene).is_err(), "it is not there");
}

#[test]
fn what_nobody_brought_along_gives_no_answer() {
    let (asked, mut request) = sent();
    let unread = Wanted::default();
    let places = Places::default();
    request.documents = Sent::read(SENT.as_bytes(), &places, &unread, BTreeMap::new());
    let scene = Scene { request: &request, container: Some(&asked) };
    assert!(holds("object.metadata.name == 'new'", &scene).is_err());
    assert!(holds("container.image == 'busybox:1.36'", &scene).is_err());
    request.documents = Documents::default();
    let scene = Scene { request: &request, container: Some(&asked) };
    assert!(holds("true", &scene).is_err());
}

#[test]
fn a_condition_may_look_at_a_variable_and_nothing_may_tell_its_value() {
    let (asked, mut request) = sent();
    let json = json!({"name": "debugger", "env": [{"name": "PASSWORD", "value": "hunter2"}]});
    let containers = [("debugger".to_owned(), json)].into();
    request.documents = Documents::new(Sent { containers, ..Sent::default() });
    let scene = Scene { request: &request, container: Some(&asked) };
    assert_eq!(holds("container.env[0].value == 'hunter2'", &scene), Ok(true));
    let why = holds("int(container.env[0].value) > 0", &scene).unwrap_err();
    assert!(!why.contains("hunter2"), "{why}");
    let why = holds("{'(redacted)': true}[container.env[0].value]", &scene).unwrap_err();
    assert!(!why.contains("hunter2"), "{why}");
    let message =
        Program::compile("'it is ' + container.env[0].value", Gives::Text, &RULE_VARIABLES);
    let told = Expression::text(&message.unwrap(), &scene);
    assert_eq!(told, Ok("it is (redacted)".to_owned()));
}

#[test]
fn a_namespace_that_is_not_known_is_no_null() {
    let (asked, mut request) = sent();
    let sources = [
        "namespaceObject == null",
        "namespaceObject != null && namespaceObject.metadata.?labels.env.orValue('') == 'prod'",
        "namespaceObject.?metadata.labels.env.orValue('') != 'prod'",
        "!has(namespaceObject.metadata)",
        "true || namespaceObject == null",
    ];
    for source in sources {
        let scene = Scene { request: &request, container: Some(&asked) };
        let why = "`namespaceObject` is not known".to_owned();
        assert_eq!(holds(source, &scene), Err(why), "{source}");
    }
    let labels = [("env".to_owned(), "prod".to_owned())].into();
    request.circumstances.namespace_labels = Fact::Known(labels);
    let scene = Scene { request: &request, container: Some(&asked) };
    assert_eq!(
        sources.map(|source| holds(source, &scene)),
        [Ok(false), Ok(true), Ok(false), Ok(false), Ok(true),]
    );
}
