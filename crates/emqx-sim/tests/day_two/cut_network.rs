//! One of three cores loses its network, and gets it back.

use crate::world::{World, rows};
use emqx_sim::faults::Faults;
use emqx_sim::rpc::Phase;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const CUT: Faults = Faults { cut_off: true, ..NONE };
const NONE: Faults = Faults {
    http: emqx_sim::faults::HttpFault::None,
    half_of_the_nodes: false,
    silent: false,
    cut_off: false,
    lose_messages: false,
    evacuation_frozen: false,
    eviction_agent_busy: false,
    storage_stuck: false,
};

#[tokio::test(start_paused = true)]
async fn node_lists_take_half_a_minute_until_the_net_tick() {
    let world = World::started("5.10.4", &["a@h", "b@h", "c@h"], &[]).await;
    world.node("c@h").node.set_faults(CUT);
    let cut = Instant::now();
    sleep(Duration::from_secs(5)).await;
    let (asked, mut slow) = (["a@h", "b@h"], 0);
    while cut.elapsed() < Duration::from_secs(104) {
        let started = Instant::now();
        let seen = world.nodes(asked[slow % 2]).await;
        assert_eq!(started.elapsed().as_secs(), 30, "after {:?}", cut.elapsed());
        assert_eq!(seen, rows(&[("a@h", "running"), ("b@h", "running")]), "silently missing");
        slow += 1;
    }
    assert!(slow >= 3);
    sleep(Duration::from_secs(140) - cut.elapsed()).await;
    for name in asked {
        let started = Instant::now();
        assert_eq!(world.nodes(name).await, rows(&[("a@h", "running"), ("b@h", "running"), ("c@h", "stopped")]));
        assert!(started.elapsed() < Duration::from_secs(1));
    }
    assert_eq!(world.nodes("c@h").await, rows(&[("a@h", "stopped"), ("b@h", "stopped"), ("c@h", "running")]));
}

#[tokio::test(start_paused = true)]
async fn the_smaller_side_restarts_when_the_network_is_back() {
    let world = World::started("5.10.4", &["a@h", "b@h", "c@h"], &[]).await;
    world.node("c@h").node.set_faults(CUT);
    sleep(Duration::from_secs(200)).await;
    world.node("c@h").node.set_faults(NONE);
    let healed = Instant::now();
    let nodes = ["a@h", "b@h"].map(|name| world.node(name).node.port_open());
    world.reaches("c@h", Phase::Joining).await;
    assert!((15..40).contains(&healed.elapsed().as_secs()), "after {:?}", healed.elapsed());
    world.reaches("c@h", Phase::Running).await;
    sleep(Duration::from_secs(2)).await;
    for name in ["a@h", "b@h", "c@h"] {
        let seen = world.nodes(name).await;
        assert_eq!(seen, rows(&[("a@h", "running"), ("b@h", "running"), ("c@h", "running")]), "{name}");
    }
    assert!(nodes.iter().all(|open| *open.borrow() && !open.has_changed().unwrap()), "the larger side stays");
}

#[tokio::test(start_paused = true)]
async fn a_dead_core_in_the_list_blocks_healing() {
    let mut world = World::started("5.10.4", &["a@h", "b@h", "c@h"], &[]).await;
    world.node("c@h").node.set_faults(CUT);
    sleep(Duration::from_secs(200)).await;
    world.kill("b@h");
    world.node("c@h").node.set_faults(NONE);
    let joining = world.node("c@h").node.clone();
    assert!(timeout(Duration::from_secs(300), joining.reaches(Phase::Joining)).await.is_err(), "it healed");
}
