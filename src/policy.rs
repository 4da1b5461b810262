//! Layer 0, the pure core: no clock, no wire, no cluster, no async.
//!
//! A question ([`request::DebugRequest`]) and a snapshot of all policies ([`set::PolicySet`]) give a
//! [`verdict::Verdict`]. Nothing here can fail: parsing happened at the edge.

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod circumstances;
mod constrain;
pub mod evaluate;
pub mod explain;
pub mod expression;
pub mod extent;
pub mod image;
pub mod name;
pub mod pod_security;
pub mod removal;
pub mod request;
pub mod resolve;
pub mod rule;
pub mod sample;
pub mod schedule;
pub mod security_context;
mod select;
pub mod set;
pub mod setting;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod verdict;
pub mod volume;
