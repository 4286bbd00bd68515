//! Calls between pods: TCP on the distribution port, one request per connection. The caller proves that it knows the
//! cookie before it is heard; the cookie itself is never sent.

use super::srv::Lookup;
use super::{CallError, Peers, Request, Response};
use crate::node::Node;
use futures::future::{BoxFuture, FutureExt};
use hickory_resolver::TokioResolver;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// State of a cluster with thousands of keys stays far below.
const MAX_FRAME: usize = 64 << 20;
const CONNECT: Duration = Duration::from_secs(5);

async fn send(stream: &mut TcpStream, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_u32(length).await?;
    stream.write_all(&bytes).await
}

async fn receive<T: DeserializeOwned>(stream: &mut TcpStream) -> io::Result<T> {
    let length = stream.read_u32().await? as usize;
    if length > MAX_FRAME {
        return Err(io::Error::other("frame is too long"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn proof(cookie: &str, nonce: &str) -> String {
    hex::encode(Sha256::digest(format!("{cookie}:{nonce}")))
}

/// The port follows the digits at the end of the name before `@`.
pub fn port(node: &str) -> u16 {
    let prefix = node.split('@').next().unwrap_or_default();
    let digits = prefix.len() - prefix.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    4370 + prefix[prefix.len() - digits..].parse::<u16>().unwrap_or(0)
}

/// Answers other nodes in every phase, until dropped.
pub async fn serve(node: Arc<Node>, cookie: String, address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (node, cookie) = (node.clone(), cookie.clone());
        // A caller that breaks off is its own problem.
        tokio::spawn(async move { converse(&node, &cookie, stream).await });
    }
}

async fn converse(node: &Arc<Node>, cookie: &str, mut stream: TcpStream) -> io::Result<()> {
    let nonce = hex::encode(rand::random::<[u8; 16]>());
    send(&mut stream, &nonce).await?;
    let shown: String = receive(&mut stream).await?;
    // Read in any case: closing a socket with unread bytes would destroy the refusal on its way.
    let (caller, request): (String, Request) = receive(&mut stream).await?;
    if shown != proof(cookie, &nonce) {
        return send(&mut stream, &Err::<Response, _>(CallError::WrongCookie)).await;
    }
    let answer = node.answer(&caller, request).await;
    send(&mut stream, &Ok::<_, CallError>(answer)).await
}

/// How nodes find each other.
#[derive(Debug, Clone)]
pub enum Discovery {
    None,
    /// Whole node names.
    Static(Vec<String>),
    /// SRV records: their targets are hosts.
    Srv(String),
    /// Address records: the addresses are hosts.
    Address(String),
}

pub struct Remote {
    pub name: String,
    pub cookie: String,
    pub discovery: Discovery,
    resolver: TokioResolver,
    lookup: Lookup,
}

impl Remote {
    pub fn new(name: String, cookie: String, discovery: Discovery) -> io::Result<Self> {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build()).map_err(io::Error::other)?;
        Ok(Self { name, cookie, discovery, resolver, lookup: Lookup::of_system()? })
    }

    async fn address(&self, node: &str) -> Option<SocketAddr> {
        // A node reaches itself before its name is known to others.
        if node == self.name {
            return Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port(node))));
        }
        let host = node.split_once('@')?.1;
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(SocketAddr::new(address, port(node)));
        }
        // The dot keeps the resolver from trying the name in every search domain first.
        let found = self.resolver.lookup_ip(format!("{host}.")).await.ok()?;
        Some(SocketAddr::new(found.iter().next()?, port(node)))
    }

    async fn connect(&self, node: &str) -> Result<TcpStream, CallError> {
        let address = self.address(node).await.ok_or(CallError::Down)?;
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(stream) => stream.map_err(|_| CallError::Down),
            // A host that drops packets hangs until the caller gives up, as a broken link does.
            Err(_) => std::future::pending().await,
        }
    }

    async fn ask(&self, stream: &mut TcpStream, request: &Request) -> io::Result<Result<Response, CallError>> {
        let nonce: String = receive(stream).await?;
        send(stream, &proof(&self.cookie, &nonce)).await?;
        send(stream, &(&self.name, request)).await?;
        receive(stream).await
    }

    async fn hosts(&self) -> Vec<String> {
        match &self.discovery {
            Discovery::None | Discovery::Static(_) => Vec::new(),
            Discovery::Srv(name) => self.lookup.hosts(name).await,
            Discovery::Address(name) => {
                let found = self.resolver.lookup_ip(name.as_str()).await;
                found.map(|found| found.iter().map(|ip| ip.to_string()).collect()).unwrap_or_default()
            }
        }
    }
}

impl Peers for Remote {
    fn call<'a>(&'a self, to: &'a str, request: Request) -> BoxFuture<'a, Result<Response, CallError>> {
        async move {
            let mut stream = self.connect(to).await?;
            self.ask(&mut stream, &request).await.unwrap_or(Err(CallError::Down))
        }
        .boxed()
    }

    /// Hosts get the prefix of our own name.
    fn discover(&self) -> BoxFuture<'_, Vec<String>> {
        async move {
            if let Discovery::Static(names) = &self.discovery {
                return names.clone();
            }
            let prefix = self.name.split('@').next().unwrap_or("emqx");
            let mut names: Vec<String> =
                self.hosts().await.into_iter().map(|host| format!("{prefix}@{host}")).collect();
            names.sort();
            names.dedup();
            names
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_follows_the_name() {
        assert_eq!(port("emqx@a.b"), 4370);
        assert_eq!(port("emqx1@a.b"), 4371);
    }
}
