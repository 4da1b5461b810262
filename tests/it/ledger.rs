//! One suite over every kind of ledger, what each promises when its store fails, and
//! `postern audit` over all of it.

pub(crate) mod audit;
mod conformance;
mod crash;
mod export;
mod failure;
pub(crate) mod fixture;
mod outage;
#[path = "../support/postgres.rs"]
mod postgres;
mod replay;
mod retention;
mod screen;
mod server;
mod stats;
mod tampered;
mod upgrade;
mod verify;
