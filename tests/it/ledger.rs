//! One suite over every kind of ledger, what each promises when its store fails, and
//! `postern audit` over all of it.

mod audit;
mod conformance;
mod crash;
mod export;
mod failure;
mod fixture;
#[path = "../support/postgres.rs"]
mod postgres;
