//! Many entries as one value.
//!
//! A row costs more on its way from SQLite's thread than all that is done with it when a chain is
//! verified. So a page travels as one text: of each entry its numbers and lengths, with spaces
//! between, and then its texts. What is not so written is fetched row by row.

use super::number;
use super::statement::Statement;
use crate::ledger::chain::Hash;
use crate::ledger::verify::Link;

/// One row with one column; nothing in it where there are no entries.
pub(super) fn page(writer: &str, after: u64, limit: i64) -> Statement {
    let mut sql = Statement::new(
        "SELECT group_concat(entry, '') FROM (SELECT sequence || ' ' || id || ' ' || time || ' ' \
         || answer || ' ' || coalesce(about, '-') || ' ' || coalesce(hex(hash), '-') || ' ' \
         || octet_length(username) || ' ' || octet_length(namespace) || ' ' \
         || octet_length(pod) || ' ' || octet_length(record) || ' ' \
         || username || namespace || pod || record AS entry FROM records WHERE writer = ",
    );
    sql.bind(writer).push(" AND sequence > ").bind(number(after));
    sql.push(" ORDER BY sequence LIMIT ").bind(limit).push(")");
    sql
}

/// Takes a page apart; nothing if it is not written as it should be. A space where none belongs
/// moves a word into the place of a number, and so cannot go unnoticed.
pub(super) fn links(mut page: &str) -> Option<Vec<Link>> {
    let mut links = Vec::new();
    while !page.is_empty() {
        let (link, rest) = link(page)?;
        links.push(link);
        page = rest;
    }
    Some(links)
}

fn link(page: &str) -> Option<(Link, &str)> {
    let mut words = page.splitn(11, ' ');
    let mut word = || words.next();
    let sequence = word()?.parse().ok()?;
    let id = word()?;
    let time = word()?.parse().ok()?;
    let (answer, about) = (word()?, word()?);
    let hash = Hash::from_hex(word()?);
    let mut lengths = [0_usize; 4];
    for length in &mut lengths {
        *length = word()?.parse().ok()?;
    }
    let mut rest = word()?;
    let mut texts = [""; 4];
    for (text, length) in texts.iter_mut().zip(lengths) {
        (*text, rest) = rest.split_at_checked(length)?;
    }
    let [username, namespace, pod, json] = texts.map(str::to_owned);
    let link = Link {
        sequence,
        id: id.to_owned(),
        time,
        username,
        namespace,
        pod,
        answer: answer.to_owned(),
        about: (about != "-").then(|| about.to_owned()),
        json,
        hash,
    };
    Some((link, rest))
}

#[cfg(test)]
mod tests {
    use super::links;

    #[test]
    fn a_page_is_taken_apart_or_refused() {
        let hash = "AB".repeat(32);
        let entry = |sequence: u64| format!("{sequence} a 5 Allowed - {hash} 4 0 1 2 j\u{e9} xp{{");
        let found = links(&(entry(1) + &entry(2))).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].sequence, found[1].username.as_str()), (2, "j\u{e9} "));
        assert_eq!((found[1].pod.as_str(), found[1].json.as_str()), ("x", "p{"));
        assert_eq!(links(""), Some(Vec::new()));
        for wrong in
            ["1", "1 a b", &entry(1).replace(" a ", " a b "), &entry(1).replace("4 0", "9 0")]
        {
            assert_eq!(links(wrong), None, "{wrong}");
        }
    }
}
