//! How a connection learns that its session has something for it, or that it is to end. It holds no messages: those stay
//! in the session, which is bounded, until the connection fetches them. So a client that does not read costs no memory.

use super::codec::DisconnectReason;
use std::sync::OnceLock;
use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Mailbox {
    waiting: Notify,
    closing: OnceLock<DisconnectReason>,
}

impl Mailbox {
    pub(super) fn wake(&self) {
        self.waiting.notify_one();
    }

    /// False if the connection is closing already.
    pub(super) fn close(&self, why: DisconnectReason) -> bool {
        let first = self.closing.set(why).is_ok();
        self.wake();
        first
    }

    /// Safe to drop at any time: the next call knows of what was missed.
    pub(super) async fn woken(&self) -> Option<DisconnectReason> {
        self.waiting.notified().await;
        self.closing.get().copied()
    }
}
