//! Runs histories on all processors and reports failures.

#[cfg(feature = "planted-bugs")]
mod mutants;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
use emqx_operator_testkit::{Failure, Tally, run};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A long run reports its progress after so many histories.
const PROGRESS: u64 = 50_000;

/// Runs random histories of a simulated cluster against the operator's decisions.
#[derive(Parser)]
struct Arguments {
    /// How many histories.
    #[arg(long, default_value_t = 20_000)]
    histories: u64,
    /// The seed of the first history; the next ones count on from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events in each history, before the failures end.
    #[arg(long, default_value_t = 120)]
    events: usize,
    /// How many failures to report before giving up.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Plants one bug after the other and sees after how many histories it is caught; writes the page about them.
    #[cfg(feature = "planted-bugs")]
    #[arg(long, value_name = "FILE")]
    mutants: Option<std::path::PathBuf>,
    /// Plants this bug.
    #[cfg(feature = "planted-bugs")]
    #[arg(long, hide = true)]
    bug: Option<String>,
}

fn main() {
    let arguments = Arguments::parse();
    #[cfg(feature = "planted-bugs")]
    if let Some(page) = &arguments.mutants {
        std::process::exit(mutants::run(page, arguments.histories));
    }
    #[cfg(feature = "planted-bugs")]
    if let Some(name) = &arguments.bug {
        mutants::plant(name);
    }
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let failures: Mutex<Vec<Failure>> = Mutex::default();
    let total: Mutex<Tally> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&arguments, &next, &failures, &total));
        }
    });
    let failures = failures.into_inner().expect("no thread has panicked");
    let total = total.into_inner().expect("no thread has panicked");
    for failure in &failures {
        println!("{}", failure.log.join("\n"));
        println!("seed {} failed: {}", failure.seed, failure.what);
        println!("again: cargo xtask simulate --histories 1 --seed {} --events {}\n", failure.seed, arguments.events);
    }
    let done = next.load(Ordering::Relaxed).min(arguments.histories);
    println!(
        "simulate: {done} histories from seed {}, {} events, {} writes, {} failed, {:.1} s",
        arguments.seed,
        total.events,
        total.writes,
        failures.len(),
        started.elapsed().as_secs_f64()
    );
    if !failures.is_empty() {
        std::process::exit(1);
    }
}

fn work(arguments: &Arguments, next: &AtomicU64, failures: &Mutex<Vec<Failure>>, total: &Mutex<Tally>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let enough = failures.lock().expect("no thread has panicked").len() >= arguments.failures;
        if number >= arguments.histories || enough {
            return;
        }
        if number > 0 && number.is_multiple_of(PROGRESS) {
            eprintln!("{number} of {} histories", arguments.histories);
        }
        match run(arguments.seed.wrapping_add(number), arguments.events) {
            Ok(tally) => {
                let mut total = total.lock().expect("no thread has panicked");
                total.events += tally.events;
                total.writes += tally.writes;
            }
            Err(failure) => failures.lock().expect("no thread has panicked").push(failure),
        }
    }
}
