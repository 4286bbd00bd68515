//! Waiting for something to become true, with the last reason why it was not.

use std::future::Future;
use std::time::{Duration, Instant};

/// Asks again and again until the answer is yes; panics with the last no.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let started = Instant::now();
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(reason) if started.elapsed() > limit => panic!("waited {limit:?} for {what}: {reason}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
