//! Tells what takes long, while it does.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Runs `work` under a line that shows how long it has taken. On a terminal the line counts; in a log it is printed at
/// the end only.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let started = Instant::now();
    let done = Arc::new(AtomicBool::new(false));
    let ticker = std::io::stderr().is_terminal().then(|| {
        let (what, done) = (what.to_owned(), done.clone());
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                eprint!("\r  … {what} {}", seconds(started.elapsed()));
                let _ = std::io::stderr().flush();
                std::thread::park_timeout(Duration::from_millis(200));
            }
            eprint!("\r\x1b[K");
        })
    });
    let result = work();
    done.store(true, Ordering::Relaxed);
    if let Some(ticker) = ticker {
        ticker.thread().unpark();
        let _ = ticker.join();
    }
    let mark = if result.is_ok() { "✓" } else { "✗" };
    eprintln!("  {mark} {what} {}", seconds(started.elapsed()));
    result
}

pub(crate) fn seconds(duration: Duration) -> String {
    format!("({:.1} s)", duration.as_secs_f64())
}
