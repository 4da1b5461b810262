//! Arbitrary text never panics, and neither do expressions made of true parts. What they say they
//! read is all that their answer depends on.

use proptest::prelude::*;

use super::*;

fn tried(source: &str) {
    let documents = documents();
    let names = names(&documents);
    for wanted in [Wanted::Bool, Wanted::Text] {
        if let Ok(program) = Program::compile(source, wanted, &names) {
            let less = excerpts(&program, &documents);
            let (holds, text) = (program.holds(&bound(&less)), program.text(&bound(&less)));
            assert_eq!(program.holds(&bound(&documents)), holds, "{source}: {less:?}");
            assert_eq!(program.text(&bound(&documents)), text, "{source}: {less:?}");
            drop(program.text(&Bindings::new()));
        }
    }
}

fn sources() -> Vec<String> {
    let cases: Vec<BTreeMap<String, Json>> = serde_json::from_str(CASES).unwrap();
    cases.iter().map(|case| case["expression"].as_str().unwrap().to_owned()).collect()
}

/// The words of a source, so that a mixture of them is often an expression.
fn words(source: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut word = false;
    for c in source.chars() {
        let in_word = c.is_alphanumeric() || c == '_';
        if !(in_word && word) {
            words.push(String::new());
        }
        word = in_word;
        words.last_mut().unwrap().push(c);
    }
    words
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn text_never_panics(source in "\\PC{0,200}") {
        tried(&source);
    }

    #[test]
    fn signs_never_panic(source in "[-a-c0-9.+*/%!?:,(){}\\[\\]<>=&|'\"\\\\ru\n ]{0,120}") {
        tried(&source);
    }

    /// A document by another way than its name says as much.
    #[test]
    fn documents_are_read_however_they_are_named(
        source in prop::sample::select(sources()),
        way in prop::sample::select(vec![
            "dyn(_)", "(true ? _ : _)", "[_][0]", "{'it': _}.it", "optional.of(_).orValue({})",
            "[_].filter(it, true)[0]", "{'it': _}['it']", "[_].map(it, it)[0]", "_",
        ]),
        field in prop::sample::select(vec!["spec", "metadata", "name", "labels", "nothing"]),
    ) {
        let documents = documents();
        let named: String = words(&source)
            .into_iter()
            .map(|word| match documents.contains_key(&word) {
                true => way.replace('_', &word),
                false => word,
            })
            .collect();
        tried(&named);
        for name in names(&documents) {
            let document = way.replace('_', name);
            for source in [
                format!("has({document}.{field})"),
                format!("!has({document}.?{field}.orValue({{}}).name)"),
                format!("{document}.?{field}.optMap(it, has(it.name)).orValue(false)"),
                format!("{document}.?{field}.hasValue()"),
                format!("({document}.{field}).all(it, has(it.name) || it != '')"),
            ] {
                tried(&source);
            }
        }
    }

    #[test]
    fn mixed_expressions_never_panic(
        first in prop::sample::select(sources()),
        second in prop::sample::select(sources()),
        cut in 0usize..200,
        swap in 0usize..200,
        with in 0usize..200,
    ) {
        let (mut one, two) = (words(&first), words(&second));
        tried(&format!("({first}) && ({second})"));
        tried(&format!("[{first}, {second}].exists(x, x)"));
        let (swap, with) = (swap % one.len(), with % two.len());
        one[swap].clone_from(&two[with]);
        tried(&one.concat());
        let cut = cut % one.len();
        tried(&one[..cut].concat());
        tried(&[&one[..cut], &two[with..]].concat().concat());
    }

    #[test]
    fn patterns_and_formats_never_panic(text in "\\PC{0,40}", pattern in "\\PC{0,40}") {
        let documents = BTreeMap::from([
            ("a".to_owned(), Json::from(text)),
            ("b".to_owned(), Json::from(pattern)),
        ]);
        let functions = [
            "a.matches(b)", "a.find(b) == ''", "a.findAll(b) == []", "a.format([b, 1]) == ''",
            "a.split(b) == []", "a.replace(b, a) == ''", "a.indexOf(b, 3) == 1",
            "a.lastIndexOf(b, 3) == 1", "a.lastIndexOf(b) == 1", "a.substring(2, 5) == b",
            "isURL(a)", "url(a).getEscapedPath() == b", "url(a).getQuery() == {}", "isQuantity(a)",
            "quantity(a) == quantity(b)", "isIP(a)", "isCIDR(a)", "isSemver(a, true)",
            "duration(a) > duration(b)", "timestamp(a) > timestamp(b)", "strings.quote(a) == b",
            "format.named(a).hasValue()", "format.datetime().validate(a).hasValue()",
            "format.uuid().validate(a).hasValue()", "int(a) == 1", "double(a) == 1.0",
            "timestamp('2026-01-01T00:00:00Z').getHours(a) == 1", "a.charAt(3) == b",
        ];
        for source in functions {
            let program = Program::compile(source, Wanted::Bool, &["a", "b"]).unwrap();
            drop(program.holds(&bound(&documents)));
        }
    }

    #[test]
    fn numbers_never_panic(
        a in any::<i64>(),
        b in any::<i64>(),
        q in "-?[0-9]{1,40}(\\.[0-9]{0,20})?(m|k|Ki|Ei|n|e[-+]?[0-9]{1,10})?",
    ) {
        let documents = BTreeMap::from([
            ("a".to_owned(), Json::from(a)),
            ("b".to_owned(), Json::from(b)),
            ("q".to_owned(), Json::from(q)),
        ]);
        let functions = [
            "a + b == 1", "a - b == 1", "a * b == 1", "a / b == 1", "a % b == 1", "-a == b",
            "'abc'.substring(a, b) == ''", "'abc'.charAt(a) == ''", "[1, 2].slice(a, b) == []",
            "'abc'.indexOf('b', a) == b", "'abc'.lastIndexOf('b', a) == b", "[1][a] == 1",
            "'a,b'.split(',', a) == []", "'a,b'.replace(',', '', a) == ''",
            "timestamp(a) > timestamp(b)",
            "timestamp(a) - duration('1h') > timestamp(b)", "[[1]].flatten(a) == []",
            "uint(a) == 1u",
            "lists.range(a).size() == b", "'%d'.format([a]) == ''", "'%x'.format([b]) == ''",
            "quantity(q).add(a).sub(b).isInteger()", "quantity(q).sub(quantity(q)).sign() == 0",
            "quantity(q).asApproximateFloat() == 0.0",
            "quantity(q).compareTo(quantity('1Ei')) == 1",
        ];
        for source in functions {
            let program = Program::compile(source, Wanted::Bool, &["a", "b", "q"]).unwrap();
            drop(program.holds(&bound(&documents)));
        }
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) }
}
