//! A simulated cluster: Kubernetes with its controllers, EMQX nodes with clients and shards, and everything that goes
//! wrong in between. The decisions under test are the real ones; only the world is simulated.
//!
//! A [`history`] is a random sequence of events. Planning and executing are separate events, so plans are executed late,
//! in part, or not at all, as when the operator is killed. After every event the [`invariants`] must hold; at the end the
//! failures end, and the cluster must become what the spec says.

mod blue_green;
mod emqx;
pub mod history;
mod invariants;
mod kubernetes;
mod operator;
mod sim;
mod spec;
mod view;

pub use history::{Failure, Tally, run};

#[cfg(test)]
mod tests {
    use super::run;

    /// Histories that broke something once. What they are about changes with the simulation; that they pass does not.
    const FOUND_SOMETHING: [u64; 7] = [53_029, 1_279_490, 1_388_769, 1_536_839, 1_616_181, 1_618_494, 1_691_614];

    #[test]
    fn histories_that_found_something_pass() {
        for seed in FOUND_SOMETHING {
            if let Err(failure) = run(seed, 120) {
                panic!("seed {seed}: {}", failure.what);
            }
        }
    }
}
