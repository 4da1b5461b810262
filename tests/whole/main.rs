//! Whole clusters: Postern's own image in real pods, several of them, seen by the API server as
//! any other: by its Service. They run one after another, and after everything else, because what
//! is measured here is whether a request ever fails.
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

mod closed;
mod cluster;
mod image;
mod installed;
#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod postgres;
mod replicas;
mod steady;
mod town;
