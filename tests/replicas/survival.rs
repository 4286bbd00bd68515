//! What one operator survives: a defect of its own, connections that lead nowhere, a lease that is lost while a broker hangs,
//! and resources that come and go.

use crate::{environment, prepared};
use emqx_operator_runtime::write_hook::{Moment, WriteHook};
use emqx_operator_runtime::{LEASE, LeaderElection, Settings};
use emqx_operator_tests::cluster::{apply, operator_user};
use emqx_operator_tests::link::Link;
use emqx_operator_tests::operator::{Operator, settings};
use emqx_operator_tests::wait::until;
use emqx_operator_tests::{emqx, wait};
use emqx_sim::faults::{Faults, HttpFault};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const LIMIT: Duration = Duration::from_secs(120);

fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn fetch(address: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let answer = reqwest::get(format!("http://{address}{path}")).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    Ok((status, answer.text().await.map_err(|error| error.to_string())?))
}

/// The value of a series.
fn value(metrics: &str, series: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

/// A defect that is met with every write for one resource.
#[derive(Debug)]
struct Defect(&'static str);

impl WriteHook for Defect {
    fn called<'a>(&'a self, moment: Moment, write: &'a str) -> BoxFuture<'a, ()> {
        assert!(moment == Moment::After || !write.contains(self.0), "a planted defect that knows hunter2");
        async {}.boxed()
    }
}

#[tokio::test]
async fn a_defect_ends_one_pass_and_no_other() {
    let (client, namespace) = environment("defect").await;
    let metrics = free_port();
    let hook: Arc<dyn WriteHook> = Arc::new(Defect("bad-headless"));
    let _operator =
        Operator::with(Settings { write_hook: Some(hook), metrics_address: Some(metrics), ..settings(&[&namespace]) });
    apply(&client, Some(&namespace), &emqx::resource("bad", emqx::cores(1))).await.unwrap();
    let told = emqx::condition(&client, &namespace, "bad", "Degraded", LIMIT, |c| c.reason == "InternalError").await;
    assert!(told.message.contains("survival.rs:") && !told.message.contains("hunter2"), "{}", told.message);
    apply(&client, Some(&namespace), &emqx::resource("good", emqx::cores(1))).await.unwrap();
    emqx::ready(&client, &namespace, "good", LIMIT).await;
    let events = Api::<Event>::namespaced(client.clone(), &namespace).list(&ListParams::default()).await.unwrap();
    assert!(events.items.iter().any(|event| event.reason.as_deref() == Some("InternalError")), "{events:#?}");
    let (_, text) = fetch(metrics, "/metrics").await.unwrap();
    assert!(
        value(&text, "emqx_operator_reconcile_panics_total{kind=\"EMQX\"}").is_some_and(|count| count >= 1.0),
        "{text}"
    );
}

/// Tells when such a write is sent.
#[derive(Debug)]
struct Sends(&'static str, Arc<Notify>);

impl WriteHook for Sends {
    fn called<'a>(&'a self, moment: Moment, write: &'a str) -> BoxFuture<'a, ()> {
        if moment == Moment::Before && write.starts_with(self.0) {
            self.1.notify_one();
        }
        async {}.boxed()
    }
}

/// As when a load balancer or a machine in front of the API server fails: nobody is told.
#[tokio::test]
async fn connections_that_lead_nowhere_are_noticed_within_a_minute() {
    let (client, namespace) = environment("dead").await;
    let target = operator_user().await.unwrap().cluster_url.authority().unwrap().to_string();
    let link = Link::to(target).await.unwrap();
    let _operator = Operator::reaching(Some(link.address), settings(&[&namespace]));
    for name in ["a", "b", "c", "d"] {
        apply(&client, Some(&namespace), &emqx::resource(name, emqx::cores(1))).await.unwrap();
    }
    for name in ["a", "b", "c", "d"] {
        emqx::ready(&client, &namespace, name, LIMIT).await;
    }
    link.lose_connections();
    let lost = Instant::now();
    for name in ["a", "b", "c", "d"] {
        apply(&client, Some(&namespace), &emqx::resource(name, emqx::cores(2))).await.unwrap();
    }
    for name in ["a", "b", "c", "d"] {
        emqx::settled(&client, &namespace, name, LIMIT).await;
    }
    println!("changes were carried out {:.0} s after the connections were lost", lost.elapsed().as_secs_f64());
}

/// Another process has the lease: it renews it, so that this one does not get it back.
async fn hold_lease(client: &Client, namespace: &str) {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE},
        "spec": {"holderIdentity": "another", "leaseDurationSeconds": 3600,
            "renewTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()},
    });
    apply(client, Some(namespace), &lease).await.unwrap();
}

#[tokio::test]
async fn no_request_is_sent_to_a_broker_after_the_lease_is_lost() {
    let (client, namespace, fleet) = prepared("lost-lease").await;
    let metrics = free_port();
    let election = LeaderElection { namespace: namespace.clone(), identity: "first".to_owned() };
    let sent = Arc::new(Notify::new());
    let hook: Arc<dyn WriteHook> = Arc::new(Sends("put config", sent.clone()));
    let settings = Settings {
        leader_election: Some(election),
        metrics_address: Some(metrics),
        write_hook: Some(hook),
        ..settings(&[&namespace])
    };
    let _operator = Operator::with(settings);
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(2))).await.unwrap();
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    for core in ["iot-core-0", "iot-core-1"] {
        fleet.set_faults(&namespace, core, Faults { http: HttpFault::HangChanges, ..Faults::default() });
    }
    let mut changed = emqx::cores(2);
    changed["config"]["roots"]["mqtt"] = json!({"max_packet_size": "2MB"});
    apply(&client, Some(&namespace), &emqx::resource("iot", changed)).await.unwrap();
    // The request to the first core hangs; the second one would be asked a minute later.
    sent.notified().await;
    hold_lease(&client, &namespace).await;
    until("the lease to be lost", LIMIT, || async {
        let (_, text) = fetch(metrics, "/metrics").await?;
        if value(&text, "emqx_operator_leading") == Some(0.0) { Ok(()) } else { Err("it leads".to_owned()) }
    })
    .await;
    for core in ["iot-core-0", "iot-core-1"] {
        fleet.set_faults(&namespace, core, Faults::default());
    }
    let asked = |text: &str| -> f64 {
        text.lines()
            .filter(|line| line.starts_with("emqx_operator_emqx_requests_total{method=\"PUT\""))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    };
    let before = asked(&fetch(metrics, "/metrics").await.unwrap().1);
    tokio::time::sleep(Duration::from_secs(75)).await;
    let (_, text) = fetch(metrics, "/metrics").await.unwrap();
    assert_eq!(asked(&text), before, "{text}");
}

/// The operator that saw it is gone. What the message says to do is what a user does, and it is enough.
#[tokio::test]
async fn an_identity_that_nobody_remembers_is_held_for_until_it_is_restored() {
    let (client, namespace) = environment("forgotten").await;
    let first = Operator::start(&[&namespace]);
    apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(2))).await.unwrap();
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    drop(first);
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    let names = ["iot-node-cookie", "iot-bootstrap-api-key"];
    let mut before = Vec::new();
    for name in names {
        before.push(secrets.get(name).await.unwrap());
        secrets.delete(name, &DeleteParams::default()).await.unwrap();
    }
    let _second = Operator::start(&[&namespace]);
    let lost = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "IdentityLost").await;
    assert!(lost.message.contains("kubectl create secret generic"), "{}", lost.message);
    for name in names {
        assert!(secrets.get_opt(name).await.unwrap().is_none(), "{name} is not made in another way");
    }
    for (name, old) in names.into_iter().zip(&before) {
        let restored = json!({"metadata": {"name": name}, "data": old.data});
        secrets.create(&PostParams::default(), &serde_json::from_value(restored).unwrap()).await.unwrap();
    }
    emqx::condition(&client, &namespace, "iot", "Ready", LIMIT, |c| c.status == "True").await;
    for (name, old) in names.into_iter().zip(&before) {
        // A reconcile may find one of the two before the other is created.
        wait::until("the Secret to be taken over", LIMIT, || async {
            let owners = secrets.get(name).await.map_err(|error| error.to_string())?.owner_references().len();
            if owners == 1 { Ok(()) } else { Err(format!("{name} has {owners} owners")) }
        })
        .await;
        assert_eq!(secrets.get(name).await.unwrap().data, old.data, "{name}");
    }
}

/// Late events, a claim that outlives its resource, an object of nobody: nothing waits for a pass that never comes.
#[tokio::test]
async fn an_idle_operator_is_well_after_resources_have_come_and_gone() {
    let (client, namespace) = environment("idle").await;
    let (metrics, health) = (free_port(), free_port());
    let settings = Settings { metrics_address: Some(metrics), health_address: Some(health), ..settings(&[&namespace]) };
    let _operator = Operator::with(settings);
    let depth = "workqueue_depth{controller=\"emqx\",name=\"emqx\"}";
    let oldest = "emqx_operator_oldest_unreconciled_change_seconds{kind=\"EMQX\"}";
    let is_idle = async || {
        let (_, text) = fetch(metrics, "/metrics").await?;
        let (status, said) = fetch(health, "/healthz").await?;
        let waits = (value(&text, depth), value(&text, oldest));
        let series = text.lines().filter(|line| line.contains(&namespace)).count();
        match (waits, status, series) {
            ((Some(depth), Some(oldest)), 200, 0) if depth == 0.0 && oldest == 0.0 => Ok(()),
            other => Err(format!("{other:?}: {said}")),
        }
    };
    wait::until("an operator without resources to be idle", LIMIT, is_idle).await;
    // An object with the operator's labels, of a resource that there never was.
    let stray = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stray", "labels": {
        "apps.emqx.io/instance": "never", "apps.emqx.io/managed-by": "emqx-operator"}}});
    apply(&client, Some(&namespace), &stray).await.unwrap();
    for round in 0..2 {
        apply(&client, Some(&namespace), &emqx::resource("iot", emqx::cores(2))).await.unwrap();
        emqx::ready(&client, &namespace, "iot", LIMIT).await;
        emqx::delete(&client, &namespace, "iot").await;
        let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
        wait::until("the pods to end", LIMIT, || async {
            let left = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
            if left == 0 { Ok(()) } else { Err(format!("{left} are there")) }
        })
        .await;
        // The claims are retained; one goes later, and the stray object with it.
        let claims = Api::<k8s_openapi::api::core::v1::PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
        claims.delete("iot-core-data-iot-core-1", &DeleteParams::default()).await.unwrap();
        apply(&client, Some(&namespace), &stray).await.unwrap();
        wait::until(&format!("the operator to be idle after round {round}"), LIMIT, is_idle).await;
    }
}
