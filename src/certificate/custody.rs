//! What is to be done about certificates that Postern makes itself.
//!
//! A Secret holds a serving certificate, the authorities to trust now, and the key of the newest
//! authority. From that and the time follows the one thing that is due ([`decide`]); doing it makes
//! the contents that come next ([`carry_out`]). An authority is replaced in steps, each on its own
//! safe to stop at:
//!
//! 1. the new one is put beside the old one, whose key is forgotten; the old certificate is served;
//! 2. API servers are told to trust both (`caBundle`), and given a moment to hear of it;
//! 3. a certificate of the new authority is served;
//! 4. the old authority is forgotten once nothing that it signed can still be valid.

mod inventory;

use jiff::{SignedDuration, Timestamp};

use super::facts::fingerprint;
use super::issue::{self, HEAD_START};
use super::read::{Certificate, Validity};

pub use inventory::{Inventory, Leaf};

/// What the Secret holds, as it holds it: PEM, or whatever somebody has put there.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// `tls.crt`
    pub certificate: Vec<u8>,
    /// `tls.key`
    pub key: Vec<u8>,
    /// `ca.crt`: every authority that is to be trusted now.
    pub authorities: Vec<u8>,
    /// `ca.key`: of the newest authority.
    pub authority_key: Vec<u8>,
}

/// It holds keys.
impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

/// What is wanted of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Names and addresses under which API servers call.
    pub names: Vec<String>,
    /// How long a serving certificate lives.
    pub lifetime: SignedDuration,
    /// How long an authority lives.
    pub authority_lifetime: SignedDuration,
}

/// What somebody has asked to have replaced, by its fingerprint: what is gone is not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// A serving certificate.
    pub certificate: Option<String>,
    /// An authority.
    pub authority: Option<String>,
}

/// The one thing to do, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// All is well.
    Nothing,
    /// A new serving certificate, once API servers have heard of its authority.
    Wait(String),
    /// A new serving certificate.
    Leaf(String),
    /// A new authority beside those that there are.
    Authority(String),
    /// Old authorities can go.
    Forget,
}

impl Due {
    /// What counts it.
    #[must_use]
    pub fn what(&self) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Wait(_) => None,
            Self::Leaf(_) => Some("serving"),
            Self::Authority(_) => Some("ca"),
            Self::Forget => Some("bundle"),
        }
    }
}

/// How long API servers are given to hear of a changed `caBundle`: they watch, so it is a moment.
#[must_use]
pub fn settling(wanted: &Wanted) -> SignedDuration {
    let (least, most) = (SignedDuration::from_secs(1), SignedDuration::from_mins(1));
    (wanted.lifetime / 30).clamp(least, most)
}

/// Decides. `settled`: every API server has heard of all authorities, or none calls us.
#[must_use]
pub fn decide(
    inventory: &Inventory,
    wanted: &Wanted,
    asked: &Asked,
    settled: bool,
    now: Timestamp,
) -> Due {
    let issuer = match &inventory.issuer {
        Ok(issuer) => issuer,
        Err(why) => return Due::Authority(why.clone()),
    };
    let leaf = match &inventory.leaf {
        Ok(leaf) => leaf,
        // Nothing is lost by not waiting.
        Err(why) => return Due::Leaf(why.clone()),
    };
    let follows = leaf.signer == issuer.der;
    // One replacement at a time: the certificate follows first.
    if follows && let Some(why) = authority_due(issuer, asked, now) {
        return Due::Authority(why);
    }
    let why = if follows {
        leaf_due(leaf, wanted, asked, now)
    } else {
        Some("its authority was replaced".to_owned())
    };
    match why {
        Some(why) if settled => Due::Leaf(why),
        Some(why) => Due::Wait(why),
        None if inventory.authorities.iter().any(|it| !stays(it, issuer, wanted, now)) => {
            Due::Forget
        }
        None => Due::Nothing,
    }
}

fn authority_due(issuer: &Certificate, asked: &Asked, now: Timestamp) -> Option<String> {
    if asked.authority.as_deref() == Some(fingerprint(&issuer.der).as_str()) {
        return Some("somebody asked for it".to_owned());
    }
    mostly_over(issuer.validity, now)
}

fn leaf_due(leaf: &Leaf, wanted: &Wanted, asked: &Asked, now: Timestamp) -> Option<String> {
    if asked.certificate.as_deref() == Some(fingerprint(&leaf.certificate.der).as_str()) {
        return Some("somebody asked for it".to_owned());
    }
    if let Some(name) = wanted.names.iter().find(|name| !leaf.names.contains(name)) {
        return Some(format!("it is not for `{name}`"));
    }
    mostly_over(leaf.certificate.validity, now)
}

/// Less than a third of its life is left.
fn mostly_over(valid: Validity, now: Timestamp) -> Option<String> {
    let left = now.duration_until(valid.until);
    let life = valid.from.duration_until(valid.until);
    (left < life / 3).then(|| format!("it ends at {}", valid.until))
}

/// Whether what an authority has signed can still be in use.
fn stays(authority: &Certificate, issuer: &Certificate, wanted: &Wanted, now: Timestamp) -> bool {
    if authority.der == issuer.der {
        return true;
    }
    // It has signed nothing since the new one was made.
    let last = issuer.validity.from.saturating_add(HEAD_START + wanted.lifetime);
    let last = last.unwrap_or(Timestamp::MAX).min(authority.validity.until);
    now <= last
}

/// Makes what comes next. `memory` is what was good before somebody spoilt it: what it serves is
/// served, and what it trusts is trusted, until the replacement is known everywhere.
///
/// # Errors
///
/// What keeps certificates from being made, in words.
pub fn carry_out(
    due: &Due,
    contents: &Contents,
    memory: Option<&Contents>,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Contents, String> {
    let inventory = Inventory::of(contents, now);
    match due {
        Due::Nothing | Due::Wait(_) => Ok(contents.clone()),
        Due::Leaf(_) => {
            match with_leaf(contents, &inventory, wanted, now) {
                Ok(next) if Inventory::of(&next, now).leaf.is_ok() => Ok(next),
                // An authority whose certificates nobody believes is none, however well it reads.
                _ => with_authority(contents, inventory, memory, wanted, now),
            }
        }
        Due::Authority(_) => with_authority(contents, inventory, memory, wanted, now),
        Due::Forget => Ok(without_old(contents, &inventory, wanted, now)),
    }
}

fn with_leaf(
    contents: &Contents,
    inventory: &Inventory,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Contents, String> {
    let issuer = inventory.issuer.as_ref().map_err(Clone::clone)?;
    let mut valid = issue::span(now, wanted.lifetime);
    valid.until = valid.until.min(issuer.validity.until);
    valid.from = valid.from.max(issuer.validity.from);
    let key = str::from_utf8(&contents.authority_key).map_err(|error| error.to_string())?;
    let issued = issue::serving(&issuer.der, key, &wanted.names, valid)
        .map_err(|error| error.to_string())?;
    Ok(Contents {
        certificate: issued.certificate.into_bytes(),
        key: issued.key.into_bytes(),
        ..contents.clone()
    })
}

fn with_authority(
    contents: &Contents,
    inventory: Inventory,
    memory: Option<&Contents>,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Contents, String> {
    let made = issue::authority(issue::span(now, wanted.authority_lifetime));
    let made = made.map_err(|error| error.to_string())?;
    let remembered = memory.map(|memory| (memory, Inventory::of(memory, now)));
    let mut old = inventory.authorities;
    let mut served = inventory.leaf.is_ok().then_some(contents);
    if let Some((memory, inventory)) = remembered {
        if served.is_none() && inventory.leaf.is_ok() {
            served = Some(memory);
        }
        old.extend(inventory.authorities);
    }
    let mut authorities = made.certificate.into_bytes();
    let mut trusted: Vec<&Certificate> = Vec::new();
    for authority in old.iter().filter(|it| it.validity.holds(now)) {
        if !trusted.iter().any(|known| known.der == authority.der) {
            trusted.push(authority);
        }
    }
    authorities.extend(inventory::bundle(trusted));
    let next = Contents {
        certificate: served.map(|it| it.certificate.clone()).unwrap_or_default(),
        key: served.map(|it| it.key.clone()).unwrap_or_default(),
        authorities,
        authority_key: made.key.into_bytes(),
    };
    if served.is_some() {
        return Ok(next);
    }
    // Nothing is served that the new one could break.
    let next = with_leaf(&next, &Inventory::of(&next, now), wanted, now)?;
    // Else it would be made anew for ever.
    Inventory::of(&next, now).leaf.map(|_| next)
}

fn without_old(
    contents: &Contents,
    inventory: &Inventory,
    wanted: &Wanted,
    now: Timestamp,
) -> Contents {
    let Ok(issuer) = &inventory.issuer else { return contents.clone() };
    let kept = inventory.authorities.iter().filter(|it| stays(it, issuer, wanted, now));
    Contents { authorities: inventory::bundle(kept), ..contents.clone() }
}

#[cfg(test)]
mod tests;
