use std::collections::BTreeMap;

use super::*;
use crate::document::excerpt;

mod anything;
mod guards;

const VARIABLES: &str = include_str!("../../tests/corpus/expressions/variables.json");
/// Where we differ from the API server on purpose, or know that we do.
const DIFFERENCES: &str = include_str!("../../tests/corpus/expressions/differences.json");
const CASES: &str = include_str!("../../tests/corpus/expressions/cases.json");

type Documents = BTreeMap<String, Json>;

fn documents() -> Documents {
    serde_json::from_str(VARIABLES).unwrap()
}

fn bound(documents: &Documents) -> Bindings<'_> {
    documents
        .iter()
        .fold(Bindings::new(), |bindings, (name, document)| bindings.with(name, document))
}

/// No more of the documents than the program says it reads.
fn excerpts(program: &Program, documents: &Documents) -> Documents {
    let read = |(name, document): (&String, &Json)| {
        Some((name.clone(), excerpt::of(document, program.reads(name)?)))
    };
    documents.iter().filter_map(read).collect()
}

fn names(documents: &Documents) -> Vec<&str> {
    documents.keys().map(String::as_str).collect()
}

#[test]
fn the_corpus_gives_what_it_says() {
    assert_cases(CASES);
    assert_cases(DIFFERENCES);
}

#[track_caller]
fn assert_cases(cases: &str) {
    let documents = documents();
    let cases: Vec<BTreeMap<String, Json>> = serde_json::from_str(cases).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let source = case["expression"].as_str().unwrap();
        let found = match Program::compile(source, Wanted::Bool, &names(&documents)) {
            Err(flaw) => (Json::from("rejected"), flaw.to_string()),
            Ok(program) => {
                let found = program.holds(&bound(&documents));
                let less = excerpts(&program, &documents);
                assert_eq!(program.holds(&bound(&less)), found, "{source}: {less:?}");
                match found {
                    Ok(holds) => (Json::from(holds), String::new()),
                    Err(trouble) => (Json::from("error"), trouble.to_string()),
                }
            }
        };
        if found.0 != case["expect"] {
            wrong.push(format!("{}: {} {}: {source}", case["name"], found.0, found.1));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The place and message of what is wrong; the place is marked in the source with `^`.
#[track_caller]
fn assert_flaw(marked: &str, message: &str) {
    let at = marked.find('^').unwrap();
    let source = marked.replacen('^', "", 1);
    let flaw = Program::compile(&source, Wanted::Bool, &["object", "request"]).unwrap_err();
    assert_eq!((flaw.at, flaw.message.as_str()), (at, message), "{source}");
}

#[test]
fn flaws_point_to_their_place() {
    assert_flaw("true && ^foo", "there is no variable `foo`; there are `object`, `request`");
    assert_flaw("'é' == '' || ^bar(1)", "there is no function `bar`");
    assert_flaw("object.name.^reversed()", "there is no method `reversed`");
    assert_flaw(
        "^startsWith('a', 'b')",
        "`startsWith` is a method, not a function; write `….startsWith(…)`",
    );
    assert_flaw("object.^isIP()", "`isIP` is a function, not a method; write `isIP(…)`");
    assert_flaw("math.^greatest(1, 2) == 2", "there is no function `math.greatest`");
    assert_flaw("sets.^minus([1], [1]) == []", "there is no function `sets.minus`");
    assert_flaw("'a'.^startsWith('a', 'b')", "`startsWith` takes 1 argument, not 2");
    assert_flaw("'a'.^startsWith(1)", "string has no method `startsWith` that takes int");
    assert_flaw("object.a.matches(^'[')", "not a regular expression: unclosed class");
    assert_flaw("object.a == duration(^'1d')", "`1d` is not a duration, such as `1h30m`");
    assert_flaw("1 ^== 'a'", "`==` does not take int and string");
    assert_flaw("^'yes'", "it gives string, not bool");
    assert_flaw("object.kind ^= 'Pod'", "a single `=` compares nothing; write `==`");
    assert_flaw("(true^", "expected `)`, found the end");
    assert_flaw(
        "[1, ^'a'].size() == 2",
        "the elements of a list differ: int and string; \
         write `dyn(…)` around them if that is meant",
    );
}

#[test]
fn a_program_knows_what_it_names() {
    let source = "object.a == 1 && [1].all(request, request == 1)";
    let program = Program::compile(source, Wanted::Bool, &["object", "request"]).unwrap();
    assert!(program.reads("object").is_some());
    assert!(program.reads("request").is_none(), "it is the variable of the loop");
    assert_eq!(program.source(), source);
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    shared(&program);
}

#[test]
fn an_unbound_variable_is_null() {
    let program = Program::compile("object == null", Wanted::Bool, &["object"]).unwrap();
    assert_eq!(program.holds(&Bindings::new()), Ok(true));
}

#[test]
fn text_is_made_and_nothing_else_is_text() {
    let text = |source: &str| {
        let program = Program::compile(source, Wanted::Text, &["object"])?;
        Ok::<_, Flaw>(program.text(&Bindings::new()))
    };
    assert_eq!(text("'a' + string(1)"), Ok(Ok("a1".to_owned())));
    assert_eq!(text("dyn(1)"), Ok(Err(Trouble::NotText("int"))));
    assert_eq!(text("1").map_err(|flaw| flaw.message), Err("it gives int, not string".to_owned()));
}

#[test]
fn text_of_others_is_escaped_in_messages() {
    let document = Json::from("a\u{1b}[31m\u{202e}".repeat(50));
    let program = Program::compile("{'a': 1}[object] == 1", Wanted::Bool, &["object"]).unwrap();
    let trouble = program.holds(&Bindings::new().with("object", &document)).unwrap_err();
    let message = trouble.to_string();
    assert!(message.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{message}");
    assert!(message.len() < 600, "{message}");
}

#[test]
fn a_namespace_and_an_image_have_the_fields_that_are_known_and_no_others() {
    let flaw = |marked: &str| {
        let at = marked.find('^').unwrap();
        let source = marked.replacen('^', "", 1);
        let variables = ["namespaceObject", "image"];
        let flaw = Program::compile(&source, Wanted::Bool, &variables).unwrap_err();
        assert_eq!(flaw.at, at, "{source}: {flaw}");
        flaw.message
    };
    let fields = "there are `registry`, `repository`, `tag`, `digest`";
    assert_eq!(flaw("image.^tga == ''"), format!("`image` has no field `tga` here; {fields}"));
    flaw("has(image.^tga)");
    flaw("image[^'tga'] == ''");
    let fields = "there are `name`, `labels`";
    assert_eq!(
        flaw("!has(namespaceObject.metadata.^annotations)"),
        format!("`namespaceObject.metadata` has no field `annotations` here; {fields}")
    );
    flaw("namespaceObject.^spec == null");
    flaw("namespaceObject.?metadata.^uid.orValue('') == ''");
    let whole = "of `namespaceObject` only `metadata.name` and `metadata.labels` are known; name \
                 one of them";
    for source in [
        "namespaceObject.metadata.name == '' || ^namespaceObject == {}",
        "^namespaceObject.metadata.all(key, key != 'annotations')",
        "^namespaceObject.?metadata.optMap(m, has(m.annotations)).orValue(false)",
        "{1: ^namespaceObject}[1].metadata.annotations == {}",
        "^namespaceObject[namespaceObject.metadata.name] == 1",
        "'annotations' in ^namespaceObject.metadata",
        "(true ? ^namespaceObject : namespaceObject.metadata).metadata.annotations == {}",
    ] {
        assert_eq!(flaw(source), whole, "{source}");
    }
}
