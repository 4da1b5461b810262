//! Sees to it that the certificates are what they should be.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::Watched;
use super::configurations::Configurations;
use super::latest::Seen;
use super::lease::Lease;
use super::secret::{Holding, Keeping};
use crate::certificate::Pair;
use crate::certificate::custody::{Contents, Due, Inventory, Wanted, carry_out, decide, settling};
use crate::cluster::health::Health;
use crate::cluster::write::Unwritten;

/// How often everything is looked at although nothing was heard.
const PACE: Duration = Duration::from_secs(5);
/// Certificates that live for seconds are looked at more often.
const FASTEST: Duration = Duration::from_millis(500);
/// How many things may be due at once: an authority, a certificate, and what is to be forgotten.
const AT_ONCE: usize = 4;

/// What is to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustodyEvent {
    /// Something was replaced: `serving`, `ca` or `bundle`.
    Done(&'static str),
    /// It could not be.
    Failed(&'static str),
    /// When the authority ends that signs now, and the first of those that signed before.
    Authorities {
        /// The one that signs.
        issuing: Option<Timestamp>,
        /// The first to end of the others.
        retiring: Option<Timestamp>,
    },
}

type Tell = Box<dyn Fn(CustodyEvent) + Send + Sync>;

pub(super) struct Warden {
    wanted: Wanted,
    secrets: watch::Receiver<Seen<Secret>>,
    health: Arc<Health>,
    keeping: Keeping,
    lease: Lease,
    configurations: Configurations,
    tell: Tell,
    pair: watch::Sender<Option<Arc<Pair>>>,
    trouble: watch::Sender<Option<String>>,
    leaving: watch::Receiver<bool>,
    /// What was good before somebody spoilt it.
    memory: Option<Contents>,
}

type Told = (watch::Receiver<Option<Arc<Pair>>>, watch::Receiver<Option<String>>, Leave);

/// Has a server that stops give its Lease back, so that another takes it when it looks next.
#[derive(Debug, Clone)]
pub struct Leave(watch::Sender<bool>);

impl Leave {
    /// Returns once it has been tried, after the step that is under way; whoever says it sets a
    /// limit.
    pub async fn say(&self) {
        self.0.send_replace(true);
        self.0.closed().await;
    }
}

/// Waits for that; for ever where nobody is left who could say so.
async fn told_to(leave: &mut watch::Receiver<bool>) {
    if leave.wait_for(|leave| *leave).await.map(drop).is_err() {
        std::future::pending::<()>().await;
    }
}

impl Warden {
    pub(super) fn new(
        wanted: Wanted,
        (secrets, health): Watched,
        (keeping, lease): (Keeping, Lease),
        configurations: Configurations,
        tell: Tell,
    ) -> (Self, Told) {
        let (pair, pairs) = watch::channel(None);
        let (trouble, troubles) = watch::channel(None);
        let (leave, leaving) = watch::channel(false);
        let memory = None;
        let warden = Self {
            wanted,
            secrets,
            health,
            keeping,
            lease,
            configurations,
            tell,
            pair,
            trouble,
            leaving,
            memory,
        };
        (warden, (pairs, troubles, Leave(leave)))
    }

    /// Until it is told to leave.
    pub(super) async fn run(mut self, stirred: Arc<Notify>) {
        let (mut secrets, mut leaving) = (self.secrets.clone(), self.leaving.clone());
        let pace = settling(&self.wanted).unsigned_abs().clamp(FASTEST, PACE);
        let mut is_unread = false;
        loop {
            match self.seen() {
                Some(holding) => {
                    // While a step is taken, what was said before stays; not that nothing was read.
                    if std::mem::take(&mut is_unread) {
                        self.trouble.send_replace(None);
                    }
                    let outcome = self.step(holding).await;
                    self.say(outcome.unwrap_or_else(Some));
                }
                // The watch says in the log what is wrong with it.
                None => {
                    is_unread = true;
                    self.trouble.send_replace(self.health.state(PACE).err());
                }
            }
            tokio::select! {
                changed = secrets.changed() => {
                    if changed.is_err() {
                        sleep(PACE).await;
                    }
                }
                () = stirred.notified() => self.configurations.look_again(),
                () = told_to(&mut leaving) => break,
                () = sleep(pace) => {}
            }
        }
        if let Err(why) = self.lease.give_back().await {
            debug!("The Lease was not given back: {why}");
        }
    }

    fn say(&self, trouble: Option<String>) {
        let before = self.trouble.send_replace(trouble.clone());
        match trouble {
            Some(trouble) if before.as_ref() != Some(&trouble) => {
                warn!("Certificates of {}: {trouble}", self.keeping.place());
            }
            None if before.is_some() => {
                info!("Certificates of {} are well again", self.keeping.place());
            }
            _ => {}
        }
    }

    fn seen(&mut self) -> Option<Holding> {
        match &*self.secrets.borrow_and_update() {
            Seen::NotYet => None,
            Seen::Absent => Some(Holding::nothing()),
            Seen::Present(secret) => Some(Holding::of(secret)),
        }
    }

    /// What is remarkable, or what went wrong.
    async fn step(&mut self, holding: Holding) -> Result<Option<String>, String> {
        if holding.foreign {
            return Err("it was filled by somebody else and is left alone: give its content by \
                        `--tls-cert` and `--tls-key`, or name another Secret"
                .to_owned());
        }
        let usable = self.publish(&holding.contents);
        if self.lease.hold().await? {
            return self.tend(holding).await;
        }
        usable.map(|()| None)
    }

    /// Has these served, if they can be.
    fn publish(&mut self, contents: &Contents) -> Result<(), String> {
        let inventory = Inventory::of(contents, Timestamp::now());
        let issuing = inventory.issuer.as_ref().ok();
        let others = inventory.authorities.iter().filter(|it| Some(*it) != issuing);
        let retiring = others.map(|it| it.validity.until).min();
        let issuing = issuing.map(|it| it.validity.until);
        (self.tell)(CustodyEvent::Authorities { issuing, retiring });
        inventory.leaf?;
        let pair = self.keeping.pair(contents);
        self.pair.send_if_modified(|known| {
            let is_new = known.as_deref() != Some(&pair);
            if is_new {
                *known = Some(Arc::new(pair));
            }
            is_new
        });
        self.memory = Some(contents.clone());
        Ok(())
    }

    /// Does what is due, one thing after the other.
    async fn tend(&mut self, mut holding: Holding) -> Result<Option<String>, String> {
        let mut remark = None;
        for _ in 0..AT_ONCE {
            let now = Timestamp::now();
            let inventory = Inventory::of(&holding.contents, now);
            let (settled, told) = self.tell_api_servers(&holding.contents, &inventory).await;
            let due = decide(&inventory, &self.wanted, &holding.asked, settled, now);
            remark = told?;
            let Some(what) = due.what() else {
                if let Due::Wait(why) = &due {
                    debug!("A new certificate waits until API servers have heard of it: {why}");
                }
                return Ok(remark);
            };
            match self.replace(&due, &holding, now).await {
                Ok(Some(next)) => {
                    (self.tell)(CustodyEvent::Done(what));
                    holding = next;
                }
                // The watch will tell what somebody else has made of it.
                Ok(None) => return Ok(None),
                Err(why) => {
                    (self.tell)(CustodyEvent::Failed(what));
                    return Err(why);
                }
            }
        }
        Ok(remark)
    }

    /// Whether every API server has heard of all authorities; and what is remarkable about that.
    async fn tell_api_servers(
        &mut self,
        contents: &Contents,
        inventory: &Inventory,
    ) -> (bool, Result<Option<String>, String>) {
        if inventory.leaf.is_err() || inventory.issuer.is_err() {
            return (false, Ok(None));
        }
        match self.configurations.keep(&contents.authorities, &self.wanted.names).await {
            Ok(state) => {
                if state.written {
                    info!("The webhook configurations trust the authorities that there are now");
                }
                let needed = settling(&self.wanted);
                let settled =
                    SignedDuration::try_from(state.settled).unwrap_or(SignedDuration::MAX);
                (settled >= needed, Ok(state.remark))
            }
            Err(why) => {
                (self.tell)(CustodyEvent::Failed("webhooks"));
                (false, Err(why))
            }
        }
    }

    async fn replace(
        &mut self,
        due: &Due,
        holding: &Holding,
        now: Timestamp,
    ) -> Result<Option<Holding>, String> {
        let place = self.keeping.place();
        let next = carry_out(due, &holding.contents, self.memory.as_ref(), &self.wanted, now)
            .map_err(|why| format!("no certificate can be made: {why}"))?;
        match self.keeping.write(&next, holding.version.as_deref()).await {
            Ok(secret) => {
                match due {
                    Due::Leaf(why) => info!("{place} has a new serving certificate: {why}"),
                    Due::Authority(why) => info!("{place} has a new authority: {why}"),
                    Due::Forget => info!("{place} has only the newest authority"),
                    Due::Nothing | Due::Wait(_) => {}
                }
                let next = Holding::of(&secret);
                self.publish(&next.contents)?;
                Ok(Some(next))
            }
            Err(Unwritten::Outrun) => Ok(None),
            Err(Unwritten::Refused(why)) => Err(format!("it cannot be written: {why}")),
        }
    }
}
