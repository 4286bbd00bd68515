//! Random histories: clients come, go and change nodes, nodes are emptied and opened again, messages are published, all
//! while earlier steps are still under way and nodes answer each other late. The clock is paused, so this takes no time.

use crate::nodes::{NAMES, Nodes};
use bytes::BytesMut;
use emqx_sim::mqtt::Message;
use proptest::prelude::*;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet, PubAck, Subscribe};
use rumqttc::mqttbytes::{Error, QoS};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinSet;

const CLIENTS: usize = 3;
const LARGEST: usize = 1 << 16;

#[derive(Clone, Debug)]
enum Step {
    Connect {
        client: usize,
        node: usize,
    },
    Disconnect {
        client: usize,
    },
    Publish {
        node: usize,
    },
    /// Clients are sent away, then the sessions that stayed are moved.
    Evacuate {
        node: usize,
    },
    EvictSessions {
        node: usize,
    },
    Reopen {
        node: usize,
    },
    Wait {
        milliseconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (client, node) = (0..CLIENTS, 0..NAMES.len());
    prop_oneof![
        4 => (client.clone(), node.clone()).prop_map(|(client, node)| Step::Connect { client, node }),
        2 => client.prop_map(|client| Step::Disconnect { client }),
        6 => node.clone().prop_map(|node| Step::Publish { node }),
        1 => node.clone().prop_map(|node| Step::Evacuate { node }),
        2 => node.clone().prop_map(|node| Step::EvictSessions { node }),
        1 => node.prop_map(|node| Step::Reopen { node }),
        4 => (0_u64..60).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn no_acknowledged_message_and_no_session_is_ever_lost(
        steps in prop::collection::vec(step(), 1..60),
        seed: u64,
        durable: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        DELAYS.set(seed | 1);
        runtime.block_on(live(steps, durable));
    }
}

thread_local! {
    static DELAYS: Cell<u64> = const { Cell::new(1) };
}

/// Up to 31 ms, drawn by xorshift so that a failure can be repeated from its seed.
fn delay() -> Duration {
    let mut next = DELAYS.get();
    next ^= next << 13;
    next ^= next >> 7;
    next ^= next << 17;
    DELAYS.set(next);
    Duration::from_millis(next % 32)
}

#[derive(Default)]
struct Seen {
    messages: BTreeSet<u32>,
    lost_sessions: usize,
}

struct World {
    durable: bool,
    nodes: Arc<Nodes>,
    seen: Vec<Arc<Mutex<Seen>>>,
    connections: Vec<JoinSet<()>>,
    acknowledged: Arc<Mutex<BTreeSet<u32>>>,
    /// Publishing and moving; never cut off.
    work: JoinSet<()>,
    published: u32,
}

async fn live(steps: Vec<Step>, durable: bool) {
    let mut world = World::new(durable).await;
    for step in steps {
        world.take(step).await;
    }
    world.settle().await;
}

impl World {
    /// Every client has subscribed once, on the first node.
    async fn new(durable: bool) -> Self {
        let nodes = Arc::new(Nodes::new(delay, durable));
        let seen: Vec<Arc<Mutex<Seen>>> = (0..CLIENTS).map(|_| Arc::default()).collect();
        for client in 0..CLIENTS {
            let mut wire = Wire::open(&nodes, client, 0).await;
            assert!(matches!(wire.read().await, Some(Packet::ConnAck(_))));
            wire.write(Packet::Subscribe(Subscribe { pkid: 1, ..Subscribe::new("t/#", QoS::AtLeastOnce) })).await;
            assert!(matches!(wire.read().await, Some(Packet::SubAck(_))));
        }
        let connections = (0..CLIENTS).map(|_| JoinSet::new()).collect();
        Self { durable, nodes, seen, connections, acknowledged: Arc::default(), work: JoinSet::new(), published: 0 }
    }

    async fn take(&mut self, step: Step) {
        let nodes = self.nodes.clone();
        match step {
            Step::Connect { client, node } => {
                let seen = self.seen[client].clone();
                self.connections[client].spawn(connection(nodes, client, node, seen));
            }
            Step::Disconnect { client } => self.connections[client].abort_all(),
            Step::Publish { node } => {
                self.published += 1;
                self.work.spawn(publish(nodes, node, self.published, self.acknowledged.clone()));
            }
            Step::Evacuate { node } => {
                nodes.broker(NAMES[node]).refuse_connections(true);
                nodes.broker(NAMES[node]).evict_connections(CLIENTS);
            }
            Step::EvictSessions { node } => {
                self.work.spawn(async move {
                    let targets: Vec<_> =
                        NAMES.iter().filter(|name| **name != NAMES[node]).map(|n| (*n).to_owned()).collect();
                    nodes.broker(NAMES[node]).evict_sessions(CLIENTS, &targets).await;
                });
            }
            Step::Reopen { node } => nodes.broker(NAMES[node]).refuse_connections(false),
            Step::Wait { milliseconds } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        }
    }

    /// Lets everything end, fetches what is waiting, and compares.
    async fn settle(mut self) {
        while self.work.join_next().await.is_some() {}
        self.connections.iter_mut().for_each(JoinSet::abort_all);
        tokio::time::sleep(Duration::from_secs(1)).await;
        for name in NAMES {
            self.nodes.broker(name).refuse_connections(false);
        }
        for client in 0..CLIENTS {
            self.take(Step::Connect { client, node: 0 }).await;
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        for (client, seen) in self.seen.iter().enumerate() {
            let seen = seen.lock().unwrap();
            let acknowledged = self.acknowledged.lock().unwrap();
            let lost: Vec<_> = acknowledged.difference(&seen.messages).collect();
            assert!(lost.is_empty(), "client {client} never got {lost:?}");
            assert_eq!(seen.lost_sessions, 0, "client {client} was told that it has no session");
        }
        let sessions: usize = NAMES.iter().map(|name| self.nodes.broker(name).counts().sessions).sum();
        // All are silent for too long by now: what is kept in storage is then in no memory.
        assert_eq!(sessions, if self.durable { 0 } else { CLIENTS });
    }
}

async fn publish(nodes: Arc<Nodes>, node: usize, number: u32, acknowledged: Arc<Mutex<BTreeSet<u32>>>) {
    let payload = number.to_be_bytes().to_vec();
    nodes.broker(NAMES[node]).publish(Message { topic: "t/1".into(), payload, qos: 1, ..Message::default() }).await;
    acknowledged.lock().unwrap().insert(number);
}

/// A client that acknowledges what it gets, until the connection ends.
async fn connection(nodes: Arc<Nodes>, client: usize, node: usize, seen: Arc<Mutex<Seen>>) {
    let mut wire = Wire::open(&nodes, client, node).await;
    while let Some(packet) = wire.read().await {
        match packet {
            Packet::ConnAck(ack) if ack.code == ConnectReturnCode::Success => {
                seen.lock().unwrap().lost_sessions += usize::from(!ack.session_present);
            }
            Packet::Publish(publish) => {
                // The broker may be sent away between the message and its acknowledgement.
                tokio::time::sleep(delay()).await;
                let number = u32::from_be_bytes(publish.payload[..].try_into().unwrap());
                seen.lock().unwrap().messages.insert(number);
                wire.write(Packet::PubAck(PubAck::new(publish.pkid))).await;
            }
            _ => {}
        }
    }
}

struct Wire {
    stream: DuplexStream,
    input: BytesMut,
}

impl Wire {
    async fn open(nodes: &Nodes, client: usize, node: usize) -> Self {
        let (ours, theirs) = tokio::io::duplex(LARGEST);
        let broker = nodes.broker(NAMES[node]).clone();
        tokio::spawn(async move { broker.serve(theirs).await });
        let mut wire = Self { stream: ours, input: BytesMut::new() };
        let mut connect = Connect::new(format!("client-{client}"));
        connect.clean_session = false;
        wire.write(Packet::Connect(connect)).await;
        wire
    }

    /// `None` at the end of the connection.
    async fn read(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.input, LARGEST) {
                Ok(packet) => return Some(packet),
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("the broker wrote what is no packet: {error}"),
            }
            if self.stream.read_buf(&mut self.input).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn write(&mut self, packet: Packet) {
        let mut output = BytesMut::new();
        packet.write(&mut output, LARGEST).unwrap();
        // The next read finds out that the connection has ended.
        let _ = self.stream.write_all(&output).await;
    }
}
