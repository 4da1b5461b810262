//! Every test that needs more than one module.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    missing_docs,
    reason = "a test fails by panicking, says why, and is its own documentation"
)]

mod alerts;
mod check;
mod cli;
mod cluster;
mod corpus;
mod crd;
mod documented;
mod forward;
#[path = "../support/hostile.rs"]
mod hostile;
mod ledger;
mod logs;
mod manifests;
mod pod_security;
mod properties;
mod release;
#[path = "../support/server.rs"]
mod server;
mod test_cases;
mod tidy;
mod tls;
mod webhook;
