//! The control plane and the node.

#[path = "../support/cluster.rs"]
#[allow(dead_code, unused_imports, reason = "the other tests use the rest")]
pub(crate) mod support;
