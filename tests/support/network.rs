//! Where the programs of a cluster run: on this machine's network, or on one of their own.
//!
//! A network of its own has the loopback interface and the cables of the pods, and nothing else:
//! whatever is sent in there to an address that is gone goes nowhere. Pods can be reached from it
//! and reach the API server under the address of the service `kubernetes`, as in any cluster.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::clean_command;
use super::node::script_path;
use super::port::Port;
use super::workshop::Workshop;

/// The address of the service `kubernetes`: the first of `--service-cluster-ip-range`.
pub(crate) const KUBERNETES: &str = "10.0.0.1";
/// The node's own address, by which pods find what runs beside them on the node.
pub(crate) const NODE: &str = "10.0.1.1";

/// The network that programs are started on.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    /// `None`: this machine's.
    apart: Option<PathBuf>,
}

impl Network {
    pub(crate) fn of_this_machine() -> Network {
        Network { apart: None }
    }

    /// A new one, which is gone once every program on it has ended.
    pub(super) fn make(workshop: &mut Workshop) -> Result<Network, String> {
        let mut command = clean_command(Path::new("unshare"));
        command.args(["--net", "sh"]).arg(script_path()).arg("network").arg(workshop.folder());
        command.args([KUBERNETES, NODE]);
        let id = workshop.start("network", &mut command);
        let made = workshop.path("network");
        workshop.wait_until("the network", Duration::from_secs(10), || made.exists())?;
        Ok(Network { apart: Some(PathBuf::from(format!("/proc/{id}/ns/net"))) })
    }

    /// Whether this process is not on it.
    pub(crate) fn is_apart(&self) -> bool {
        self.apart.is_some()
    }

    /// A command on it that sees nothing of the user's environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        self.command_as(None, program)
    }

    /// The same as another user and group.
    pub(crate) fn command_as(&self, user: Option<(u32, u32)>, program: &Path) -> Command {
        let Some(network) = &self.apart else {
            let mut command = clean_command(program);
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            return command;
        };
        let mut command = clean_command(Path::new("nsenter"));
        command.arg(format!("--net={}", network.display()));
        if let Some((user, group)) = user {
            command.arg(format!("--setuid={user}")).arg(format!("--setgid={group}"));
        }
        command.arg(OsStr::new("--")).arg(program);
        command
    }

    /// The API server's port: on a network of its own, the one that every cluster has.
    pub(super) fn api_server_port(&self, port: &Port) -> u16 {
        if self.is_apart() { 443 } else { port.number }
    }

    pub(super) fn api_server_options(&self) -> Vec<String> {
        if self.is_apart() {
            vec![
                "--bind-address=0.0.0.0".to_owned(),
                format!("--advertise-address={NODE}"),
                // There is no kube-proxy: services are looked up, as a proxy would.
                "--enable-aggregator-routing=true".to_owned(),
            ]
        } else {
            vec![
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                // No controller makes the accounts and tokens that this would put into pods.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
            ]
        }
    }

    /// Where pods can send to, beside the node's end of their cable.
    pub(super) fn routes(&self) -> &'static [&'static str] {
        if self.is_apart() { &["10.0.0.0/16"] } else { &[] }
    }

    /// What the kubelet is told to be its own address, where it finds none by itself.
    pub(super) fn node_address(&self) -> Option<&'static str> {
        self.is_apart().then_some(NODE)
    }
}
