//! One suite over every kind of ledger, what each promises when its store fails, and
//! `postern audit` over all of it.

mod audit;
mod conformance;
mod crash;
mod failure;
pub(crate) mod fixture;
#[path = "../support/postgres.rs"]
mod postgres;
