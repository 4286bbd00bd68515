//! SRV records as the resolver of Erlang/OTP asks for them: over UDP. Releases with erlang/otp 11114 take an answer that was
//! cut for its length for none; those are the releases that EMQX 5.10 and 6.2 were seen with. How long an answer may be is
//! said in the file that `ERL_INETRC` names; 512 bytes without.

use hickory_resolver::proto::op::{Edns, Message, MessageType, Query};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::proto::serialize::binary::{BinDecodable as _, BinEncodable as _};
use hickory_resolver::system_conf::read_system_conf;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::time::Duration;
use tokio::net::UdpSocket;

const DNS: u16 = 53;
/// `inet_res` asks three times, for two seconds together.
const ATTEMPTS: usize = 3;
const ATTEMPT: Duration = Duration::from_millis(667);

#[derive(Debug, Clone)]
pub struct Lookup {
    servers: Vec<SocketAddr>,
    /// Bytes of an answer, by EDNS.
    payload: Option<u16>,
}

impl Lookup {
    /// Servers from `/etc/resolv.conf`, the rest from the file that `ERL_INETRC` names.
    pub fn of_system() -> io::Result<Self> {
        let (config, _) = read_system_conf().map_err(io::Error::other)?;
        let servers = config.name_servers().iter().map(|server| SocketAddr::new(server.ip, DNS)).collect();
        // The runtime logs an error and continues if the file is missing.
        let file = std::env::var_os("ERL_INETRC").and_then(|file| std::fs::read_to_string(file).ok());
        Ok(Self { servers, payload: file.as_deref().and_then(payload) })
    }

    /// The hosts of a service; none without an answer, or if the answer is truncated.
    pub async fn hosts(&self, service: &str) -> Vec<String> {
        let Ok(name) = Name::from_str(&format!("{}.", service.trim_end_matches('.'))) else { return Vec::new() };
        for server in self.servers.iter().cycle().take(self.servers.len() * ATTEMPTS) {
            if let Ok(Ok(answer)) = tokio::time::timeout(ATTEMPT, self.ask(*server, &name)).await {
                return if answer.metadata.truncation { Vec::new() } else { targets(&answer) };
            }
        }
        Vec::new()
    }

    async fn ask(&self, server: SocketAddr, name: &Name) -> io::Result<Message> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        socket.connect(server).await?;
        let mut question = Message::query();
        question.metadata.recursion_desired = true;
        question.add_query(Query::query(name.clone(), RecordType::SRV));
        if let Some(payload) = self.payload {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            question.set_edns(edns);
        }
        socket.send(&question.to_bytes().map_err(io::Error::other)?).await?;
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let length = socket.recv(&mut buffer).await?;
            let answer = Message::from_bytes(&buffer[..length]).map_err(io::Error::other)?;
            if answer.metadata.id == question.metadata.id && answer.metadata.message_type == MessageType::Response {
                return Ok(answer);
            }
        }
    }
}

fn targets(answer: &Message) -> Vec<String> {
    let hosts = answer.answers.iter().filter_map(|record| match &record.data {
        RData::SRV(srv) => Some(srv.target.to_string().trim_end_matches('.').to_owned()),
        _ => None,
    });
    hosts.collect()
}

/// EDNS is used if `{edns, 0}.` says so. The size is 1280 bytes where the file names none.
fn payload(inetrc: &str) -> Option<u16> {
    let terms: Vec<String> = inetrc
        .lines()
        .filter(|line| !line.trim_start().starts_with('%'))
        .flat_map(|line| line.split_inclusive('.'))
        .map(|term| term.split_whitespace().collect())
        .collect();
    let value = |key: &str| {
        let prefix = format!("{{{key},");
        terms.iter().find_map(|term| term.strip_prefix(&prefix)?.strip_suffix("}.").map(str::to_owned))
    };
    (value("edns").as_deref() == Some("0"))
        .then(|| value("udp_payload_size").and_then(|size| size.parse().ok()).unwrap_or(1280))
}

#[cfg(test)]
mod tests {
    use super::{Lookup, payload};
    use hickory_resolver::proto::op::{Message, OpCode};
    use hickory_resolver::proto::rr::rdata::SRV;
    use hickory_resolver::proto::rr::{Name, RData, Record};
    use hickory_resolver::proto::serialize::binary::{BinDecodable as _, BinEncodable as _};
    use std::net::Ipv4Addr;
    use std::str::FromStr as _;
    use tokio::net::UdpSocket;

    /// Names as a company gives them.
    fn core(number: usize) -> String {
        format!(
            "production-emqx-europe-west-core-{number}.production-emqx-europe-west-headless.messaging.svc.cluster.local"
        )
    }

    /// A server that knows these cores, and cuts what is longer than the asker takes, as CoreDNS does.
    async fn found(cores: usize, payload: Option<u16>) -> usize {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let lookup = Lookup { servers: vec![server.local_addr().expect("an address")], payload };
        let answering = async move {
            let mut buffer = [0; 4096];
            let (length, from) = server.recv_from(&mut buffer).await.expect("a question");
            let question = Message::from_bytes(&buffer[..length]).expect("a message");
            let mut answer = Message::response(question.metadata.id, OpCode::Query);
            answer.add_queries(question.queries.iter().cloned());
            for number in 0..cores {
                let target = Name::from_str(&format!("{}.", core(number))).expect("a name");
                let data = RData::SRV(SRV::new(0, 1, 4370, target));
                answer.add_answer(Record::from_rdata(question.queries[0].name().clone(), 5, data));
            }
            let mut bytes = answer.to_bytes().expect("a message");
            if bytes.len() > usize::from(question.max_payload()) {
                bytes = answer.truncate().to_bytes().expect("a message");
            }
            server.send_to(&bytes, from).await.expect("somebody asked");
        };
        let service = "_erlang-dist._tcp.production-emqx-europe-west-headless.messaging.svc.cluster.local";
        let (hosts, ()) = tokio::join!(lookup.hosts(service), answering);
        assert!(hosts.iter().enumerate().all(|(number, host)| *host == core(number)));
        hosts.len()
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_is_none() {
        for (cores, plain) in [(1, 1), (2, 2), (3, 3), (4, 0), (7, 0), (15, 0)] {
            assert_eq!(found(cores, None).await, plain, "{cores} cores");
            assert_eq!(found(cores, Some(4096)).await, cores, "{cores} cores, with EDNS");
        }
    }

    #[test]
    fn the_file_says_how_long_an_answer_may_be() {
        assert_eq!(payload("{edns,0}.\n{udp_payload_size,4096}.\n"), Some(4096));
        assert_eq!(payload("{edns, 0}."), Some(1280));
        assert_eq!(payload("{udp_payload_size,4096}."), None);
        assert_eq!(payload("% {edns,0}.\n"), None);
    }
}
