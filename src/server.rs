//! Layer 5, sockets and HTTP.
//!
//! ```text
//! listener ─ tls ─ webhook ─ body ─ gate        probes ─ metrics
//! ```

mod body;
pub mod listener;
pub mod metrics;
pub mod probes;
mod said;
pub mod tls;
pub mod tokens;
pub mod webhook;
