//! Kills the operator at one point after the other, until the change is over before the point is reached.

use crate::end_state;
use crate::scenario::Scenario;
use emqx_operator_runtime::Settings;
use emqx_operator_runtime::write_hook::{Moment, WriteHook};
use emqx_operator_tests::fleet::Fleet;
use emqx_operator_tests::operator::Operator;
use emqx_operator_tests::{cluster, crd, operator};
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, StreamExt as _};
use kube::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Clusters at the same time, of all scenarios together: they wait more than they work. Scenarios that are long take the places of
/// those that have ended.
const AT_ONCE: usize = 16;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);
/// What only follows the end, such as marks that are cleared, takes up to nine seconds.
const STAYS: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_secs(120);

/// The API server, and the nodes that stand in for EMQX.
struct Place {
    client: Client,
    fleet: &'static Fleet,
}

/// Counts writes, and kills the operator at one of them.
#[derive(Debug)]
struct Killer {
    moment: Moment,
    number: usize,
    seen: AtomicUsize,
    killed: CancellationToken,
}

impl WriteHook for Killer {
    fn called<'a>(&'a self, moment: Moment, write: &'a str) -> BoxFuture<'a, ()> {
        async move {
            if moment != self.moment || self.seen.fetch_add(1, Ordering::AcqRel) + 1 != self.number {
                return;
            }
            if std::env::var_os("CRASH_POINTS_VERBOSE").is_some() {
                println!("killed {moment:?} write {}: {write}", self.number);
            }
            self.killed.cancel();
            // Nothing that the dead do comes to an end.
            std::future::pending::<()>().await;
        }
        .boxed()
    }
}

/// Every point of one scenario; prints how many there are.
pub(crate) fn all(scenario: &Scenario) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, fleet) = environment().await;
        let place = Place { client, fleet };
        let (expected, restarts, writes) = undisturbed(scenario, &place).await;
        let reached: usize = stream::iter(points(scenario.after_each, writes))
            .map(|(moment, number)| disturbed(scenario, &place, moment, number, &expected, restarts))
            .buffer_unordered(AT_ONCE)
            .map(usize::from)
            .fold(0, |sum, reached| async move { sum + reached })
            .await;
        println!("crash-points: {}: {reached} points around {writes} writes, every end the same", scenario.name);
    });
}

/// Between two writes nothing lasts but memory, which dies either way: whoever is killed after one leaves what is there
/// before the next. Only the last write has no next.
fn points(after_each: bool, writes: usize) -> impl Iterator<Item = (Moment, usize)> {
    (1..=writes).flat_map(move |number| {
        let after = (after_each || number == writes).then_some((Moment::After, number));
        [(Moment::Before, number)].into_iter().chain(after)
    })
}

async fn environment() -> (Client, &'static Fleet) {
    static READY: tokio::sync::OnceCell<Fleet> = tokio::sync::OnceCell::const_new();
    let client = cluster::admin().await.expect("the cluster can be reached");
    let fleet = READY
        .get_or_init(|| async {
            operator::grant(&client).await.expect("roles can be granted");
            crd::install(&client).await.expect("the CRD is accepted");
            Fleet::start()
        })
        .await;
    (client, fleet)
}

fn mortal(namespace: &str, killer: &Arc<Killer>) -> Operator {
    let settings = Settings { write_hook: Some(killer.clone()), ..operator::settings(&[namespace]) };
    Operator::mortal(settings, killer.killed.clone())
}

/// The end without a crash, how often cores restarted, and how many writes there were.
async fn undisturbed(scenario: &Scenario, place: &Place) -> (Vec<String>, usize, usize) {
    let _place = PLACES.acquire().await.expect("nobody closes it");
    let Place { client, fleet } = place;
    let namespace = scenario.prepare(client, fleet).await;
    let before = end_state::restarts(&namespace);
    let sessions = fleet.sessions(&namespace);
    let killer = killer(Moment::Before, usize::MAX);
    let operator = mortal(&namespace, &killer);
    scenario.begin(client, &namespace).await;
    scenario.end(client, &namespace).await;
    // What is written from now on is no part of the change.
    let writes = killer.seen.load(Ordering::Acquire);
    let expected = at_rest(place, &namespace).await;
    let restarts = end_state::restarts(&namespace) - before;
    assert!(scenario.after.is_null() || fleet.sessions(&namespace) == sessions, "{}: sessions are lost", scenario.name);
    killer.killed.cancel();
    tokio::task::spawn_blocking(move || drop(operator)).await.unwrap();
    scenario.leave(client, &namespace).await;
    (expected, restarts, writes)
}

/// Whether the point was reached. A crash may save writes, so the last points may not exist.
async fn disturbed(
    scenario: &Scenario,
    place: &Place,
    moment: Moment,
    number: usize,
    expected: &[String],
    restarts: usize,
) -> bool {
    let _place = PLACES.acquire().await.expect("nobody closes it");
    let Place { client, fleet } = place;
    let namespace = scenario.prepare(client, fleet).await;
    let before = end_state::restarts(&namespace);
    let killer = killer(moment, number);
    let operator = mortal(&namespace, &killer);
    scenario.begin(client, &namespace).await;
    let reached = tokio::select! {
        () = killer.killed.cancelled() => true,
        () = scenario.end(client, &namespace) => false,
    };
    killer.killed.cancel();
    tokio::task::spawn_blocking(move || drop(operator)).await.unwrap();
    let successor = Operator::start(&[&namespace]);
    scenario.end(client, &namespace).await;
    let point = format!("{} killed {moment:?} write {number}", scenario.name);
    let end = settled(place, &namespace, expected).await;
    assert_eq!(end, expected, "{point}: the end differs");
    let restarted = end_state::restarts(&namespace) - before;
    assert_eq!(restarted, restarts, "{point}: cores were restarted {restarted} times instead of {restarts}");
    tokio::task::spawn_blocking(move || drop(successor)).await.unwrap();
    scenario.leave(client, &namespace).await;
    reached
}

/// The end, once it stays as it is.
async fn at_rest(Place { client, fleet }: &Place, namespace: &str) -> Vec<String> {
    let started = Instant::now();
    let (mut end, mut since) = (end_state::of(client, fleet, namespace).await, Instant::now());
    while since.elapsed() < STAYS {
        assert!(started.elapsed() < LIMIT, "the end of {namespace} does not stay: {end:#?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = end_state::of(client, fleet, namespace).await;
        if now != end {
            (end, since) = (now, Instant::now());
        }
    }
    end
}

/// What only follows the end gets its time.
async fn settled(Place { client, fleet }: &Place, namespace: &str, expected: &[String]) -> Vec<String> {
    let started = Instant::now();
    loop {
        let end = end_state::of(client, fleet, namespace).await;
        if end == expected || started.elapsed() > LIMIT {
            return end;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn killer(moment: Moment, number: usize) -> Arc<Killer> {
    Arc::new(Killer { moment, number, seen: AtomicUsize::new(0), killed: CancellationToken::new() })
}
