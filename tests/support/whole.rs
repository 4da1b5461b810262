//! A whole cluster: controllers and a scheduler too, and a real node, on a network of their own.

use std::path::Path;

use super::network::Network;
use super::node::Node;
use super::workshop::Workshop;
use super::{Cluster, build, claim_port};

impl Cluster {
    /// Starts one, with the images of these archives on its node, about half a minute. The error
    /// says why this machine cannot have one.
    pub(crate) fn start_whole(archives: &[&Path]) -> Result<(Cluster, Node), String> {
        Node::check()?;
        let programs = build(&[
            "etcd",
            "kube-apiserver",
            "kubectl",
            "kubelet",
            "kube-controller-manager",
            "kube-scheduler",
        ]);
        let port = claim_port(&programs);
        let mut workshop = Workshop::open("cluster");
        let network = Network::make(&mut workshop)?;
        let mut cluster = Cluster::start_on(network, workshop, programs, port, |_, _| Vec::new());
        cluster.start_controllers();
        let node = Node::start_with(&cluster, archives)?;
        Ok((cluster, node))
    }

    fn start_controllers(&mut self) {
        let Cluster { workshop, programs, network, .. } = self;
        let file = |flag: &str, name: &str| format!("--{flag}={}", workshop.text(name));
        let mut manager = network.command(&programs.join("kube-controller-manager"));
        manager
            .arg(file("kubeconfig", "admin.kubeconfig"))
            .arg(file("service-account-private-key-file", "service-accounts.key"))
            .arg(file("root-ca-file", "ca.crt"))
            .arg(file("cert-dir", "controller-manager"))
            .args(["--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0"]);
        let mut scheduler = network.command(&programs.join("kube-scheduler"));
        scheduler
            .arg(file("kubeconfig", "admin.kubeconfig"))
            .arg(file("cert-dir", "scheduler"))
            .args(["--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0"]);
        workshop.start("kube-controller-manager", &mut manager);
        workshop.start("kube-scheduler", &mut scheduler);
    }
}
