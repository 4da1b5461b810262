//! A real API server that calls the real Postern, and what people see who type real kubectl.
//!
//! What a terminal shows, and what the ledger holds afterwards, is kept in `snapshots`
//! (`cluster_*.snap`): read those first, they are the product. All tests share one API server and
//! one Postern; each has a namespace of its own. Those that stop Postern, or change its policies or
//! how it is called, have both to themselves meanwhile.

#[path = "../support/cluster.rs"]
#[expect(dead_code, reason = "the playground uses the rest")]
pub(crate) mod support;

mod answers;
mod certificates;
mod custom;
mod desk;
mod doctor;
mod expressions;
mod manifests;
mod node;
mod outage;
mod playground;
mod plugin;
mod pods;
mod policies;
mod pool;
mod profiles;
mod raw;
mod restricted;
mod site;
mod transcript;
