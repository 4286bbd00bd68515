//! Puts the API of a node on sockets: open while the node runs, closed while it boots, joins or stops.

use super::{Call, Reply, answer};
use crate::config::{DashboardListener, TlsFiles};
use crate::node::Node;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Serves on a fixed address, for tests: the port stays the same while the node restarts its API.
pub async fn serve(node: Arc<Node>, address: SocketAddr) -> io::Result<()> {
    follow(node, address, None).await
}

/// Serves on the listeners of the node's configuration; without any, the API does not exist.
pub async fn serve_pod(node: Arc<Node>) -> io::Result<()> {
    let listeners = node.config().dashboard_listeners();
    let mut tasks = JoinSet::new();
    for DashboardListener { bind, tls } in listeners {
        let acceptor = tls.map(|files| acceptor(&node.etc, &files)).transpose()?;
        tasks.spawn(follow(node.clone(), bind.socket(), acceptor));
    }
    match tasks.join_next().await {
        Some(ended) => ended.map_err(io::Error::other)?,
        None => std::future::pending().await,
    }
}

pub(crate) fn acceptor(etc: &Path, files: &TlsFiles) -> io::Result<TlsAcceptor> {
    let place = |path: &str| path.replace("${EMQX_ETC_DIR}", &etc.display().to_string());
    let named = |path: &str, error: &dyn std::fmt::Display| io::Error::other(format!("failed to read {path}: {error}"));
    let chain = CertificateDer::pem_file_iter(place(&files.certificate))
        .and_then(Iterator::collect)
        .map_err(|error| named(&files.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(place(&files.key)).map_err(|error| named(&files.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn follow(node: Arc<Node>, address: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<()> {
    let mut open = node.port_open();
    loop {
        if open.wait_for(|open| *open).await.is_err() {
            return Ok(());
        }
        let listener = TcpListener::bind(address).await?;
        tokio::select! {
            () = accept(&node, &listener, tls.as_ref()) => {}
            // Dropping the connections with the listener is what clients of a stopping node see.
            _ = open.wait_for(|open| !*open) => {}
        }
    }
}

async fn accept(node: &Arc<Node>, listener: &TcpListener, tls: Option<&TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let (node, tls) = (node.clone(), tls.cloned());
        connections.spawn(async move {
            match tls {
                None => speak(node, stream).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        speak(node, stream).await;
                    }
                }
            }
        });
    }
}

/// Answers the calls that come over one connection.
pub async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(node: Arc<Node>, stream: S) {
    let service = service_fn(move |request| {
        let node = node.clone();
        async move { respond(&node, request).await.ok_or(Unanswered) }
    });
    // A client that goes away is no fault of ours.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(node: &Arc<Node>, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    node.requests.fetch_add(1, Ordering::Relaxed);
    answer(node, &read(request).await).await.map(into_response)
}

/// Makes the server drop the connection.
#[derive(Debug, thiserror::Error)]
#[error("the node closed the connection without an answer")]
struct Unanswered;

/// Shared with the admin endpoint.
pub(crate) async fn read(request: Request<Incoming>) -> Call {
    let (head, body) = request.into_parts();
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    Call {
        method: head.method.to_string(),
        path: percent_decode(head.uri.path()),
        query: head.uri.query().unwrap_or_default().split('&').filter_map(parameter).collect(),
        accept: header(ACCEPT),
        content_type: header(CONTENT_TYPE),
        authorization: header(AUTHORIZATION),
        body,
    }
}

fn parameter(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    Some((percent_decode(name), percent_decode(&value.replace('+', " "))))
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let ahead = rest.clone().take(2).collect::<Vec<_>>();
        match std::str::from_utf8(&ahead).ok().filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok())
        {
            Some(decoded) => {
                bytes.push(decoded);
                rest.nth(1);
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn into_response(reply: Reply) -> Response<Full<Bytes>> {
    let Reply { status, content_type, headers, body } = reply;
    let mut builder = Response::builder().status(status);
    if let Some(content_type) = content_type {
        builder = builder.header(CONTENT_TYPE, content_type);
    }
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(Bytes::from(body))).expect("statuses and header names are our own")
}

#[cfg(test)]
mod tests {
    use super::percent_decode;

    #[test]
    fn node_names_in_paths() {
        assert_eq!(percent_decode("/nodes/emqx%40a"), "/nodes/emqx@a");
        assert_eq!(percent_decode("/nodes/emqx@a%"), "/nodes/emqx@a%");
    }
}
