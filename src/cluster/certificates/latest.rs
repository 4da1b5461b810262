//! One object, as it was last seen.

use tokio::sync::watch;

use crate::cluster::watch::Keep;

/// What is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen<K> {
    /// Nothing: it has not been read yet.
    NotYet,
    /// It is not there.
    Absent,
    /// As it was.
    Present(Box<K>),
}

/// Keeps what a watch on one object tells.
#[derive(Debug)]
pub(super) struct Latest<K> {
    sender: watch::Sender<Seen<K>>,
    beginning: Seen<K>,
}

impl<K> Latest<K> {
    pub(super) fn new() -> (Self, watch::Receiver<Seen<K>>) {
        let (sender, receiver) = watch::channel(Seen::NotYet);
        (Self { sender, beginning: Seen::Absent }, receiver)
    }
}

impl<K> Keep for Latest<K> {
    type Object = K;

    fn begin(&mut self) {
        self.beginning = Seen::Absent;
    }

    fn initial(&mut self, object: K) {
        self.beginning = Seen::Present(Box::new(object));
    }

    fn complete(&mut self) {
        let beginning = std::mem::replace(&mut self.beginning, Seen::Absent);
        self.sender.send_replace(beginning);
    }

    fn put(&mut self, object: K) {
        self.sender.send_replace(Seen::Present(Box::new(object)));
    }

    fn remove(&mut self, _object: &K) {
        self.sender.send_replace(Seen::Absent);
    }

    fn publish(&mut self) {}
}
