//! A rumqttc client of either version, seen through the few events that the tests are about.

use rumqttc::v5;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Long, for a loaded machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V5,
}

pub(crate) const VERSIONS: [Version; 2] = [Version::V4, Version::V5];

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Connected {
        session_present: bool,
    },
    Subscribed,
    Message(String),
    Acknowledged,
    /// The reason code of a DISCONNECT by the server.
    DisconnectReason(u8),
    /// The connection is over, or was not let in.
    Over(String),
}

enum Sender {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// One connection of a client. It does not reconnect; dropping it breaks the connection.
pub(crate) struct Client {
    sender: Sender,
    events: mpsc::UnboundedReceiver<Event>,
    polling: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

impl Client {
    /// Starts to connect, with a session that outlives the connection.
    pub(crate) fn start(version: Version, name: &str, address: SocketAddr) -> Self {
        let (report, events) = mpsc::unbounded_channel();
        let (sender, polling) = match version {
            Version::V4 => {
                let mut options = rumqttc::MqttOptions::new(name, address.ip().to_string(), address.port());
                options.set_clean_session(false);
                let (client, mut events) = rumqttc::AsyncClient::new(options, 100);
                events.network_options.set_connection_timeout(PATIENCE.as_secs());
                (Sender::V4(client), tokio::spawn(poll_v4(events, report)))
            }
            Version::V5 => {
                let mut options = v5::MqttOptions::new(name, address.ip().to_string(), address.port());
                options.set_clean_start(false).set_session_expiry_interval(Some(600));
                options.set_connection_timeout(PATIENCE.as_secs());
                let (client, events) = v5::AsyncClient::new(options, 100);
                (Sender::V5(client), tokio::spawn(poll_v5(events, report)))
            }
        };
        Self { sender, events, polling }
    }

    /// Connects; fails the test if it is not let in. Says whether the broker knew the session.
    pub(crate) async fn connect(version: Version, name: &str, address: SocketAddr) -> (Self, bool) {
        let mut client = Self::start(version, name, address);
        match client.next().await {
            Event::Connected { session_present } => (client, session_present),
            other => panic!("{name} wanted to connect and got {other:?}"),
        }
    }

    pub(crate) async fn next(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("nothing happened").expect("it has ended")
    }

    pub(crate) async fn message(&mut self) -> String {
        match self.next().await {
            Event::Message(text) => text,
            other => panic!("expected a message, got {other:?}"),
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) {
        match &self.sender {
            Sender::V4(client) => client.subscribe(filter, rumqttc::QoS::AtLeastOnce).await.unwrap(),
            Sender::V5(client) => client.subscribe(filter, v5::mqttbytes::QoS::AtLeastOnce).await.unwrap(),
        }
        assert_eq!(self.next().await, Event::Subscribed);
    }

    /// Publishes at QoS 1, and returns when the broker has acknowledged.
    pub(crate) async fn publish(&mut self, topic: &str, text: &str) {
        match &self.sender {
            Sender::V4(client) => client.publish(topic, rumqttc::QoS::AtLeastOnce, false, text).await.unwrap(),
            Sender::V5(client) => {
                let text = text.to_owned();
                client.publish(topic, v5::mqttbytes::QoS::AtLeastOnce, false, text).await.unwrap();
            }
        }
        assert_eq!(self.next().await, Event::Acknowledged);
    }
}

async fn poll_v4(mut events: rumqttc::EventLoop, report: mpsc::UnboundedSender<Event>) {
    use rumqttc::Packet;
    loop {
        let event = match events.poll().await {
            Ok(rumqttc::Event::Incoming(Packet::ConnAck(ack))) => {
                Event::Connected { session_present: ack.session_present }
            }
            Ok(rumqttc::Event::Incoming(Packet::SubAck(_))) => Event::Subscribed,
            Ok(rumqttc::Event::Incoming(Packet::PubAck(_))) => Event::Acknowledged,
            Ok(rumqttc::Event::Incoming(Packet::Publish(publish))) => {
                Event::Message(String::from_utf8(publish.payload.to_vec()).unwrap())
            }
            Ok(_) => continue,
            Err(error) => {
                let _ = report.send(Event::Over(error.to_string()));
                return;
            }
        };
        let _ = report.send(event);
    }
}

async fn poll_v5(mut events: v5::EventLoop, report: mpsc::UnboundedSender<Event>) {
    use v5::mqttbytes::v5::Packet;
    loop {
        let event = match events.poll().await {
            Ok(v5::Event::Incoming(Packet::ConnAck(ack))) => Event::Connected { session_present: ack.session_present },
            Ok(v5::Event::Incoming(Packet::SubAck(_))) => Event::Subscribed,
            Ok(v5::Event::Incoming(Packet::PubAck(_))) => Event::Acknowledged,
            Ok(v5::Event::Incoming(Packet::Publish(publish))) => {
                Event::Message(String::from_utf8(publish.payload.to_vec()).unwrap())
            }
            Ok(_) => continue,
            Err(v5::ConnectionError::MqttState(v5::StateError::ServerDisconnect { reason_code, .. })) => {
                let _ = report.send(Event::DisconnectReason(reason_code as u8));
                let _ = report.send(Event::Over("the broker said goodbye".to_owned()));
                return;
            }
            Err(error) => {
                let _ = report.send(Event::Over(error.to_string()));
                return;
            }
        };
        let _ = report.send(event);
    }
}
