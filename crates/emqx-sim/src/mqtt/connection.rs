//! One connection of a client, from its first byte to its last.

use super::admission::Admitted;
use super::broker::Broker;
use super::codec::{self, Connect, DisconnectReason, Inbound, Outbound, Protocol, Refusal};
use super::session::Message;
use bytes::BytesMut;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until, timeout};

/// Clients that connect and then say nothing.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// Clients that do not read, as long as EMQX waits for them (`send_timeout`).
const SEND_DEADLINE: Duration = Duration::from_secs(15);

/// Why a connection ended.
enum End {
    /// The client said so.
    Disconnected { with_will: bool },
    /// We said so.
    Closed(DisconnectReason),
    /// It broke, was silent for too long, or made no sense.
    Lost(String),
}

impl Broker {
    /// Serves one connection until it ends.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) {
        let mut wire = Wire { stream, protocol: Protocol::V4, input: BytesMut::new(), killed: self.killed.clone() };
        if let Err(reason) = self.talk(&mut wire).await {
            tracing::debug!(reason, "a connection ended before it began");
        }
        let _ = wire.stream.shutdown().await;
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&self, wire: &mut Wire<S>) -> Result<(), String> {
        let mut connect =
            timeout(CONNECT_DEADLINE, wire.connect()).await.map_err(|_| "it said nothing".to_owned())??;
        if connect.client.is_empty() {
            // MQTT 3.1.1 clients without a name must not expect to be remembered.
            if !connect.clean && wire.protocol == Protocol::V4 {
                return wire.send(Outbound::Refused(Refusal::BadClientId)).await;
            }
            connect.client = format!("{}/{}", self.node, self.next_number());
            connect.assigned = true;
        }
        let admitted = match self.admit(&connect).await {
            Ok(admitted) => admitted,
            Err(refusal) => return wire.send(Outbound::Refused(refusal)).await,
        };
        let number = admitted.number;
        let end = self.exchange(wire, &connect, admitted).await;
        let Connect { client, will, .. } = connect;
        if let Some(session) = self.leave(&client, number) {
            self.retire(&client, &session).await;
        }
        match end {
            End::Disconnected { with_will: false }
            | End::Closed(DisconnectReason::TakenOver | DisconnectReason::UseAnotherServer) => {}
            End::Disconnected { with_will: true } | End::Closed(_) => self.publish_will(will).await,
            End::Lost(reason) => {
                tracing::debug!(client, reason, "connection lost");
                self.publish_will(will).await;
            }
        }
        Ok(())
    }

    async fn publish_will(&self, will: Option<Message>) {
        if let Some(will) = will {
            self.publish(will).await;
        }
    }

    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        connect: &Connect,
        Admitted { number, session_present, mailbox }: Admitted,
    ) -> End {
        let assigned = connect.assigned.then(|| connect.client.clone());
        if let Err(reason) = wire.send(Outbound::Connected { session_present, assigned }).await {
            return End::Lost(reason);
        }
        let patience = patience(connect.keep_alive);
        let mut silent_until = Instant::now() + patience;
        let mut talk = Talk { client: &connect.client, number, received: BTreeSet::new() };
        loop {
            let step = tokio::select! {
                closing = mailbox.woken() => match closing {
                    Some(why) => {
                        let _ = wire.send(Outbound::DisconnectReason(why)).await;
                        return End::Closed(why);
                    }
                    None => self.send_due(wire, &talk).await,
                },
                packet = wire.receive() => {
                    silent_until = Instant::now() + patience;
                    match packet {
                        Ok(packet) => self.react(wire, &mut talk, packet).await,
                        Err(reason) => Err(reason),
                    }
                }
                () = sleep_until(silent_until) => Err("it was silent for too long".to_owned()),
            };
            match step {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(reason) => return End::Lost(reason),
            }
        }
    }

    async fn send_due<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        talk: &Talk<'_>,
    ) -> Result<Option<End>, String> {
        for delivery in self.due(talk.client, talk.number) {
            wire.send(Outbound::Deliver(delivery)).await?;
        }
        Ok(None)
    }

    async fn react<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        talk: &mut Talk<'_>,
        packet: Inbound,
    ) -> Result<Option<End>, String> {
        let Talk { client, number, received } = talk;
        match packet {
            Inbound::Publish { id, message } => self.published(wire, id, message, received).await?,
            Inbound::PubAck(id) => self.acknowledge(client, *number, id),
            Inbound::PubRel(id) => {
                received.remove(&id);
                wire.send(Outbound::PubComp(id)).await?;
            }
            Inbound::Subscribe { id, filters } => {
                let granted = self.subscribe(client, *number, &filters);
                self.keep_subscriptions(client, *number).await?;
                wire.send(Outbound::SubAck { id, granted }).await?;
            }
            Inbound::Unsubscribe { id, filters } => {
                self.unsubscribe(client, *number, &filters);
                self.keep_subscriptions(client, *number).await?;
                wire.send(Outbound::UnsubAck { id, count: filters.len() }).await?;
            }
            Inbound::Ping => wire.send(Outbound::Pong).await?,
            Inbound::Disconnect { with_will } => return Ok(Some(End::Disconnected { with_will })),
            Inbound::Connect(_) => return Err("it connected twice".to_owned()),
            Inbound::Other => {}
        }
        Ok(None)
    }

    async fn keep_subscriptions(&self, client: &str, number: u64) -> Result<(), String> {
        let kept = self.persist(client, number).await;
        kept.then_some(()).ok_or_else(|| "durable storage does not answer".to_owned())
    }

    /// The acknowledgement goes out when every node has the message.
    async fn published<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        id: u16,
        message: Message,
        received: &mut BTreeSet<u16>,
    ) -> Result<(), String> {
        match message.qos {
            0 => drop(self.publish(message).await),
            1 => {
                let kept = self.publish(message).await;
                wire.send(Outbound::PubAck { id, nobody: !kept }).await?;
            }
            _ => {
                if received.insert(id) {
                    self.publish(message).await;
                }
                wire.send(Outbound::PubRec(id)).await?;
            }
        }
        Ok(())
    }
}

/// What lasts as long as a connection.
struct Talk<'a> {
    client: &'a str,
    number: u64,
    /// Packet ids of QoS 2 that are not released yet.
    received: BTreeSet<u16>,
}

/// The standard allows one and a half times the interval; zero means for ever.
fn patience(keep_alive: Duration) -> Duration {
    if keep_alive.is_zero() { Duration::from_secs(u32::MAX.into()) } else { keep_alive.mul_f64(1.5) }
}

struct Wire<S> {
    stream: S,
    protocol: Protocol,
    input: BytesMut,
    killed: Arc<AtomicBool>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    async fn connect(&mut self) -> Result<Connect, String> {
        loop {
            if let Some(protocol) = codec::protocol(&self.input) {
                self.protocol = protocol?;
                break;
            }
            self.fill().await?;
        }
        match self.receive().await? {
            Inbound::Connect(connect) => Ok(connect),
            _ => Err("it did not begin with CONNECT".to_owned()),
        }
    }

    /// Safe to drop at any time: what has arrived stays in the buffer.
    async fn receive(&mut self) -> Result<Inbound, String> {
        loop {
            if let Some(packet) = codec::read(self.protocol, &mut self.input)? {
                return Ok(packet);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), String> {
        match self.stream.read_buf(&mut self.input).await {
            Ok(0) => Err("closed by the client".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn send(&mut self, packet: Outbound) -> Result<(), String> {
        let mut output = BytesMut::new();
        codec::write(self.protocol, packet, &mut output)?;
        if self.killed.load(Ordering::SeqCst) {
            return Err("the node was killed".to_owned());
        }
        match timeout(SEND_DEADLINE, self.stream.write_all(&output)).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => Err("it does not read".to_owned()),
        }
    }
}
