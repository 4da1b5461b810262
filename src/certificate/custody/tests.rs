use std::slice::from_ref;

use proptest::prelude::*;

use super::*;
use crate::certificate::facts::{believed, facts};

const NAME: &str = "postern.postern-system.svc";

fn wanted() -> Wanted {
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    Wanted { names: vec![NAME.to_owned()], lifetime: days(90), authority_lifetime: days(365) }
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn day(number: i64) -> Timestamp {
    start() + SignedDuration::from_hours(24 * number)
}

/// What is due when everybody has heard of everything.
fn due(contents: &Contents, now: Timestamp) -> Due {
    decide(&Inventory::of(contents, now), &wanted(), &Asked::default(), true, now)
}

fn next(contents: &Contents, now: Timestamp) -> Contents {
    carry_out(&due(contents, now), contents, None, &wanted(), now).unwrap()
}

/// The first one ever.
fn fresh() -> Contents {
    next(&Contents::default(), start())
}

fn authorities(contents: &Contents, now: Timestamp) -> usize {
    Inventory::of(contents, now).authorities.len()
}

#[test]
fn from_nothing_comes_everything_at_once() {
    let contents = fresh();
    assert_eq!(due(&contents, start()), Due::Nothing);
    let inventory = Inventory::of(&contents, start());
    let leaf = inventory.leaf.unwrap();
    assert_eq!(leaf.names, [NAME]);
    assert_eq!(leaf.signer, inventory.issuer.unwrap().der);
    assert_eq!(leaf.certificate.validity.until, day(90));
    assert!(facts(&leaf.signer).is_authority);
}

#[test]
fn a_certificate_is_replaced_when_a_third_of_its_life_is_left() {
    let contents = fresh();
    assert_eq!(due(&contents, day(59)), Due::Nothing);
    assert!(matches!(due(&contents, day(61)), Due::Leaf(_)));
    let renewed = next(&contents, day(61));
    assert_eq!(renewed.authorities, contents.authorities);
    assert_eq!(due(&renewed, day(61)), Due::Nothing);
    assert_eq!(Inventory::of(&renewed, day(61)).leaf.unwrap().certificate.validity.until, day(151));
}

#[test]
fn a_new_authority_is_trusted_before_anything_of_it_is_served() {
    let contents = (1..4).fold(fresh(), |contents, step| next(&contents, day(61 * step)));
    let now = day(244);
    let Due::Authority(why) = due(&contents, now) else { panic!("{:?}", due(&contents, now)) };
    assert!(why.starts_with("it ends at 2027-01-01"), "{why}");

    let both = next(&contents, now);
    assert_eq!(both.certificate, contents.certificate);
    assert_ne!(both.authority_key, contents.authority_key);
    assert_eq!(authorities(&both, now), 2);
    let unsettled = decide(&Inventory::of(&both, now), &wanted(), &Asked::default(), false, now);
    assert_eq!(unsettled, Due::Wait("its authority was replaced".to_owned()));

    let followed = next(&both, now);
    assert_eq!(followed.authorities, both.authorities);
    let leaf = Inventory::of(&followed, now).leaf.unwrap();
    assert_eq!(leaf.signer, Inventory::of(&followed, now).issuer.unwrap().der);
    // What the old one signed is good for 90 days at most, and so is the old one trusted.
    assert_eq!(due(&followed, day(244 + 30)), Due::Nothing);
    let later = next(&followed, day(244 + 61));
    assert_eq!(due(&later, day(244 + 91)), Due::Forget);
    let alone = next(&later, day(244 + 91));
    assert_eq!(authorities(&alone, now), 1);
    assert_eq!(due(&alone, day(244 + 91)), Due::Nothing);
}

#[test]
fn what_was_asked_for_is_done_once() {
    let contents = fresh();
    let inventory = Inventory::of(&contents, start());
    let leaf = fingerprint(&inventory.leaf.clone().unwrap().certificate.der);
    let authority = fingerprint(&inventory.issuer.clone().unwrap().der);
    let ask = |certificate: Option<&String>, authority: Option<&String>| Asked {
        certificate: certificate.cloned(),
        authority: authority.cloned(),
    };
    let decided = |contents: &Contents, asked: &Asked| {
        decide(&Inventory::of(contents, start()), &wanted(), asked, true, start())
    };
    let asked = ask(Some(&leaf), None);
    let replaced = carry_out(&decided(&contents, &asked), &contents, None, &wanted(), start());
    assert_eq!(decided(&contents, &asked).what(), Some("serving"));
    assert_eq!(decided(&replaced.unwrap(), &asked), Due::Nothing);

    let asked = ask(None, Some(&authority));
    assert_eq!(decided(&contents, &asked).what(), Some("ca"));
    let replaced = carry_out(&decided(&contents, &asked), &contents, None, &wanted(), start());
    assert_eq!(decided(&replaced.unwrap(), &asked).what(), Some("serving"));
}

#[test]
fn another_name_is_another_certificate() {
    let contents = fresh();
    let mut elsewhere = wanted();
    elsewhere.names.push("127.0.0.1".to_owned());
    let inventory = Inventory::of(&contents, start());
    let due = decide(&inventory, &elsewhere, &Asked::default(), true, start());
    assert_eq!(due, Due::Leaf("it is not for `127.0.0.1`".to_owned()));
    let next = carry_out(&due, &contents, None, &elsewhere, start()).unwrap();
    let leaf = Inventory::of(&next, start()).leaf.unwrap();
    let authority = [leaf.signer.clone()];
    let chain = [leaf.certificate.der];
    believed(&authority, &chain, "127.0.0.1", start()).unwrap();
    believed(&authority, &chain, "127.0.0.2", start()).unwrap_err();

    let other = Inventory::of(&fresh(), start()).leaf.unwrap().signer;
    let why = believed(from_ref(&other), &chain, "127.0.0.1", start()).unwrap_err();
    assert_eq!(why, "the signature is not that of the authority it names");
    let why = believed(from_ref(&other), &authority, "127.0.0.1", start()).unwrap_err();
    assert!(why.starts_with("the first certificate is an authority's"), "{why}");
}

/// What somebody may do to a Secret.
fn spoil(contents: &Contents, part: usize, how: usize) -> Contents {
    let mut spoilt = contents.clone();
    let other = fresh();
    let (part, foreign) = match part {
        0 => (&mut spoilt.certificate, other.certificate),
        1 => (&mut spoilt.key, other.key),
        2 => (&mut spoilt.authorities, other.authorities),
        _ => (&mut spoilt.authority_key, other.authority_key),
    };
    match how {
        0 => part.clear(),
        1 => part.truncate(part.len() / 2),
        2 => *part = b"\xff\x00 no PEM at all".to_vec(),
        3 => *part = foreign,
        _ => part.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----"),
    }
    spoilt
}

#[test]
fn what_is_spoilt_is_repaired_and_the_old_stays_trusted() {
    let contents = fresh();
    let served = Inventory::of(&contents, start()).leaf.unwrap();
    let chain = [served.certificate.der];
    for part in 0..4 {
        for how in 0..5 {
            let mut now = spoilt_then_repaired(&contents, part, how);
            // Whoever serves the old one still is believed.
            let trusted = Inventory::of(&now, start()).authorities;
            let trusted: Vec<_> = trusted.into_iter().map(|it| it.der).collect();
            believed(&trusted, &chain, NAME, start()).unwrap_or_else(|why| {
                panic!("{part} {how}: {why}");
            });
            while due(&now, start()) != Due::Nothing {
                now = next(&now, start());
            }
        }
    }
}

fn spoilt_then_repaired(contents: &Contents, part: usize, how: usize) -> Contents {
    let spoilt = spoil(contents, part, how);
    let decided = due(&spoilt, start());
    // An addition to a key changes nothing.
    if decided == Due::Nothing {
        return spoilt;
    }
    carry_out(&decided, &spoilt, Some(contents), &wanted(), start()).unwrap()
}

#[test]
fn what_was_deleted_is_made_anew_and_the_old_is_served_meanwhile() {
    let contents = fresh();
    let gone = Contents::default();
    let decided = due(&gone, start());
    let made = carry_out(&decided, &gone, Some(&contents), &wanted(), start()).unwrap();
    assert_eq!(made.certificate, contents.certificate);
    assert_ne!(made.authority_key, contents.authority_key);
    assert_eq!(authorities(&made, start()), 2);
    // Without a memory, or with one that has ended, there is nothing to keep.
    let later = day(400);
    let made = carry_out(&decided, &gone, Some(&contents), &wanted(), later).unwrap();
    assert_eq!(authorities(&made, later), 1);
    assert_eq!(due(&made, later), Due::Nothing);
}

#[test]
fn what_has_ended_is_replaced_without_waiting() {
    let contents = fresh();
    let inventory = Inventory::of(&contents, day(100));
    assert_eq!(inventory.leaf, Err("it ended at 2026-04-01T00:00:00Z".to_owned()));
    let due = decide(&inventory, &wanted(), &Asked::default(), false, day(100));
    assert_eq!(due.what(), Some("serving"));
    let inventory = Inventory::of(&contents, day(366));
    let due = decide(&inventory, &wanted(), &Asked::default(), false, day(366));
    assert_eq!(due, Due::Authority("the authority ended at 2027-01-01T00:00:00Z".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Over years, looked at whenever: what is served from now on is believed by whoever heard of
    /// the authorities at the last look, and what was ever served and has not ended by whoever
    /// hears of those there are now.
    #[test]
    fn nobody_ever_meets_a_certificate_that_is_not_believed(
        hours in prop::collection::vec(1_i64..24 * 12, 150),
        lifetime in 24 * 40_i64..24 * 100,
    ) {
        let wanted = Wanted { lifetime: SignedDuration::from_hours(lifetime), ..wanted() };
        let asked = Asked::default();
        let mut now = start();
        let due = decide(&Inventory::of(&Contents::default(), now), &wanted, &asked, true, now);
        let mut contents = carry_out(&due, &Contents::default(), None, &wanted, now).unwrap();
        let mut told: Vec<_> = Inventory::of(&contents, now).authorities;
        let mut served: Vec<Certificate> = Vec::new();
        for pause in hours {
            let settled = told == Inventory::of(&contents, now).authorities;
            let due = decide(&Inventory::of(&contents, now), &wanted, &asked, settled, now);
            let next = carry_out(&due, &contents, None, &wanted, now).unwrap();
            let after = Inventory::of(&next, now);
            let leaf = after.leaf.clone().unwrap();
            let der = |trusted: &[Certificate]| -> Vec<_> {
                trusted.iter().map(|it| it.der.clone()).collect()
            };
            let chain = [leaf.certificate.der.clone()];
            prop_assert_eq!(believed(&der(&told), &chain, NAME, now), Ok(()), "{:?}", due);
            // A server that has heard of nothing since serves what it had.
            served.push(leaf.certificate.clone());
            served.retain(|it| it.validity.holds(now));
            for old in &served {
                let believed = believed(&der(&after.authorities), from_ref(&old.der), NAME, now);
                prop_assert_eq!(believed, Ok(()), "{:?}", due);
            }
            prop_assert!(leaf.certificate.validity.until <= now + wanted.lifetime);
            prop_assert!(after.authorities.len() <= 3);
            told = after.authorities;
            contents = next;
            now += SignedDuration::from_hours(pause);
        }
    }
}

/// What somebody may do by hand to a part of a Secret.
#[derive(Debug, Clone)]
enum Tamper {
    Nothing,
    Other(Vec<u8>),
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
}

impl Tamper {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            3 => Just(Self::Nothing),
            1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Self::Other),
            1 => any::<(prop::sample::Index, u8)>().prop_map(|(at, byte)| Self::Byte(at, byte)),
            1 => any::<prop::sample::Index>().prop_map(Self::Cut),
        ]
    }

    fn with(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        match self {
            Self::Nothing => {}
            Self::Other(other) => text.clone_from(other),
            Self::Byte(at, byte) => {
                let at = at.index(text.len());
                text[at] = *byte;
            }
            Self::Cut(at) => text.truncate(at.index(text.len())),
        }
        text
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever somebody does to it, at whatever time, with or without a memory of what was good:
    /// in a few steps there is something that is believed.
    #[test]
    fn whatever_was_done_to_a_secret_is_repaired(
        tampers in prop::array::uniform4(Tamper::any()),
        days in 0_i64..500,
        remembers in any::<bool>(),
    ) {
        let good = fresh();
        let now = day(days);
        let mut contents = Contents {
            certificate: tampers[0].with(&good.certificate),
            key: tampers[1].with(&good.key),
            authorities: tampers[2].with(&good.authorities),
            authority_key: tampers[3].with(&good.authority_key),
        };
        let memory = remembers.then_some(&good);
        let mut steps = 0;
        while due(&contents, now) != Due::Nothing {
            steps += 1;
            prop_assert!(steps <= 4, "{:?}", due(&contents, now));
            contents = carry_out(&due(&contents, now), &contents, memory, &wanted(), now).unwrap();
        }
        let leaf = Inventory::of(&contents, now).leaf.unwrap();
        let believed = believed(&[leaf.signer], &[leaf.certificate.der], NAME, now);
        prop_assert_eq!(believed, Ok(()));
    }
}
