//! A replicant without a core of its own release: it waits for ever in boot, and hangs when it runs already.

use crate::world::{World, rows};
use emqx_sim::rpc::Phase;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_replicant_without_a_core_of_its_release_never_opens_its_port() {
    let mut world = World::started("5.10.4", &["a@h", "b@h"], &[]).await;
    world.start_as("r1@h", "5.10.3");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.node("r1@h").node.phase(), Phase::Booting);
    assert!(!*world.node("r1@h").node.port_open().borrow());
    world.kill("b@h");
    world.start_as("b@h", "5.10.3");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.node("r1@h").node.phase(), Phase::Running);
}

#[tokio::test(start_paused = true)]
async fn a_running_replicant_that_loses_its_last_core_hangs_and_looks_well() {
    let mut world = World::started("5.10.4", &["a@h", "b@h"], &["r1@h"]).await;
    world.kill("b@h");
    sleep(Duration::from_secs(5)).await;
    world.kill("a@h");
    world.start_as("a@h", "5.10.5");
    world.reaches("a@h", Phase::Running).await;
    sleep(Duration::from_secs(30)).await;

    assert_eq!(world.status("r1@h", "/status").await, 200);
    assert_eq!(world.status("r1@h", "/api/v5/load_rebalance/availability_check").await, 200);
    for (method, path, seconds) in [("GET", "/api/v5/nodes", 60), ("PUT", "/api/v5/configs", 120)] {
        let started = Instant::now();
        assert_eq!(world.call("r1@h", method, path, Value::Null).await, None, "{method} is answered");
        assert_eq!(started.elapsed(), Duration::from_secs(seconds), "{method}");
    }
    let seen = world.nodes("a@h").await;
    assert_eq!(seen, rows(&[("a@h", "running"), ("b@h", "stopped"), ("r1@h", "running")]));
}

#[tokio::test(start_paused = true)]
async fn an_orphan_answers_again_when_a_core_of_its_release_is_back() {
    let mut world = World::started("5.10.4", &["a@h"], &["r1@h"]).await;
    world.kill("a@h");
    assert_eq!(world.call("r1@h", "GET", "/api/v5/nodes", Value::Null).await, None);
    world.start("a@h");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.nodes("r1@h").await, rows(&[("a@h", "running"), ("r1@h", "running")]));
}
