//! The leader goes; the follower does what is left, soon, and writes nothing that was written.

use crate::environment;
use emqx_operator_runtime::{LEASE, LeaderElection, Settings};
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::operator::{Operator, settings};
use emqx_operator_tests::wait::until;
use emqx_operator_tests::{audit, emqx};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(180);
/// A lease is valid for 15 s, and a follower looks every two.
const AFTER_DEATH: Duration = Duration::from_secs(30);
/// A lease that was given back is free; one that was not ends after 13 s at least.
const AFTER_FAREWELL: Duration = Duration::from_secs(12);

fn replica(namespace: &str, identity: &str) -> Settings {
    let election = LeaderElection { namespace: namespace.to_owned(), identity: identity.to_owned() };
    Settings { leader_election: Some(election), ..settings(&[namespace]) }
}

async fn holder(client: &Client, namespace: &str) -> String {
    let lease = Api::<Lease>::namespaced(client.clone(), namespace).get_opt(LEASE).await.unwrap();
    lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
}

async fn leads(client: &Client, namespace: &str, identity: &str, limit: Duration) {
    until(&format!("{identity} to lead"), limit, || async {
        let holder = holder(client, namespace).await;
        if holder == identity { Ok(()) } else { Err(format!("the holder is {holder:?}")) }
    })
    .await;
}

/// Every object of the cluster was made once, and nothing was written twice in the same way.
fn nothing_was_written_twice(namespace: &str) {
    let writes = audit::writes(namespace);
    let done = writes.iter().filter(|write| write.code < 300 && !write.object.starts_with("emqxes/"));
    let done: Vec<_> = done.cloned().collect();
    for (object, count) in audit::counts(&done) {
        let allowed = match object.split('/').next().unwrap_or_default() {
            // Two of them, whose names an audit log does not tell.
            "secrets" => 2,
            // Made, and scaled.
            "statefulsets" => 2,
            "events" => usize::MAX,
            _ => 1,
        };
        assert!(count <= allowed, "{object} was written {count} times: {writes:#?}");
    }
}

/// A cluster is Ready under the first replica, which then goes; the second carries the next change out.
async fn handed_over(prefix: &str, limit: Duration, start: impl FnOnce(Settings) -> Operator) {
    let (client, namespace) = environment(prefix).await;
    let first = start(replica(&namespace, "first"));
    leads(&client, &namespace, "first", LIMIT).await;
    let _second = Operator::with(replica(&namespace, "second"));
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(1))).await.unwrap();
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    assert_eq!(holder(&client, &namespace).await, "first");
    drop(first);
    let gone = Instant::now();
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(2))).await.unwrap();
    leads(&client, &namespace, "second", limit).await;
    println!("{prefix}: the second replica led after {:.1} s", gone.elapsed().as_secs_f64());
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    nothing_was_written_twice(&namespace);
}

#[tokio::test]
async fn a_leader_that_is_killed_is_followed_when_its_lease_has_ended() {
    handed_over("killed", AFTER_DEATH, |settings| Operator::mortal(settings, CancellationToken::new())).await;
}

#[tokio::test]
async fn a_leader_that_is_asked_to_stop_is_followed_at_once() {
    handed_over("asked", AFTER_FAREWELL, Operator::with).await;
}

/// In the middle of the creation of a cluster.
#[tokio::test]
async fn a_leader_that_is_killed_at_work_leaves_nothing_to_be_done_twice() {
    let (client, namespace) = environment("at-work").await;
    let first = Operator::mortal(replica(&namespace, "first"), CancellationToken::new());
    leads(&client, &namespace, "first", LIMIT).await;
    let _second = Operator::with(replica(&namespace, "second"));
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(2))).await.unwrap();
    until("the first write", LIMIT, || async {
        if audit::writes(&namespace).is_empty() { Err("none yet".to_owned()) } else { Ok(()) }
    })
    .await;
    drop(first);
    // The cluster may have been Ready by then.
    leads(&client, &namespace, "second", LIMIT).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    nothing_was_written_twice(&namespace);
}

/// The clock of whoever wrote the lease is hours ahead or behind; it renews, so it leads.
#[tokio::test]
async fn a_lease_is_respected_whatever_the_clock_of_its_holder_says() {
    let (client, namespace) = environment("clocks").await;
    let leases = Api::<Lease>::namespaced(client.clone(), &namespace);
    let renew = async |hours: i64| {
        let now = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE},
            "spec": {"holderIdentity": "skewed", "leaseDurationSeconds": 15,
                "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()},
        });
        apply(&client, Some(&namespace), &lease).await.unwrap();
    };
    renew(-3).await;
    let operator = Operator::with(replica(&namespace, "waiting"));
    // Three times the lease's time.
    for _ in 0..45 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let lease = leases.get(LEASE).await.unwrap();
        assert_eq!(lease.spec.unwrap().holder_identity.as_deref(), Some("skewed"));
        renew(-3).await;
    }
    // Far in the future, and then silent.
    renew(3).await;
    leads(&client, &namespace, "waiting", Duration::from_secs(30)).await;
    drop(operator);
    assert_eq!(holder(&client, &namespace).await, "");
}
