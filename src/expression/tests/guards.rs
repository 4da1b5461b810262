//! What careless and hostile authors write: each is refused or stopped, on a small stack.

use super::*;

/// Half of what a thread of the server has.
const STACK: usize = 1 << 20;

fn on_small_stack<T: Send>(go: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, go).unwrap().join().unwrap()
    })
}

/// Compiles and evaluates on a small stack; the outcome as text.
fn outcome(source: &str) -> String {
    on_small_stack(|| {
        let documents = documents();
        match Program::compile(source, Wanted::Bool, &names(&documents)) {
            Err(flaw) => format!("rejected: {flaw}"),
            Ok(program) => match program.holds(&bound(&documents)) {
                Ok(holds) => holds.to_string(),
                Err(trouble) => format!("error: {trouble}"),
            },
        }
    })
}

#[track_caller]
fn assert_outcome(source: &str, wanted: &str) {
    let found = outcome(source);
    let shown: String = source.chars().take(80).collect();
    assert!(found.contains(wanted), "{shown}: {found}");
}

#[test]
fn a_long_source_is_refused() {
    assert_outcome(&format!("'{}' == ''", "a".repeat(5000)), "rejected: it is longer than 4096");
}

#[test]
fn long_chains_are_flat() {
    assert_outcome(&format!("1{} == 1900", "+1".repeat(1899)), "rejected: it has more than 2000");
    assert_outcome(&format!("1{} == 900", "+1".repeat(899)), "true");
    assert_outcome(&format!("true{}", "||true".repeat(600)), "true");
    assert_outcome(&format!("{}true", "false||".repeat(500)), "true");
    assert_outcome(&format!("{}true", "true&&".repeat(500)), "true");
    assert_outcome(&vec!["1>2"; 2000].join("||"), "rejected: it is longer than 4096 bytes");
    assert_outcome(&format!("0{} == 0", "-1".repeat(500)), "rejected: it is nested deeper");
    assert_outcome(&format!("1{} == 1", "*1".repeat(500)), "rejected: it is nested deeper");
    assert_outcome(&format!("{}1 == 1", "1==1==".repeat(500)), "rejected");
}

#[test]
fn nesting_is_limited() {
    for (open, close) in [("(", ")"), ("[", "]"), ("{1:", "}"), ("!", ""), ("-", ""), ("f(", ")")] {
        for closed in [true, false] {
            let close = if closed { close } else { "" };
            let source = format!("{}1{}", open.repeat(800), close.repeat(800));
            assert_outcome(&source, "rejected: it is nested deeper than 64 levels");
        }
    }
    assert_outcome(&format!("object{} == 1", ".a".repeat(1500)), "rejected: it is nested deeper");
    assert_outcome(&format!("object{} == 1", "[0]".repeat(1300)), "rejected: it is nested deeper");
    assert_outcome(&format!("object{}", ".b()".repeat(900)), "rejected: it is nested deeper");
    assert_outcome(&format!("{}true", "true?true:".repeat(400)), "rejected: it is nested deeper");
    assert_outcome(&format!("{}true{}", "true?".repeat(400), ":true".repeat(400)), "rejected");
}

#[test]
fn the_deepest_that_is_allowed_fits_a_small_stack() {
    assert_outcome(&format!("{}true{}", "(".repeat(62), ")".repeat(62)), "true");
    assert_outcome(&format!("{}true", "!".repeat(60)), "true");
    assert_outcome(
        &format!("{}1{} == {}1{}", "[".repeat(60), "]".repeat(60), "[".repeat(60), "]".repeat(60)),
        "true",
    );
    assert_outcome(&format!("object{} == 1", ".a".repeat(60)), "error: no such key: a");
    assert_outcome(&format!("{}true", "true?true:".repeat(60)), "true");
    assert_outcome(&format!("{}true{}", "[1].all(x,".repeat(3), ")".repeat(3)), "true");
    let deep = format!("{}true{}", "[[0].map(z,".repeat(20), ")]".repeat(20));
    assert_outcome(&deep, "rejected: more than 3 loops");
    let deep =
        format!("{}true{}", "optional.of(1).optMap(x,".repeat(50), ").hasValue()".repeat(50));
    assert_outcome(&deep, "");
    assert_outcome(&format!("{}'a'{} == 'a'", "string(".repeat(60), ")".repeat(60)), "true");
    assert_outcome(&format!("'a'{} == 'a'", ".trim()".repeat(60)), "true");
    assert_outcome(&format!("{}true{}", "true?(false||(".repeat(15), "):true".repeat(15)), "");
}

#[test]
fn loops_inside_loops_are_limited() {
    let nested = |depth: usize| {
        format!("{}true{}", "lists.range(20).all(x,".repeat(depth), ")".repeat(depth))
    };
    assert_outcome(&nested(3), "true");
    assert_outcome(&nested(4), "rejected: more than 3 loops are inside each other");
    assert_outcome(&nested(5), "rejected: more than 3 loops are inside each other");
}

#[test]
fn steps_are_counted() {
    let cube = "lists.range(200).all(x, lists.range(200).all(y, lists.range(200).all(z, z >= 0)))";
    assert_outcome(cube, "error: it takes too many steps");
    // What ran out cannot be talked away.
    assert_outcome(&format!("{cube} || true"), "error: it takes too many steps");
    let square = "lists.range(600).all(x, lists.range(600).all(y, x >= y || true))";
    assert_outcome(&format!("[1].exists(z, {square} || true)"), "error: it takes too many steps");
    assert_outcome("lists.range(1000000000).size() == 1", "error: it takes too much memory");
    assert_outcome("lists.range(9223372036854775807).size() == 1", "error: it takes too much");
    assert_outcome("lists.range(2000).all(x, lists.range(2000).exists(y, y == x))", "error");
    assert_outcome("sets.equivalent(lists.range(20000), lists.range(20000).reverse())", "error");
    assert_outcome("lists.range(20000).distinct().size() == 20000", "error: it takes too many");
}

#[test]
fn what_grows_is_stopped() {
    let doubled = |start: &str, step: &str, times: usize| {
        (0..times).fold(start.to_owned(), |inner, _| format!("[{inner}].map(x, {step})[0]"))
    };
    let text = doubled("'0123456789abcdef'", "x + x", 19);
    assert_outcome(&format!("{text}.size() == 1"), "error: it takes too much memory");
    let list = doubled("[1]", "x + x", 19);
    assert_outcome(&format!("{list}.size() == 1"), "error: it takes too much memory");
    let joined = doubled("'0123456789abcdef'", "[x, x].join(x)", 14);
    assert_outcome(&format!("{joined}.size() == 1"), "error: it takes too much memory");
    let replaced = doubled("'0123456789abcdef'", "x.replace('', x)", 6);
    assert_outcome(&format!("{replaced}.size() == 1"), "error: it takes too much memory");
    let formatted = doubled("'0123456789abcdef'", "'%s%s'.format([x, x])", 19);
    assert_outcome(&format!("{formatted}.size() == 1"), "error: it takes too much memory");
    let quoted = doubled("'\"\"\"\"'", "strings.quote(x)", 19);
    // In a debug build the clock is first.
    assert_outcome(&format!("{quoted}.size() == 1"), "error: it takes too");
    let split = doubled("'0123456789abcdef'", "(x + x).split('').join('--')", 12);
    assert_outcome(&format!("{split}.size() == 1"), "error: it takes too");
    let flat = doubled("[1]", "[x, x].flatten()", 19);
    assert_outcome(&format!("{flat}.size() == 1"), "error");
    // A value that shares its parts is small in memory but not when it is walked.
    let shared = doubled("[1]", "[x, x]", 17);
    assert_outcome(&format!("{shared} == {shared}"), "error: it takes too");
    assert_outcome(&format!("'%s'.format([{shared}]) == ''"), "error: it takes too");
    assert_outcome("'%.99999999f'.format([1.0]) == ''", "rejected: a format has at most 100");
    assert_outcome("'%.99999999f'.format(dyn([1.0])) == ''", "rejected: a format has at most 100");
}

#[test]
fn patterns_are_limited() {
    assert_outcome("'a'.matches('(a{500}){500}')", "rejected: the regular expression is too large");
    assert_outcome(
        "'a'.matches('((a{1000})' + '{1000}){1000}')",
        "error: the regular expression is too",
    );
    assert_outcome("'a'.matches('((((((((((a{30}){30}){30}){30}){30}){30})))))')", "rejected");
    let nested = format!("'a'.matches('{}a{}')", "(".repeat(1500), ")".repeat(1500));
    assert_outcome(&nested, "rejected: not a regular expression");
    let many = "lists.range(500).all(x, 'a'.matches('a' + string(x)) || true)";
    assert_outcome(many, "error: it takes too many steps");
    // Linear: a backtracking engine would not come back.
    let text = "a".repeat(60);
    assert_outcome(&format!("'{text}b'.matches('^(a+)+$')"), "false");
}

#[test]
fn time_is_limited() {
    let source = "lists.range(60).all(x, lists.range(60).all(y, x + y >= 0))";
    let program = Program::compile(source, Wanted::Bool, &[]).unwrap();
    assert_eq!(program.holds(&Bindings::new()), Ok(true));
    let over = Instant::now().checked_sub(Duration::from_millis(1)).unwrap();
    assert_eq!(program.holds(&Bindings::new().until(over)), Err(Trouble::TooLate));
}

#[test]
fn the_most_expensive_evaluation_ends_soon() {
    let costly = [
        "lists.range(200).all(x, lists.range(200).all(y, lists.range(200).all(z, z >= 0)))",
        "lists.range(200).all(x, 'a'.matches('[a-z]{1,20}' + string(x)) || true)",
        "lists.range(20000).sortBy(x, string(-x)).size() == 1",
        "lists.range(2000).map(x, object.metadata.labels.transformMap(k, v, k + v)).size() == 1",
        "lists.range(2000).all(x, object == oldObject || true)",
        "lists.range(2000).all(x, '%s'.format([object]) != '')",
        "lists.range(20000).all(x, timestamp(x).getHours('Europe/Berlin') >= 0)",
        "lists.range(20000).all(x, url('https://a/?' + string(x)).getQuery().size() == 1)",
        "lists.range(20000).all(x, semver('1.2.3') == semver('1.2.3'))",
        "lists.range(20000).all(x, object.spec.containers.map(c, c).size() == 3)",
    ];
    for source in costly {
        let start = Instant::now();
        let found = outcome(source);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "{source}: {found} after {took:?}");
    }
}
