//! A defect of the operator ends the reconcile that met it, and nothing else.

use futures::FutureExt as _;
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic that was caught: where it happened. What it says may quote an object, so it is in the log only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    pub place: String,
}

/// Notes the place of every panic, and writes it to the log.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            note(info);
            before(info);
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    tracing::error!(place, panic = message(info.payload()), "the operator met a defect of its own");
    PLACE.with_borrow_mut(|last| *last = Some(place));
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no text").chars().take(1000).collect()
}

/// Runs to the end, or to a panic.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Caught> {
    // What the work shared with others is behind locks that no panic poisons, and is replaced as a whole.
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    ended.map_err(|_| Caught { place: PLACE.take().unwrap_or_else(|| "an unknown place".to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::{caught, watch};

    #[tokio::test]
    async fn a_panic_is_caught_with_its_place() {
        watch();
        assert_eq!(caught(async { 1 }).await, Ok(1));
        let place = caught(async { panic!("the password is hunter2") }).await.expect_err("it panics").place;
        assert!(place.contains("panics.rs:") && !place.contains("hunter2"), "{place}");
    }
}
