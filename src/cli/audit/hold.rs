//! `postern audit hold` and `postern audit release`

use std::collections::BTreeSet;

use super::{Source, note, person};
use crate::cli::{Form, Misuse, Outcome, as_json, print};
use crate::ledger::event::{Event, What};
use crate::policy::text::{Quoted, is_plain};
use crate::store::AnyLedger;

/// Have nothing dropped from the ledger, however old, until the hold is released
#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    /// What it is for: the number of a case
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    source: Source,
    /// `json` prints the event that was left
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

/// End a hold; exit code 1 where there is none of that name
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    /// What the hold was called
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    source: Source,
    /// `json` prints the event that was left
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

impl Hold {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        check(&self.name)?;
        let ledger = AnyLedger::open_read_only(&self.source.location()?).await?;
        let is_held = ledger.held().await?.contains(&self.name);
        ledger.close().await;
        if is_held {
            note(&format!("{} is held already; one release ends it", Quoted(&self.name)));
        }
        let (hold, by) = (self.name.clone(), person::caller());
        leave(&self.source, What::Held { hold, by }, self.output).await
    }
}

impl Release {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        check(&self.name)?;
        let ledger = AnyLedger::open_read_only(&self.source.location()?).await?;
        let held = ledger.held().await?;
        ledger.close().await;
        if !held.contains(&self.name) {
            note(&nothing_of(&self.name, &held));
            return Ok(Outcome::No);
        }
        let (hold, by) = (self.name.clone(), person::caller());
        leave(&self.source, What::Released { hold, by }, self.output).await
    }
}

async fn leave(source: &Source, what: What, output: Form) -> anyhow::Result<Outcome> {
    let event = Event::now("", what);
    AnyLedger::leave_event(&source.location()?, &event).await?;
    if output == Form::Json {
        print(&as_json(&event)?)?;
    }
    note("left for a server to write into its ledger, which it does with its next checkpoint");
    Ok(Outcome::Done)
}

fn nothing_of(name: &str, held: &BTreeSet<String>) -> String {
    let held: Vec<_> = held.iter().map(|name| Quoted(name).to_string()).collect();
    let held = if held.is_empty() { "nothing".to_owned() } else { held.join(", ") };
    format!("nothing is held as {}, so nothing was released; what is held: {held}", Quoted(name))
}

/// A word or a few, as people write the number of a case. Not left to the parser of arguments,
/// which repeats in full what it refuses.
fn check(name: &str) -> Result<(), Misuse> {
    let is_name = !name.trim().is_empty() && name.len() <= 100 && name.chars().all(is_plain);
    if is_name {
        Ok(())
    } else {
        let name = Quoted(name);
        Err(Misuse(format!("{name} is no name of a hold: want 1 to 100 printable characters")))
    }
}
