//! All cores are lost at once and start again, in any order.

use crate::world::{SETTLED, World, rows};
use emqx_sim::rpc::Phase;
use std::time::Duration;
use tokio::time::sleep;

const CORES: [&str; 3] = ["a@h", "b@h", "c@h"];
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

#[tokio::test(start_paused = true)]
async fn cores_killed_at_once_start_in_any_order_and_none_before_the_last() {
    for order in ORDERS {
        let mut world = World::started("5.10.4", &CORES, &["r1@h"]).await;
        CORES.iter().for_each(|name| world.kill(name));
        sleep(Duration::from_secs(20)).await;
        for (count, index) in order.into_iter().enumerate() {
            world.start(CORES[index]);
            sleep(Duration::from_secs(60)).await;
            let running = order[..=count].iter().all(|one| world.node(CORES[*one]).node.phase() == Phase::Running);
            assert_eq!(running, count == 2, "{order:?} after {} cores", count + 1);
        }
        let all = rows(&[("a@h", "running"), ("b@h", "running"), ("c@h", "running"), ("r1@h", "running")]);
        for name in CORES.iter().chain(&["r1@h"]) {
            assert_eq!(world.nodes(name).await, all, "{order:?} seen by {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cores_that_stopped_one_after_the_other_wait_for_the_last_one() {
    for order in ORDERS {
        let mut world = World::started("5.10.4", &CORES, &[]).await;
        for name in CORES {
            world.kill(name);
            sleep(Duration::from_secs(5)).await;
        }
        // Only c, the last one down, knows that nobody has later news.
        let mut last_is_back = false;
        for index in order {
            world.start(CORES[index]);
            last_is_back |= CORES[index] == "c@h";
            sleep(Duration::from_secs(60)).await;
            let phase = world.node(CORES[index]).node.phase();
            assert_eq!(phase == Phase::Running, last_is_back, "{order:?}: {}", CORES[index]);
        }
        sleep(SETTLED).await;
        for name in CORES {
            assert_eq!(world.nodes(name).await.len(), 3, "{order:?} seen by {name}");
        }
    }
}
