//! MQTT 3.1.1 and 5 as one set of packets. Reading and writing is the library's.

use super::session::{Delivery, Message};
use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::{Error as V4Error, QoS as V4QoS, v4};
use rumqttc::v5::mqttbytes::v5;
use rumqttc::v5::mqttbytes::{Error as V5Error, QoS as V5QoS};
use std::time::Duration;

/// EMQX's default for the largest packet.
const LARGEST_PACKET: usize = 1 << 20;
/// How long EMQX keeps a persistent session of an MQTT 3.1.1 client by default.
const V4_EXPIRY: Duration = Duration::from_secs(2 * 60 * 60);

/// The reason of a client that wants its will to be published though it leaves in order.
const WITH_WILL: u8 = 0x04;

/// The version that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    V4,
    V5,
}

/// Why the server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// The client has connected elsewhere: 0x8E.
    TakenOver,
    /// The node is evacuated: 0x9C.
    UseAnotherServer,
    /// The node stops: 0x8B.
    ShuttingDown,
    /// An operator of the cluster kicked the client: 0x98.
    Kicked,
}

/// What a client sends.
#[derive(Debug)]
pub(super) enum Inbound {
    Connect(Connect),
    Publish { id: u16, message: Message },
    PubAck(u16),
    PubRel(u16),
    Subscribe { id: u16, filters: Vec<(String, u8)> },
    Unsubscribe { id: u16, filters: Vec<String> },
    Ping,
    Disconnect { with_will: bool },
    Other,
}

#[derive(Debug)]
pub(super) struct Connect {
    pub(super) client: String,
    pub(super) clean: bool,
    pub(super) expiry: Duration,
    pub(super) keep_alive: Duration,
    pub(super) receive_maximum: u16,
    /// The client gave no name and was given one.
    pub(super) assigned: bool,
    pub(super) will: Option<Message>,
}

/// What the server sends.
#[derive(Debug)]
pub(super) enum Outbound {
    Connected {
        session_present: bool,
        assigned: Option<String>,
    },
    Refused(Refusal),
    Deliver(Delivery),
    PubAck {
        id: u16,
        /// No client has the message, and no client will get it.
        nobody: bool,
    },
    PubRec(u16),
    PubComp(u16),
    /// Granted qualities; `None` where a filter is none.
    SubAck {
        id: u16,
        granted: Vec<Option<u8>>,
    },
    UnsubAck {
        id: u16,
        count: usize,
    },
    Pong,
    DisconnectReason(DisconnectReason),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    UseAnotherServer,
    BadClientId,
    /// Durable storage does not answer.
    Unavailable,
}

/// The version in a CONNECT packet, once enough of it has arrived.
pub(super) fn protocol(stream: &[u8]) -> Option<Result<Protocol, String>> {
    let length_bytes = stream.get(1..)?.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
    let level = *stream.get(1 + length_bytes + 6)?;
    Some(match (stream[0] >> 4, level) {
        (1, 4) => Ok(Protocol::V4),
        (1, 5) => Ok(Protocol::V5),
        (1, level) => Err(format!("protocol level {level} is not spoken here")),
        (kind, _) => Err(format!("expected CONNECT, got packet type {kind}")),
    })
}

/// The next packet, if all of it has arrived.
pub(super) fn read(protocol: Protocol, stream: &mut BytesMut) -> Result<Option<Inbound>, String> {
    match protocol {
        Protocol::V4 => match v4::Packet::read(stream, LARGEST_PACKET) {
            Ok(packet) => Ok(Some(from_v4(packet))),
            Err(V4Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        },
        Protocol::V5 => {
            // The library takes a DISCONNECT for incomplete that has no reason, or a reason and no properties.
            match **stream {
                [0xE0, 0, ..] => return Ok(Some(Inbound::Disconnect { with_will: false })),
                [0xE0, 1, reason, ..] => return Ok(Some(Inbound::Disconnect { with_will: reason == WITH_WILL })),
                _ => {}
            }
            match v5::Packet::read(stream, Some(LARGEST_PACKET as u32)) {
                Ok(packet) => Ok(Some(from_v5(packet))),
                Err(V5Error::InsufficientBytes(_)) => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

pub(super) fn write(protocol: Protocol, packet: Outbound, stream: &mut BytesMut) -> Result<(), String> {
    match (protocol, packet) {
        // The library announces a length here that is not what it writes.
        (Protocol::V5, Outbound::DisconnectReason(why)) => {
            stream.extend_from_slice(&[0xE0, 2, reason(why), 0]);
            Ok(4)
        }
        (Protocol::V4, packet) => {
            to_v4(packet).map_or(Ok(0), |packet| packet.write(stream, LARGEST_PACKET)).map_err(|e| e.to_string())
        }
        (Protocol::V5, packet) => {
            to_v5(packet).map_or(Ok(0), |packet| packet.write(stream, None)).map_err(|e| e.to_string())
        }
    }
    .map(drop)
}

fn reason(why: DisconnectReason) -> u8 {
    let code = match why {
        DisconnectReason::TakenOver => v5::DisconnectReasonCode::SessionTakenOver,
        DisconnectReason::UseAnotherServer => v5::DisconnectReasonCode::UseAnotherServer,
        DisconnectReason::ShuttingDown => v5::DisconnectReasonCode::ServerShuttingDown,
        DisconnectReason::Kicked => v5::DisconnectReasonCode::AdministrativeAction,
    };
    code as u8
}

fn from_v4(packet: v4::Packet) -> Inbound {
    match packet {
        v4::Packet::Connect(connect) => Inbound::Connect(Connect {
            client: connect.client_id,
            clean: connect.clean_session,
            expiry: if connect.clean_session { Duration::ZERO } else { V4_EXPIRY },
            keep_alive: Duration::from_secs(connect.keep_alive.into()),
            receive_maximum: u16::MAX,
            assigned: false,
            will: connect.last_will.map(|will| Message {
                topic: will.topic,
                payload: will.message.to_vec(),
                qos: (will.qos as u8).min(1),
                retain: will.retain,
                ..Message::default()
            }),
        }),
        v4::Packet::Publish(publish) => Inbound::Publish {
            id: publish.pkid,
            message: Message {
                topic: publish.topic,
                payload: publish.payload.to_vec(),
                qos: publish.qos as u8,
                retain: publish.retain,
                ..Message::default()
            },
        },
        v4::Packet::PubAck(ack) => Inbound::PubAck(ack.pkid),
        v4::Packet::PubRel(release) => Inbound::PubRel(release.pkid),
        v4::Packet::Subscribe(subscribe) => Inbound::Subscribe {
            id: subscribe.pkid,
            filters: subscribe.filters.into_iter().map(|filter| (filter.path, filter.qos as u8)).collect(),
        },
        v4::Packet::Unsubscribe(unsubscribe) => {
            Inbound::Unsubscribe { id: unsubscribe.pkid, filters: unsubscribe.topics }
        }
        v4::Packet::PingReq => Inbound::Ping,
        v4::Packet::Disconnect => Inbound::Disconnect { with_will: false },
        _ => Inbound::Other,
    }
}

fn from_v5(packet: v5::Packet) -> Inbound {
    match packet {
        v5::Packet::Connect(connect, will, _) => {
            let properties = connect.properties.as_ref();
            let expiry = properties.and_then(|properties| properties.session_expiry_interval).unwrap_or_default();
            let receive_maximum = properties.and_then(|properties| properties.receive_maximum).unwrap_or(u16::MAX);
            Inbound::Connect(Connect {
                client: connect.client_id,
                clean: connect.clean_start,
                expiry: Duration::from_secs(expiry.into()),
                keep_alive: Duration::from_secs(connect.keep_alive.into()),
                receive_maximum,
                assigned: false,
                will: will.map(|will| Message {
                    topic: text(&will.topic),
                    payload: will.message.to_vec(),
                    qos: (will.qos as u8).min(1),
                    retain: will.retain,
                    ..Message::default()
                }),
            })
        }
        v5::Packet::Publish(publish) => Inbound::Publish {
            id: publish.pkid,
            message: Message {
                topic: text(&publish.topic),
                payload: publish.payload.to_vec(),
                qos: publish.qos as u8,
                retain: publish.retain,
                ..Message::default()
            },
        },
        v5::Packet::PubAck(ack) => Inbound::PubAck(ack.pkid),
        v5::Packet::PubRel(release) => Inbound::PubRel(release.pkid),
        v5::Packet::Subscribe(subscribe) => Inbound::Subscribe {
            id: subscribe.pkid,
            filters: subscribe.filters.into_iter().map(|filter| (filter.path, filter.qos as u8)).collect(),
        },
        v5::Packet::Unsubscribe(unsubscribe) => {
            Inbound::Unsubscribe { id: unsubscribe.pkid, filters: unsubscribe.filters }
        }
        v5::Packet::PingReq(_) => Inbound::Ping,
        v5::Packet::Disconnect(disconnect) => Inbound::Disconnect {
            with_will: disconnect.reason_code == v5::DisconnectReasonCode::DisconnectWithWillMessage,
        },
        _ => Inbound::Other,
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `None` for what MQTT 3.1.1 cannot say: there a server just closes.
fn to_v4(packet: Outbound) -> Option<v4::Packet> {
    Some(match packet {
        Outbound::Connected { session_present, assigned: _ } => {
            v4::Packet::ConnAck(v4::ConnAck::new(v4::ConnectReturnCode::Success, session_present))
        }
        Outbound::Refused(refusal) => {
            let code = match refusal {
                Refusal::UseAnotherServer | Refusal::Unavailable => v4::ConnectReturnCode::ServiceUnavailable,
                Refusal::BadClientId => v4::ConnectReturnCode::BadClientId,
            };
            v4::Packet::ConnAck(v4::ConnAck::new(code, false))
        }
        Outbound::Deliver(Delivery { id, message, again }) => v4::Packet::Publish(v4::Publish {
            dup: again,
            qos: if message.qos > 0 { V4QoS::AtLeastOnce } else { V4QoS::AtMostOnce },
            retain: message.retain,
            topic: message.topic,
            pkid: id,
            payload: message.payload.into(),
        }),
        Outbound::PubAck { id, nobody: _ } => v4::Packet::PubAck(v4::PubAck::new(id)),
        Outbound::PubRec(id) => v4::Packet::PubRec(v4::PubRec::new(id)),
        Outbound::PubComp(id) => v4::Packet::PubComp(v4::PubComp::new(id)),
        Outbound::SubAck { id, granted } => {
            let codes = granted.into_iter().map(|qos| match qos {
                Some(0) => v4::SubscribeReasonCode::Success(V4QoS::AtMostOnce),
                Some(_) => v4::SubscribeReasonCode::Success(V4QoS::AtLeastOnce),
                None => v4::SubscribeReasonCode::Failure,
            });
            v4::Packet::SubAck(v4::SubAck::new(id, codes.collect()))
        }
        Outbound::UnsubAck { id, .. } => v4::Packet::UnsubAck(v4::UnsubAck::new(id)),
        Outbound::Pong => v4::Packet::PingResp,
        Outbound::DisconnectReason(_) => return None,
    })
}

/// `None` for what the library cannot say.
fn to_v5(packet: Outbound) -> Option<v5::Packet> {
    Some(match packet {
        Outbound::Connected { session_present, assigned } => v5::Packet::ConnAck(v5::ConnAck {
            session_present,
            code: v5::ConnectReturnCode::Success,
            properties: Some(abilities(assigned)),
        }),
        Outbound::Refused(refusal) => {
            let code = match refusal {
                Refusal::UseAnotherServer => v5::ConnectReturnCode::UseAnotherServer,
                Refusal::Unavailable => v5::ConnectReturnCode::ServerUnavailable,
                Refusal::BadClientId => v5::ConnectReturnCode::ClientIdentifierNotValid,
            };
            v5::Packet::ConnAck(v5::ConnAck { session_present: false, code, properties: None })
        }
        Outbound::Deliver(Delivery { id, message, again }) => v5::Packet::Publish(v5::Publish {
            dup: again,
            qos: if message.qos > 0 { V5QoS::AtLeastOnce } else { V5QoS::AtMostOnce },
            retain: message.retain,
            topic: message.topic.into(),
            pkid: id,
            payload: message.payload.into(),
            properties: None,
        }),
        Outbound::PubAck { id, nobody } => v5::Packet::PubAck(v5::PubAck {
            reason: if nobody { v5::PubAckReason::NoMatchingSubscribers } else { v5::PubAckReason::Success },
            ..v5::PubAck::new(id, None)
        }),
        Outbound::PubRec(id) => v5::Packet::PubRec(v5::PubRec::new(id, None)),
        Outbound::PubComp(id) => v5::Packet::PubComp(v5::PubComp::new(id, None)),
        Outbound::SubAck { id, granted } => {
            let codes = granted.into_iter().map(|qos| match qos {
                Some(0) => v5::SubscribeReasonCode::Success(V5QoS::AtMostOnce),
                Some(_) => v5::SubscribeReasonCode::Success(V5QoS::AtLeastOnce),
                None => v5::SubscribeReasonCode::TopicFilterInvalid,
            });
            v5::Packet::SubAck(v5::SubAck { pkid: id, return_codes: codes.collect(), properties: None })
        }
        Outbound::UnsubAck { id, count } => v5::Packet::UnsubAck(v5::UnsubAck {
            pkid: id,
            reasons: vec![v5::UnsubAckReason::Success; count],
            properties: None,
        }),
        Outbound::Pong => v5::Packet::PingResp(v5::PingResp),
        Outbound::DisconnectReason(_) => return None,
    })
}

/// What clients must not expect, and the name of clients without one.
fn abilities(assigned: Option<String>) -> v5::ConnAckProperties {
    v5::ConnAckProperties {
        assigned_client_identifier: assigned,
        max_packet_size: Some(LARGEST_PACKET as u32),
        shared_subscription_available: Some(0),
        subscription_identifiers_available: Some(0),
        session_expiry_interval: None,
        receive_max: None,
        max_qos: None,
        retain_available: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    }
}

#[cfg(test)]
mod tests {
    use super::{DisconnectReason, Inbound, Outbound, Protocol, read, write};
    use bytes::BytesMut;

    #[test]
    fn goodbyes_have_the_reasons_of_the_standard() {
        let cases = [
            (DisconnectReason::TakenOver, 0x8E),
            (DisconnectReason::UseAnotherServer, 0x9C),
            (DisconnectReason::ShuttingDown, 0x8B),
            (DisconnectReason::Kicked, 0x98),
        ];
        for (goodbye, reason) in cases {
            let mut stream = BytesMut::new();
            write(Protocol::V5, Outbound::DisconnectReason(goodbye), &mut stream).unwrap();
            assert_eq!(stream[..], [0xE0, 2, reason, 0], "{goodbye:?}");
        }
    }

    #[test]
    fn a_disconnect_may_be_as_short_as_it_likes() {
        for (bytes, expected) in [
            (&[0xE0, 0][..], Some(false)),
            (&[0xE0, 1, 0], Some(false)),
            (&[0xE0, 1, 4], Some(true)),
            (&[0xE0, 2, 4, 0], Some(true)),
            (&[0xE0, 1], None),
            (&[0xE0], None),
        ] {
            let seen = match read(Protocol::V5, &mut BytesMut::from(bytes)) {
                Ok(Some(Inbound::Disconnect { with_will })) => Some(with_will),
                Ok(None) => None,
                other => panic!("{bytes:?} is read as {other:?}"),
            };
            assert_eq!(seen, expected, "{bytes:?}");
        }
    }
}
