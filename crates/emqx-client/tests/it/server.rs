//! A server of one behavior, down to the byte: real ones do not break on demand.

use emqx_client::{Credentials, Endpoint};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

/// What the server does with a request.
pub(crate) enum Act {
    Answer {
        status: u16,
        content_type: Option<String>,
        body: Vec<u8>,
    },
    /// These bytes instead of an answer, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, then silence on an open connection.
    BytesThenSilence(Vec<u8>),
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub method: String,
    pub path: String,
    pub head: String,
    pub body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Runs until it is dropped.
pub(crate) struct Server {
    pub endpoint: Endpoint,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

pub(crate) fn json(status: u16, body: &str) -> Act {
    Act::Answer { status, content_type: Some("application/json".to_owned()), body: body.as_bytes().to_vec() }
}

/// Sends nothing, for ever.
pub(crate) fn hang() -> Act {
    Act::BytesThenSilence(Vec::new())
}

pub(crate) fn credentials() -> Credentials {
    Credentials { key: "operator".to_owned(), secret: "s3cret".to_owned() }
}

/// A port where nobody listens. It stays ours while the test runs, so that no other server of the process gets it.
pub(crate) async fn nobody() -> Endpoint {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    std::mem::forget(socket);
    Endpoint { https: false, host: "127.0.0.1".to_owned(), port }
}

/// Serves over TCP; the second argument of the behavior counts requests from 0.
pub(crate) async fn serve(act: impl Fn(&Received, usize) -> Act + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve_on(listener, None, act)
}

/// Serves over TLS.
pub(crate) async fn serve_tls(
    tls: tokio_rustls::TlsAcceptor,
    act: impl Fn(&Received, usize) -> Act + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve_on(listener, Some(tls), act)
}

fn endpoint(listener: &TcpListener, https: bool) -> Endpoint {
    Endpoint { https, host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() }
}

fn serve_on(
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    act: impl Fn(&Received, usize) -> Act + Send + Sync + 'static,
) -> Server {
    let endpoint = endpoint(&listener, tls.is_some());
    let received = Arc::new(Mutex::new(Vec::new()));
    let (act, log) = (Arc::new(act), received.clone());
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (act, log, tls) = (act.clone(), log.clone(), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => connection(stream, &*act, &log).await,
                    Some(tls) => {
                        // Whoever does not trust us hangs up here.
                        if let Ok(stream) = tls.accept(stream).await {
                            connection(stream, &*act, &log).await;
                        }
                    }
                }
            });
        }
    });
    Server { endpoint, received, task }
}

/// One request per connection.
async fn connection(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    act: &(impl Fn(&Received, usize) -> Act + Sync),
    log: &Mutex<Vec<Received>>,
) {
    let Some(request) = read(&mut stream).await else { return };
    let act = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        act(&request, log.len() - 1)
    };
    match act {
        Act::Answer { status, content_type, body } => {
            let head = head(status, content_type.as_deref(), body.len());
            // The client may have enough before we are done.
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            let _ = stream.shutdown().await;
        }
        Act::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Act::BytesThenSilence(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
    }
}

fn head(status: u16, content_type: Option<&str>, length: usize) -> String {
    let content_type = content_type.map(|kind| format!("content-type: {kind}\r\n")).unwrap_or_default();
    let length = if status == 204 { String::new() } else { format!("content-length: {length}\r\n") };
    format!("HTTP/1.1 {status} X\r\n{content_type}{length}connection: close\r\n\r\n")
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if let Some(request) = parse(&bytes) {
            return Some(request);
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Received> {
    let text = std::str::from_utf8(bytes).expect("requests are text");
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let request = Received { method, path, head: head.to_owned(), body: body.to_owned() };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    (body.len() == length).then_some(request)
}
