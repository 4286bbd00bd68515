//! Steps from one release of EMQX to another, as EMQX supports them or not.

use crate::rolling::{LIMIT, cluster, patch, pods, spec};
use emqx_operator_tests::emqx;
use serde_json::json;

const TO_6: &str = "5.10.4->6.0.0";

#[tokio::test]
async fn an_upgrade_that_loses_durable_sessions_waits_for_consent() {
    let mut durable = spec(2, 0);
    durable["config"]["roots"]["durable_sessions"] = json!({"enable": true});
    let (client, namespace) = cluster("upgrade-durable", durable).await;
    let before = pods(&client, &namespace).await;
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:6.0.0"}})).await;
    let held = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "UpgradeNotSupported");
    let text = held.await.message;
    let consent = format!("kubectl annotate emqx iot apps.emqx.io/upgrade-consent='{TO_6}'");
    assert!(text.contains("In use: messages") && text.contains(&consent), "{text}");
    assert_eq!(pods(&client, &namespace).await, before, "no node is changed");
    patch(&client, &namespace, json!({"metadata": {"annotations": {"apps.emqx.io/upgrade-consent": TO_6}}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    assert!(pods(&client, &namespace).await.values().all(|(_, image)| image == "emqx/emqx:6.0.0"));
    // And the way back.
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:5.10.4"}})).await;
    let held = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "UpgradeNotSupported");
    let text = held.await.message;
    assert!(text.contains("6.0.0->5.10.4") && text.contains("an earlier release"), "{text}");
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:6.0.0"}})).await;
    emqx::condition(&client, &namespace, "iot", "Ready", LIMIT, |c| c.status == "True").await;
}

/// In-memory sessions survive the same step, so nobody is asked.
#[tokio::test]
async fn an_upgrade_that_loses_nothing_goes_on() {
    let (client, namespace) = cluster("upgrade-memory", spec(2, 1)).await;
    patch(&client, &namespace, json!({"spec": {"image": "emqx/emqx:6.0.0"}})).await;
    emqx::settled(&client, &namespace, "iot", LIMIT).await;
    assert!(pods(&client, &namespace).await.values().all(|(_, image)| image == "emqx/emqx:6.0.0"));
}
