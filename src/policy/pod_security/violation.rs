//! The ways in which a container breaks a level, in words.

use std::fmt;

use super::super::text::Quoted;

/// One way in which a container breaks a level. Its text tells a developer what to change.
///
/// `inherited`: the value is the pod's, because the container sets none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence in `Display` is the documentation")]
pub enum Violation {
    HostNamespaces { fields: Vec<&'static str> },
    Privileged,
    PrivilegedTarget { target: String },
    HostProcess { inherited: bool },
    CapabilityAdded { name: String },
    AppArmorProfile { kind: String, inherited: bool },
    SeLinuxType { kind: String, inherited: bool },
    SeLinuxUser { inherited: bool },
    SeLinuxRole { inherited: bool },
    ProcMount { kind: String },
    SeccompProfile { kind: String, inherited: bool },
    HostPath { volume: String },
    VolumeUnknown { volume: String },
    VolumeKind { volume: String, kind: String },
    PrivilegeEscalation,
    NotRunAsNonRoot,
    RunAsRoot { inherited: bool },
    SeccompProfileMissing,
    CapabilitiesNotDropped,
}

impl fmt::Display for Violation {
    #[expect(
        clippy::too_many_lines,
        reason = "one line for each sentence; a table, not a procedure"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostNamespaces { fields } => write!(
                f,
                "the pod shares namespaces of the node ({}), and so would the container",
                fields.join(", ")
            ),
            Self::PrivilegedTarget { target } => write!(
                f,
                "container {} is privileged, and the debugger would reach its processes",
                Quoted(target)
            ),
            Self::Privileged => f.write_str("securityContext.privileged must be left out or false"),
            Self::HostProcess { inherited: false } => {
                f.write_str("securityContext.windowsOptions.hostProcess must be left out or false")
            }
            Self::HostProcess { inherited: true } => {
                f.write_str("the pod runs as a Windows host process, and so would the container")
            }
            Self::CapabilityAdded { name } => {
                write!(f, "capability {} may not be added", Quoted(name))
            }
            Self::AppArmorProfile { kind, inherited } => {
                confinement(f, "appArmorProfile.type", kind, *inherited)
            }
            Self::SeLinuxType { kind, inherited } => {
                let kind = Quoted(kind);
                write!(f, "securityContext.seLinuxOptions.type may not be {kind}{}", of(*inherited))
            }
            Self::SeLinuxUser { inherited } => {
                write!(f, "securityContext.seLinuxOptions.user may not be set{}", of(*inherited))
            }
            Self::SeLinuxRole { inherited } => {
                write!(f, "securityContext.seLinuxOptions.role may not be set{}", of(*inherited))
            }
            Self::ProcMount { kind } => {
                write!(f, "securityContext.procMount must be Default, not {}", Quoted(kind))
            }
            Self::SeccompProfile { kind, inherited } => {
                confinement(f, "seccompProfile.type", kind, *inherited)
            }
            Self::HostPath { volume } => {
                write!(f, "volume {} is a hostPath and may not be mounted", Quoted(volume))
            }
            Self::VolumeUnknown { volume } => {
                write!(f, "volume {} is of a kind that is not known", Quoted(volume))
            }
            Self::VolumeKind { volume, kind } => {
                let (volume, kind) = (Quoted(volume), Quoted(kind));
                write!(f, "volume {volume} is of kind {kind} and may not be mounted")
            }
            Self::PrivilegeEscalation => {
                f.write_str("securityContext.allowPrivilegeEscalation must be false")
            }
            Self::NotRunAsNonRoot => f.write_str("securityContext.runAsNonRoot must be true"),
            Self::RunAsRoot { inherited } => {
                write!(f, "securityContext.runAsUser must not be 0{}", of(*inherited))
            }
            Self::SeccompProfileMissing => f.write_str(
                "securityContext.seccompProfile.type must be set to RuntimeDefault or Localhost",
            ),
            Self::CapabilitiesNotDropped => {
                f.write_str("securityContext.capabilities.drop must hold ALL")
            }
        }
    }
}

fn confinement(
    f: &mut fmt::Formatter<'_>,
    field: &str,
    kind: &str,
    inherited: bool,
) -> fmt::Result {
    let kind = Quoted(kind);
    write!(f, "securityContext.{field} must be RuntimeDefault or Localhost, not {kind}")?;
    f.write_str(of(inherited))
}

/// A developer cannot change the pod, but can override it.
fn of(inherited: bool) -> &'static str {
    if inherited { " (from the pod; the container may set its own)" } else { "" }
}
