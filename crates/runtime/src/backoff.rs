//! How long a cluster whose pass failed is left alone: per cluster, growing, with jitter, so that a thousand clusters
//! that fail together do not come back together.

use crate::index::Key;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(120);

/// Failures in a row, by cluster.
#[derive(Default)]
pub struct Backoffs(Mutex<HashMap<Key, u32>>);

impl Backoffs {
    /// One more failure: how long to wait now.
    pub fn next(&self, key: &Key) -> Duration {
        let mut failures = self.0.lock().expect("no holder of this lock panics");
        let count = failures.entry(key.clone()).or_default();
        let delay = delay(*count);
        *count = count.saturating_add(1);
        delay.mul_f64(rand::random_range(0.75..1.25))
    }

    /// It worked.
    pub fn reset(&self, key: &Key) {
        self.0.lock().expect("no holder of this lock panics").remove(key);
    }
}

fn delay(failures: u32) -> Duration {
    FIRST.saturating_mul(2u32.saturating_pow(failures.min(16))).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, delay};
    use std::time::Duration;

    #[test]
    fn it_grows_and_ends() {
        let delays: Vec<_> = (0..4).map(|failures| delay(failures).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000]);
        assert_eq!(delay(9), LONGEST.min(Duration::from_secs(128)));
        assert_eq!(delay(u32::MAX), LONGEST);
    }
}
