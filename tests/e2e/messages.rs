//! Clients find a cluster behind its Service, whichever node they land on.

use crate::{READY, environment};
use emqx_operator_tests::cluster::{apply, documents};
use emqx_operator_tests::emqx;
use emqx_operator_tests::operator::Operator;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;

#[tokio::test]
async fn messages_cross_nodes() {
    let (client, namespace) = environment("messages").await;
    let _operator = Operator::start(&[&namespace]);
    for document in documents("examples/core-replicant.yaml").unwrap() {
        apply(&client, Some(&namespace), &document).await.unwrap();
    }
    emqx::ready(&client, &namespace, "emqx", READY).await;
    let service = Api::<Service>::namespaced(client.clone(), &namespace).get("emqx-listeners").await.unwrap();
    let address = service.spec.unwrap().cluster_ip.unwrap();

    // Connections are spread over the replicants: eight on one node have a chance of one in a hundred.
    let (received, mut inbox) = mpsc::unbounded_channel();
    for number in 0..8 {
        subscribe(&address, number, received.clone()).await;
    }
    let (publisher, mut events) = connect(&address, "publisher");
    publisher.publish("story/1", QoS::AtLeastOnce, false, "hello").await.unwrap();
    tokio::spawn(async move { while events.poll().await.is_ok() {} });

    let mut got = BTreeSet::new();
    while got.len() < 8 {
        let next = tokio::time::timeout(Duration::from_secs(20), inbox.recv()).await;
        got.insert(next.unwrap_or_else(|_| panic!("only {got:?} of 8 subscribers got the message")).unwrap());
    }
    emqx::delete(&client, &namespace, "emqx").await;
}

fn connect(address: &str, name: &str) -> (AsyncClient, rumqttc::EventLoop) {
    let mut options = MqttOptions::new(name, address, 1883);
    options.set_keep_alive(Duration::from_secs(10));
    AsyncClient::new(options, 16)
}

/// Returns when the subscription is acknowledged.
async fn subscribe(address: &str, number: u32, received: mpsc::UnboundedSender<u32>) {
    let (client, mut events) = connect(address, &format!("subscriber-{number}"));
    client.subscribe("story/+", QoS::AtLeastOnce).await.unwrap();
    let (ready, acknowledged) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        // The client must live as long as its connection.
        let _client = client;
        let mut ready = Some(ready);
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    ready.take().map(|ready| ready.send(()));
                }
                Ok(Event::Incoming(Packet::Publish(_))) => {
                    let _ = received.send(number);
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    });
    tokio::time::timeout(Duration::from_secs(20), acknowledged).await.expect("a subscription is acknowledged").unwrap();
}
