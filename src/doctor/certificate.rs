//! Authorities and certificates: who is believed, and until when.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use x509_parser::parse_x509_certificate;
use x509_parser::pem::Pem;

use super::survey::{Handshake, Hook, Shown, Survey, Trust};
use super::{Code, Diagnosis};

/// From when on an end is soon.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) fn diagnose(survey: &Survey, now: Timestamp) -> Vec<Diagnosis> {
    let ours = survey.hooks.iter().flatten();
    let ours = ours.filter(|hook| hook.configuration == survey.configuration);
    let bundles = ours.filter_map(|hook| bundle(hook, now));
    bundles.chain(survey.handshakes.iter().filter_map(|it| shown(it, now))).collect()
}

/// The certificates of a `caBundle`, as DER.
///
/// # Errors
///
/// There is none that can be read; why.
pub fn authorities(ca_bundle: &str) -> Result<Vec<Vec<u8>>, String> {
    let pem = BASE64.decode(ca_bundle.trim()).map_err(|_| "it is not base64".to_owned())?;
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(&pem) {
        let block = block.map_err(|_| "it is not PEM".to_owned())?;
        if block.label == "CERTIFICATE" {
            found.push(block.contents);
        }
    }
    if found.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(found) }
}

fn bundle(hook: &Hook, now: Timestamp) -> Option<Diagnosis> {
    let object = hook.object();
    let field = hook.field("clientConfig.caBundle");
    let about = |code, what: &str, value: String| {
        Some(Diagnosis::new(code, format!("{object} {what}")).seen(&object, &field, value))
    };
    let text = hook.webhook.client_config.ca_bundle.as_deref().unwrap_or_default();
    if text.is_empty() {
        return about(Code::CaBundleEmpty, "has no caBundle", "empty".to_owned());
    }
    let found = authorities(text)
        .and_then(|all| all.iter().map(|der| dates(der)).collect::<Result<Vec<_>, String>>());
    let all = match found {
        Ok(all) => all,
        Err(why) => {
            return about(Code::CaBundleUnreadable, "has a caBundle that cannot be read", why);
        }
    };
    // An old authority beside a new one is how authorities are changed.
    let last = all.iter().filter(|(from, _)| *from <= now).map(|(_, until)| *until).max();
    match last {
        Some(until) if until >= now && until.duration_since(now) >= SOON => None,
        Some(until) if until >= now => {
            let what = "has a caBundle that ends soon";
            about(Code::CaBundleExpiring, what, format!("notAfter {until}"))
        }
        Some(until) => {
            let what = "has a caBundle that is out of date";
            about(Code::CaBundleExpired, what, format!("notAfter {until}"))
        }
        None => {
            let what = "has a caBundle that is not valid yet";
            about(Code::CaBundleExpired, what, "notBefore is to come".to_owned())
        }
    }
}

fn shown(handshake: &Handshake, now: Timestamp) -> Option<Diagnosis> {
    let Handshake { object, address, outcome } = handshake;
    let about = |code, what: String, value: String| {
        Some(Diagnosis::new(code, what).seen(object, format!("TLS to {address}"), value))
    };
    let (leaf, trust) = match outcome {
        Shown::Nothing(why) => {
            let what = format!("The certificate of {address} could not be looked at from here");
            return about(Code::CertificateNotSeen, what, why.clone());
        }
        Shown::Certificate { leaf, trust } => (leaf, trust),
    };
    let dates = dates(leaf);
    let value = match &dates {
        Ok((from, until)) => format!("notBefore {from}, notAfter {until}"),
        Err(why) => why.clone(),
    };
    let server = format!("The certificate that {address} shows");
    match (trust, dates) {
        (Trust::NotItsOwn, _) => about(
            Code::CertificateUntrusted,
            format!("{server} is not its own"),
            "its key did not sign the handshake".to_owned(),
        ),
        (Trust::NotNow, _) => {
            about(Code::CertificateExpired, format!("{server} is not valid now"), value)
        }
        (_, Ok((from, until))) if until < now || now < from => {
            about(Code::CertificateExpired, format!("{server} is not valid now"), value)
        }
        (Trust::WrongName, _) => {
            let names = names(leaf).join(", ");
            about(
                Code::CertificateWrongName,
                format!("{server} is for another name"),
                format!("for {names}"),
            )
        }
        (Trust::Stranger(why), _) => about(
            Code::CertificateUntrusted,
            format!("{server} is from no authority of the caBundle"),
            why.clone(),
        ),
        (Trust::Believed, Ok((_, until))) if until.duration_since(now) < SOON => {
            about(Code::CertificateExpiring, format!("{server} ends soon"), value)
        }
        (Trust::Believed, _) => None,
    }
}

fn dates(der: &[u8]) -> Result<(Timestamp, Timestamp), String> {
    let (_, certificate) = parse_x509_certificate(der).map_err(|_| "it is not X.509".to_owned())?;
    let validity = certificate.validity();
    let moment = |seconds| Timestamp::from_second(seconds).map_err(|error| error.to_string());
    Ok((moment(validity.not_before.timestamp())?, moment(validity.not_after.timestamp())?))
}

fn names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = parse_x509_certificate(der) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    names.value.general_names.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
