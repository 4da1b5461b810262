use super::*;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outer<'a> {
    host_name: &'a str,
    #[serde(borrow)]
    inner: Option<Noted<'a, Inner>>,
}

#[derive(Debug, Deserialize)]
struct Inner {}

#[test]
fn every_key_is_noted_where_it_is() {
    let text = r#"{"other": {"key": 1}, "hostName": "a", "inner": {"x": [{"y": 1}]}, "last": 2}"#;
    let read: Noted<'_, Outer<'_>> = serde_json::from_str(text).unwrap();
    assert_eq!(read.keys, ["other", "hostName", "inner", "last"]);
    assert_eq!(read.value.host_name, "a");
    assert_eq!(read.value.inner.unwrap().keys, ["x"]);
    let at = |key: &str| key.as_ptr().addr() - text.as_ptr().addr();
    assert_eq!(at(read.keys[3]), text.find("last").unwrap());
}

#[test]
fn what_cannot_be_noted_is_not_read() {
    let read =
        |text: &'static str| serde_json::from_str::<Noted<'_, Inner>>(text).map(|it| it.keys);
    assert_eq!(read("{}").unwrap(), Vec::<&str>::new());
    for text in [r#"{"\u0061": 1}"#, r#"{"a\"": 1}"#, "[]", "[1]", "null", "1", r#""a""#, ""] {
        assert!(read(text).is_err(), "{text}");
    }
}
