//! One connection of a client, from its first byte to its last.

use super::broker::{Admitted, Broker, ToClient};
use super::codec::{self, Connect, Goodbye, Inbound, Outbound, Protocol, Refusal};
use super::session::Message;
use bytes::BytesMut;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until, timeout};

/// Clients that connect and then say nothing.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);

/// Why a connection ended.
enum End {
    /// The client said so.
    Disconnected { with_will: bool },
    /// We said so.
    Closed(Goodbye),
    /// It broke, was silent for too long, or made no sense.
    Lost(String),
}

impl Broker {
    /// Serves one connection until it ends.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) {
        let mut wire = Wire { stream, protocol: Protocol::V4, input: BytesMut::new() };
        if let Err(reason) = self.talk(&mut wire).await {
            tracing::debug!(reason, "a connection ended before it began");
        }
        let _ = wire.stream.shutdown().await;
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&self, wire: &mut Wire<S>) -> Result<(), String> {
        let connect = timeout(CONNECT_DEADLINE, wire.connect()).await.map_err(|_| "it said nothing".to_owned())??;
        let Connect { client, clean, expiry, keep_alive, will } = connect;
        // MQTT 3.1.1 clients without a name must not expect to be remembered.
        if client.is_empty() && !clean && wire.protocol == Protocol::V4 {
            return wire.send(Outbound::Refused(Refusal::BadClientId)).await;
        }
        let client = if client.is_empty() { format!("auto-{:p}-{:?}", wire, Instant::now()) } else { client };
        let Some(admitted) = self.admit(&client, clean, expiry).await else {
            return wire.send(Outbound::Refused(Refusal::UseAnotherServer)).await;
        };
        let number = admitted.number;
        let end = self.exchange(wire, &client, admitted, keep_alive).await;
        self.leave(&client, number);
        match end {
            End::Disconnected { with_will: false } | End::Closed(Goodbye::TakenOver | Goodbye::UseAnotherServer) => {}
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
        client: &str,
        mut admitted: Admitted,
        keep_alive: Duration,
    ) -> End {
        if let Err(reason) = wire.send(Outbound::Connected { session_present: admitted.session_present }).await {
            return End::Lost(reason);
        }
        // The standard allows one and a half times the interval; zero means for ever.
        let patience =
            if keep_alive.is_zero() { Duration::from_secs(u32::MAX.into()) } else { keep_alive.mul_f64(1.5) };
        let mut silent_until = Instant::now() + patience;
        let mut received = BTreeSet::new();
        loop {
            tokio::select! {
                told = admitted.inbox.recv() => match told {
                    Some(ToClient::Deliver(deliveries)) => {
                        for delivery in deliveries {
                            if let Err(reason) = wire.send(Outbound::Deliver(delivery)).await {
                                return End::Lost(reason);
                            }
                        }
                    }
                    Some(ToClient::Close(why)) => {
                        let _ = wire.send(Outbound::Goodbye(why)).await;
                        return End::Closed(why);
                    }
                    None => return End::Closed(Goodbye::TakenOver),
                },
                packet = wire.receive() => {
                    silent_until = Instant::now() + patience;
                    let packet = match packet {
                        Ok(packet) => packet,
                        Err(reason) => return End::Lost(reason),
                    };
                    match self.react(wire, client, packet, &mut received).await {
                        Ok(None) => {}
                        Ok(Some(end)) => return end,
                        Err(reason) => return End::Lost(reason),
                    }
                }
                () = sleep_until(silent_until) => return End::Lost("it was silent for too long".to_owned()),
            }
        }
    }

    async fn react<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        client: &str,
        packet: Inbound,
        received: &mut BTreeSet<u16>,
    ) -> Result<Option<End>, String> {
        match packet {
            Inbound::Publish { id, message } => self.published(wire, id, message, received).await?,
            Inbound::PubAck(id) => self.acknowledge(client, id),
            Inbound::PubRel(id) => {
                received.remove(&id);
                wire.send(Outbound::PubComp(id)).await?;
            }
            Inbound::Subscribe { id, filters } => {
                let granted = self.subscribe(client, &filters);
                wire.send(Outbound::SubAck { id, granted }).await?;
            }
            Inbound::Unsubscribe { id, filters } => {
                self.unsubscribe(client, &filters);
                wire.send(Outbound::UnsubAck { id, count: filters.len() }).await?;
            }
            Inbound::Ping => wire.send(Outbound::Pong).await?,
            Inbound::Disconnect { with_will } => return Ok(Some(End::Disconnected { with_will })),
            Inbound::Connect(_) => return Err("it connected twice".to_owned()),
            Inbound::Other => {}
        }
        Ok(None)
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
            0 => self.publish(message).await,
            1 => {
                self.publish(message).await;
                wire.send(Outbound::PubAck(id)).await?;
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

struct Wire<S> {
    stream: S,
    protocol: Protocol,
    input: BytesMut,
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
        self.stream.write_all(&output).await.map_err(|error| error.to_string())
    }
}
