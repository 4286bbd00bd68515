//! A node that restarts while it is evacuated.

use crate::world::World;
use emqx_sim::clients::Counts;
use emqx_sim::rpc::Phase;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const AVAILABLE: &str = "/api/v5/load_rebalance/availability_check";
const STATUS: &str = "/api/v5/load_rebalance/status";

#[tokio::test(start_paused = true)]
async fn an_evacuation_survives_the_restart_until_it_is_stopped() {
    let mut world = World::started("5.10.4", &["a@h", "b@h"], &[]).await;
    world.node("b@h").clients.set(Counts { connected: 5, ..Counts::default() });
    let options = json!({"wait_health_check": 2, "wait_takeover": 3, "conn_evict_rate": 7, "migrate_to": ["a@h"]});
    let reply = world.call("a@h", "POST", "/api/v5/load_rebalance/b@h/evacuation/start", options).await.unwrap();
    assert_eq!(reply.status, 200);
    world.kill("b@h");
    sleep(Duration::from_secs(5)).await;
    world.start("b@h");
    world.reaches("b@h", Phase::Running).await;
    assert_eq!(world.status("b@h", AVAILABLE).await, 503, "from the first moment");
    let status = world.get("b@h", STATUS).await;
    // No wait_health_check and no migrate_to: they are not kept.
    assert_eq!(status["state"], "waiting_takeover");
    assert_eq!(status["connection_eviction_rate"], 7);
    assert_eq!(status["session_recipients"], json!(["a@h"]));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.get("b@h", STATUS).await["state"], "prohibiting");
    let stop = "/api/v5/load_rebalance/b@h/evacuation/stop";
    assert_eq!(world.call("a@h", "POST", stop, Value::Null).await.unwrap().status, 200);
    assert_eq!(world.status("b@h", AVAILABLE).await, 200);
    world.kill("b@h");
    world.start("b@h");
    world.reaches("b@h", Phase::Running).await;
    assert_eq!(world.status("b@h", AVAILABLE).await, 200, "it was stopped for good");
}

#[tokio::test(start_paused = true)]
async fn an_evacuation_is_gone_with_its_volume() {
    let mut world = World::started("5.10.4", &["a@h", "b@h"], &[]).await;
    let start = "/api/v5/load_rebalance/b@h/evacuation/start";
    assert_eq!(world.call("a@h", "POST", start, Value::Null).await.unwrap().status, 200);
    world.kill("b@h");
    world.lose_volume("b@h");
    world.start("b@h");
    world.reaches("b@h", Phase::Running).await;
    assert_eq!(world.status("b@h", AVAILABLE).await, 200);
}
