//! Follows a watch: everything that is there, then every change, for ever.

use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt};
use kube::client::AuthError;
use kube::runtime::watcher::{self, Event};
use tokio::time::{Instant, sleep, timeout};

use super::client;
use super::health::Health;

/// Pauses between attempts, from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// How often everything is read again, whatever the watch has told: what a watch left out, by a
/// fault of the API server's, is wrong for so long and no longer.
const AFRESH: Duration = Duration::from_secs(600);
/// How often a quiet watch is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long one watch lasts at most: what opens the next one is a sign of life.
const LONGEST: Duration = Duration::from_secs(60);
/// How many watches fit into the time after which silence counts.
const WATCHES_IN_LIMIT: u32 = 3;

/// What becomes of the objects of a watch.
pub(super) trait Keep {
    /// An object, or as much of it as is asked for.
    type Object;

    /// Everything is told from the start; what is kept stays in force until all of it is told.
    fn begin(&mut self);
    /// One of everything that there is.
    fn initial(&mut self, object: Self::Object);
    /// Everything was told.
    fn complete(&mut self);
    /// It is new, or was changed.
    fn put(&mut self, object: Self::Object);
    /// It is gone.
    fn remove(&mut self, object: &Self::Object);
    /// Nothing more is to be told at the moment.
    fn publish(&mut self);
}

/// How long a single watch is to last.
pub(super) fn duration(stale_limit: Duration) -> Duration {
    (stale_limit / WATCHES_IN_LIMIT).clamp(Duration::from_secs(1), LONGEST)
}

/// The settings of a watch that lasts so long.
pub(super) fn settings(duration: Duration) -> watcher::Config {
    let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    watcher::Config::default().timeout(seconds)
}

/// Follows the events of one watch after another, and never returns; every failure is a pause and
/// another attempt.
pub(super) async fn follow<K, E>(watch: impl Fn() -> E, mut keep: K, health: Arc<Health>)
where
    K: Keep,
    E: Stream<Item = watcher::Result<Event<K::Object>>>,
{
    loop {
        let events = pin!(watch());
        follow_one(events, &mut keep, &health).await;
    }
}

/// Until it is time to read everything again.
async fn follow_one<K, E>(mut events: Pin<&mut E>, keep: &mut K, health: &Health)
where
    K: Keep,
    E: Stream<Item = watcher::Result<Event<K::Object>>>,
{
    let (first, longest) = PAUSES;
    let mut pause = first;
    let begun = Instant::now();
    while begun.elapsed() < AFRESH {
        let mut next = timeout(LOOK, events.next()).await.ok().flatten();
        let mut told = false;
        while let Some(event) = next {
            match event {
                Ok(event) => {
                    take(event, keep, health);
                    told = true;
                }
                Err(error) => {
                    health.failed(describe(&error));
                    sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
            }
            // What has arrived together is published together.
            next = events.next().now_or_never().flatten();
        }
        if told {
            keep.publish();
        }
        if health.is_well() {
            pause = first;
        }
    }
}

fn take<K: Keep>(event: Event<K::Object>, keep: &mut K, health: &Health) {
    match event {
        Event::Init => keep.begin(),
        Event::InitApply(object) => keep.initial(object),
        Event::InitDone => {
            keep.complete();
            health.synced();
        }
        Event::Apply(object) => keep.put(object),
        Event::Delete(object) => keep.remove(&object),
    }
}

fn describe(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => plain(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => "an answer without a resourceVersion".to_owned(),
    }
}

/// What the API server said, or what kept it from saying anything, in one line.
pub(super) fn plain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 => {
            "the API server does not know them; is the definition installed (`postern crds`)?"
                .to_owned()
        }
        other => reason(other),
    }
}

/// The same where what is asked for is known to every API server.
pub(super) fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.is_empty() => {
            format!("it answers with status {} and no reason, as no API server does", status.code)
        }
        kube::Error::Api(status) if status.message.trim_start().starts_with('<') => {
            format!("it answers with status {} and a page, as no API server does", status.code)
        }
        kube::Error::Api(status) => status.message.clone(),
        other => {
            if let Some(error) = refused_credentials(other) {
                return client::credentials(error, None);
            }
            if let Some(error) = unbelieved(other) {
                return client::unbelieved(error);
            }
            let mut text = without_type(&other.to_string()).to_owned();
            let mut source = Error::source(other);
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            text
        }
    }
}

/// Where it is a token that could not be renewed.
fn refused_credentials(error: &kube::Error) -> Option<&AuthError> {
    let mut causes = std::iter::successors(Error::source(error), |it| Error::source(*it));
    causes.find_map(|cause| cause.downcast_ref())
}

/// Where it is the API server's certificate. Errors of input and output hide what they are about.
fn unbelieved<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(error @ rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return Some(error);
    }
    let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let hidden = hidden.map(|error| error as &(dyn Error + 'static));
    unbelieved(hidden.or_else(|| error.source())?)
}

/// `ServiceError: client error` → `client error`: what a type is called tells nobody anything.
fn without_type(text: &str) -> &str {
    let is_type = |name: &str| name.ends_with("Error") && !name.contains(' ');
    text.split_once(": ").filter(|(name, _)| is_type(name)).map_or(text, |(_, rest)| rest)
}

#[cfg(test)]
mod tests;
