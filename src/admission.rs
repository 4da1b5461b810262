//! Layer 3, between an AdmissionReview and the core: the only reader of pods, and the only writer
//! of responses. Pure.
//!
//! [`decode`] makes a [`decode::Review`] of bytes; [`delta`] finds what it adds, [`structural`] what
//! the API server itself would refuse; [`patch`], [`message`] and [`respond`] carry a verdict back.

pub mod container;
pub mod decode;
pub mod delta;
pub mod message;
mod noted;
pub mod patch;
pub mod pod;
pub mod respond;
mod strict;
pub mod structural;
mod wire;
