//! One message through a broker and back: what a cluster is for.

use anyhow::{anyhow, bail};
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    host: String,
    port: u16,
}

const LIMIT: Duration = Duration::from_secs(20);
const TOPIC: &str = "demo/hello";
const TEXT: &[u8] = b"hello from the other side";

/// Publishes with one client what another one has subscribed to.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let connect = |name: &str| {
        let mut options = MqttOptions::new(name, &arguments.host, arguments.port);
        options.set_keep_alive(Duration::from_secs(10));
        Client::new(options, 10)
    };
    let (subscriber, mut incoming) = connect("demo-subscriber");
    let (publisher, mut outgoing) = connect("demo-publisher");
    subscriber.subscribe(TOPIC, QoS::AtLeastOnce)?;
    while started.elapsed() < LIMIT {
        match incoming.recv_timeout(LIMIT).map_err(|_| anyhow!("the broker says nothing"))?? {
            Event::Incoming(Packet::SubAck(_)) => {
                publisher.publish(TOPIC, QoS::AtLeastOnce, false, TEXT)?;
                wait_for_acknowledgement(&mut outgoing)?;
            }
            Event::Incoming(Packet::Publish(message)) => {
                println!("{}", String::from_utf8_lossy(&message.payload));
                return Ok(());
            }
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
    }
    bail!("no message came back within {} s", LIMIT.as_secs());
}

fn wait_for_acknowledgement(connection: &mut rumqttc::Connection) -> anyhow::Result<()> {
    loop {
        if let Event::Incoming(Packet::PubAck(_)) =
            connection.recv_timeout(LIMIT).map_err(|_| anyhow!("the publisher gets no acknowledgement"))??
        {
            return Ok(());
        }
    }
}
