use proptest::prelude::*;
use serde_json::json;

use super::*;

fn raws(values: &[Value]) -> Vec<Box<RawValue>> {
    values.iter().map(|value| RawValue::from_string(value.to_string()).unwrap()).collect()
}

fn borrow(list: &[Box<RawValue>]) -> Vec<&RawValue> {
    list.iter().map(|raw| &**raw).collect()
}

proptest! {
    /// Names in the new list are split without remainder into kept, added and repeated ones; names
    /// that are gone are removed ones.
    #[test]
    fn accounts_for_every_name(
        old in proptest::collection::btree_set("[a-d]", 0..4),
        new in proptest::collection::vec("[a-f]", 0..6),
    ) {
        let (old_json, new_json) = (
            raws(&old.iter().map(|name| json!({"name": name, "image": "x"})).collect::<Vec<_>>()),
            raws(&new.iter().map(|name| json!({"name": name, "image": "x"})).collect::<Vec<_>>()),
        );
        let others = BTreeSet::from(["f"]);
        let delta = delta(&borrow(&old_json), &borrow(&new_json), &others).unwrap();

        let added: Vec<_> = delta.added.iter().map(|added| added.name.to_string()).collect();
        let mut expected = Vec::new();
        for name in &new {
            if !old.contains(name) && name != "f" && !expected.contains(name) {
                expected.push(name.clone());
            }
        }
        prop_assert_eq!(added, expected);
        let removed = delta.faults.iter().filter(|fault| fault.kind == FaultKind::Removed).count();
        prop_assert_eq!(removed, old.iter().filter(|name| !new.contains(name)).count());
        let distinct: BTreeSet<_> = new.iter().filter(|name| *name != "f").collect();
        let repeated = delta.faults.iter().filter(|fault| fault.kind == FaultKind::NameRepeated);
        prop_assert_eq!(repeated.count(), new.len() - distinct.len());
    }
}

/// Found by fuzzing: a list was read as a container whose name is its first entry.
#[test]
fn an_entry_that_is_no_object_is_an_error() {
    for entry in [json!(["a"]), json!("a"), json!(null), json!(1)] {
        let entries = raws(&[entry]);
        assert!(delta(&borrow(&entries), &[], &BTreeSet::new()).is_err());
        assert!(delta(&[], &borrow(&entries), &BTreeSet::new()).is_err());
    }
}
