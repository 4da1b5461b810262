//! Postern judges the debug containers that `kubectl debug` puts into running pods.
//!
//! A review from the API server goes down one conveyor ([`gate`]):
//!
//! ```text
//! bytes ─ decode ─ look up ─ judge ─ patch ─ record ─ respond ─ bytes
//! ```
//!
//! The modules below are in reading order. A module names only modules of lower layers, never one
//! of its own; `tests/it/tidy.rs` holds that.
//!
//! | layer | modules |
//! | --- | --- |
//! | 0, the pure core | [`policy`] |
//! | 1, containers and what is read of pods, as JSON | [`document`] |
//! | 2, what policies say in CEL | [`expression`] |
//! | 3, shapes of the outside world | [`admission`], [`certificate`], [`crd`], [`kubectl`], [`ledger`] |
//! | 4, the conveyor, and what judges a cluster | [`gate`], [`doctor`], [`watch`] |
//! | 5, parts that touch the world | [`cluster`], [`folder`], [`store`], [`forward`], [`server`], [`config`], [`telemetry`] |
//! | 6, everything built from settings | [`app`] |
//! | 7, the command line | [`cli`] |

pub mod policy;

pub mod document;

pub mod expression;

pub mod admission;
pub mod certificate;
pub mod crd;
pub mod kubectl;
pub mod ledger;

pub mod doctor;
pub mod gate;
pub mod watch;

pub mod cluster;
pub mod config;
pub mod folder;
pub mod forward;
pub mod server;
pub mod store;
pub mod telemetry;

pub mod app;

pub mod cli;
