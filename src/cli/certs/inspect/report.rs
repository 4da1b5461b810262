//! What was found, for people and for programs.

use jiff::Timestamp;
use serde::Serialize;

use crate::certificate::facts::{facts, fingerprint};
use crate::certificate::read::Certificate;
use crate::policy::text::Plain;

/// Everything that is said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) place: String,
    pub(super) certificates: Vec<Described>,
    pub(super) authorities: Vec<Described>,
    pub(super) checks: Vec<Check>,
    /// Not known where nobody is known who would believe it.
    pub(super) accepted: Option<bool>,
}

/// One certificate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Described {
    subject: String,
    issuer: String,
    pub(super) names: Vec<String>,
    is_authority: bool,
    not_before: Timestamp,
    not_after: Timestamp,
    days_left: i64,
    sha256: String,
}

/// One question and its answer.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    pub(super) ok: bool,
    message: String,
}

impl Check {
    pub(super) fn of(name: &'static str, outcome: Result<(), String>, right: &str) -> Self {
        let ok = outcome.is_ok();
        Self { name, ok, message: outcome.err().unwrap_or_else(|| right.to_owned()) }
    }
}

impl Described {
    pub(super) fn of(certificate: &Certificate, now: Timestamp) -> Self {
        let facts = facts(&certificate.der);
        let until = certificate.validity.until;
        Self {
            subject: facts.subject,
            issuer: facts.issuer,
            names: facts.names,
            is_authority: facts.is_authority,
            not_before: certificate.validity.from,
            not_after: until,
            days_left: now.duration_until(until).as_hours().div_euclid(24),
            sha256: fingerprint(&certificate.der),
        }
    }

    fn text(&self, out: &mut String) {
        let Self { subject, issuer, names, not_before, not_after, days_left, sha256, .. } = self;
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let lines = [
            ("subject", subject.clone()),
            ("issuer", issuer.clone()),
            ("for", names),
            ("valid", format!("{not_before} to {not_after}, {days_left} days left")),
            ("sha256", sha256.clone()),
        ];
        for (name, value) in lines {
            *out += &format!("  {name:<8} {}\n", Plain(&value));
        }
    }
}

impl Report {
    pub(super) fn text(&self) -> String {
        let Self { place, certificates, authorities, checks, accepted } = self;
        let mut out = format!("{}\n", Plain(place));
        for certificate in certificates {
            certificate.text(&mut out);
        }
        for authority in authorities {
            out += "authority\n";
            authority.text(&mut out);
        }
        for Check { name, ok, message } in checks {
            let sign = if *ok { '+' } else { '-' };
            out += &format!("[{sign}] {name}: {}\n", Plain(message));
        }
        out += match accepted {
            Some(true) => "accepted\n",
            Some(false) => "NOT accepted\n",
            None => "give `--ca FILE` to see whether it is believed\n",
        };
        out
    }
}
