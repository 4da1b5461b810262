//! Variables that look like settings and are none.

use std::env;

use clap::{Arg, Args, Command};

use super::Given;
use crate::policy::text::Quoted;

const PREFIX: &str = "POSTERN_";
/// Of `serve` itself, not among the settings.
const CONFIG: &str = "POSTERN_CONFIG";
/// How much of a name must be that of a setting, to be taken for it.
const LIKENESS: f32 = 0.65;

/// A sentence about each variable of the environment that is called like a setting and is none.
#[must_use]
pub fn unknown_variables() -> Vec<String> {
    let names = env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    unknown(names)
}

fn unknown(names: impl Iterator<Item = String>) -> Vec<String> {
    let known = known();
    let is_unknown =
        |name: &String| name.starts_with(PREFIX) && !known.contains(name) && !is_of_a_service(name);
    let mut names: Vec<_> = names.filter(is_unknown).collect();
    names.sort_unstable();
    names.iter().map(|name| sentence(name, &known)).collect()
}

fn known() -> Vec<String> {
    let command = Given::augment_args(Command::new("serve"));
    let variables = command.get_arguments().filter_map(Arg::get_env);
    let variables = variables.map(|name| name.to_string_lossy().into_owned());
    variables.chain([CONFIG.to_owned()]).collect()
}

fn sentence(name: &str, known: &[String]) -> String {
    // What all begin with makes none of them more alike.
    let own = |name: &str| name.trim_start_matches(PREFIX).to_owned();
    let (given, known): (_, Vec<_>) = (own(name), known.iter().map(|name| own(name)).collect());
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let near = similar::get_close_matches(given.as_str(), &known, 1, LIKENESS);
    let name = Quoted(name);
    match near.first() {
        Some(near) => format!("{name} is no setting, and does nothing: is `{PREFIX}{near}` meant?"),
        None => {
            format!("{name} is no setting, and does nothing; `postern serve --help` lists them")
        }
    }
}

/// As Kubernetes tells pods of a Service that is called `postern`, or `postern-` and more.
fn is_of_a_service(name: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT") {
        return true;
    }
    // `…_PORT_443_TCP`, with what of it in the end.
    let part = name.strip_suffix("_PROTO").or_else(|| name.strip_suffix("_ADDR"));
    let mut parts = part.unwrap_or(name).rsplit('_');
    let protocol = parts.next().is_some_and(|it| ["TCP", "UDP", "SCTP"].contains(&it));
    let number = parts.next().is_some_and(|it| it.parse::<u16>().is_ok());
    (protocol && number && parts.next() == Some("PORT")) || name.contains("_SERVICE_PORT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<String> {
        unknown(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn what_is_misspelt_is_told_the_nearest_name() {
        for (given, meant) in [
            ("POSTERN_LEGDER", "POSTERN_LEDGER"),
            ("POSTERN_LEDGER_URL", "POSTERN_LEDGER"),
            ("POSTERN_TLS_CERTIFICATE", "POSTERN_TLS_CERT"),
            ("POSTERN_POLICY", "POSTERN_POLICIES"),
            ("POSTERN_CONFIG_FILE", "POSTERN_CONFIG"),
        ] {
            let words = format!("`{given}` is no setting, and does nothing: is `{meant}` meant?");
            assert_eq!(of(&[given]), [words]);
        }
        for given in ["POSTERN_", "POSTERN_COLOUR_OF_THE_DOOR"] {
            assert!(of(&[given])[0].ends_with("; `postern serve --help` lists them"), "{given}");
        }
        assert_eq!(of(&["PATH", "XPOSTERN_A", "POSTERN", "postern_a"]), [""; 0]);
    }

    /// As in `kubernetes/pkg/kubelet/envvars`.
    #[test]
    fn variables_of_services_are_never_spoken_of_and_are_no_settings() {
        for service in ["POSTERN", "POSTERN_METRICS", "POSTERN_2", "POSTERN_LEDGER"] {
            for rest in [
                "SERVICE_HOST",
                "SERVICE_PORT",
                "SERVICE_PORT_HTTPS",
                "SERVICE_PORT_A_B",
                "PORT",
                "PORT_443_TCP",
                "PORT_443_TCP_PROTO",
                "PORT_443_TCP_PORT",
                "PORT_443_TCP_ADDR",
                "PORT_53_UDP_ADDR",
                "PORT_9_SCTP",
            ] {
                assert_eq!(of(&[&format!("{service}_{rest}")]), [""; 0], "{service}_{rest}");
            }
        }
        for name in known() {
            assert!(name.starts_with(PREFIX) && !is_of_a_service(&name), "{name}");
        }
        assert_eq!(of(&["POSTERN_PORT_TCP", "POSTERN_EXPORT_443_TCP"]).len(), 2);
    }
}
