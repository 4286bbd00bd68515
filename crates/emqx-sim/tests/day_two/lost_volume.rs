//! A core whose volume is lost and whose name is not.

use crate::world::{SETTLED, World, rows};
use emqx_sim::node::Exit;
use emqx_sim::rpc::Phase;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const CORES: [&str; 3] = ["a@h", "b@h", "c@h"];

#[tokio::test(start_paused = true)]
async fn without_durable_storage_it_joins_again_and_is_stopped_for_others_until_then() {
    let mut world = World::new("5.10.4", &CORES).up(&CORES, &[]).await;
    world.kill("c@h");
    world.lose_volume("c@h");
    sleep(Duration::from_secs(5)).await;
    world.start("c@h");
    world.reaches("c@h", Phase::Running).await;
    assert_eq!(world.status("c@h", "/status").await, 200);
    assert_eq!(world.nodes("c@h").await, rows(&[("c@h", "running")]));
    assert_eq!(world.nodes("a@h").await, rows(&[("a@h", "running"), ("b@h", "running"), ("c@h", "stopped")]));
    sleep(SETTLED).await;
    assert_eq!(world.nodes("a@h").await, rows(&[("a@h", "running"), ("b@h", "running"), ("c@h", "running")]));
}

#[tokio::test(start_paused = true)]
async fn with_durable_storage_it_crash_loops_until_its_old_site_is_emptied_and_forgotten() {
    let mut world = World::new("5.10.4", &CORES)
        .with("EMQX_DURABLE_SESSIONS__ENABLE", "true")
        .with("EMQX_DURABLE_STORAGE__MESSAGES__N_SITES", "3")
        .with("EMQX_DURABLE_STORAGE__MESSAGES__N_SHARDS", "4")
        .up(&CORES, &[])
        .await;
    let site = world.node("c@h").node.volume.site().unwrap();
    world.kill("c@h");
    world.lose_volume("c@h");
    sleep(Duration::from_secs(5)).await;

    for _ in 0..2 {
        assert!(matches!(crash(&mut world).await, Exit::ConflictingSite { .. }));
    }
    let seen = world.get("a@h", &format!("/api/v5/ds/sites/{site}")).await;
    assert_eq!(
        (&seen["node"], &seen["up"], &seen["shards"][0]["status"]),
        (&json!("c@h"), &json!(false), &json!("down"))
    );
    assert_eq!(world.nodes("a@h").await["c@h"], "stopped");

    force_leave(&world).await;
    assert!(matches!(crash(&mut world).await, Exit::ConflictingSite { .. }), "leaving alone does not help");

    force_leave(&world).await;
    let forget = ["ds", "forget", site.as_str()];
    assert!(world.node("a@h").node.command(&forget).await.starts_with("Unable to forget site"), "it holds replicas");
    let rest: Vec<String> = ["a@h", "b@h"].map(|name| world.node(name).node.volume.site().unwrap()).into();
    let put = world.call("a@h", "PUT", "/api/v5/ds/storages/messages/replicas", json!(rest)).await;
    assert_eq!(put.unwrap().status, 202);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.node("a@h").node.command(&forget).await, "ok\n");
    world.start("c@h");
    sleep(SETTLED).await;
    assert_eq!(world.node("c@h").node.phase(), Phase::Running);
    assert_eq!(world.nodes("a@h").await["c@h"], "running");
    assert_eq!(world.get("a@h", "/api/v5/ds/sites").await.as_array().unwrap().len(), 3);
}

/// Starts c; its status is well for a moment, then its process ends.
async fn crash(world: &mut World) -> Exit {
    world.start("c@h");
    world.reaches("c@h", Phase::Running).await;
    assert_eq!(world.status("c@h", "/status").await, 200);
    let exit = tokio::time::timeout(Duration::from_secs(60), &mut world.node_mut("c@h").exit).await;
    let exit = exit.expect("it stays").unwrap();
    world.kill("c@h");
    exit
}

async fn force_leave(world: &World) {
    let reply = world.call("a@h", "DELETE", "/api/v5/cluster/c@h/force_leave", Value::Null).await;
    assert_eq!(reply.unwrap().status, 204);
}
