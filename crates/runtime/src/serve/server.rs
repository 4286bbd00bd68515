//! Serves HTTP to clients that may be slow, silent or many: every wait for a client ends, and a client that asks for
//! something comes before those that do not. Certificates, roles and paths are not its business.

use super::slots::{Slot, Slots};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

/// How long a client is waited for, and how many are served.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at the same time. Beyond that the oldest idle connection is closed.
    pub connections: usize,
    /// From the beginning of a connection, or the answer before, to the end of a request's header; for a TLS handshake, too.
    pub header: Duration,
    /// From the header to the answer.
    pub request: Duration,
    /// For a connection, so that a client that does not read its answer goes, too.
    pub connection: Duration,
}

impl Limits {
    /// Prometheus and the kubelet are three or four clients, which answer within milliseconds and come again by themselves.
    pub const DEFAULT: Limits = Limits {
        connections: 128,
        header: Duration::from_secs(10),
        request: Duration::from_secs(10),
        connection: Duration::from_secs(60),
    };
}

/// A token and the like fit in. A client that sends more is refused.
const LARGEST_HEADER: usize = 32 << 10;

/// After the system could not accept, for example because files ran out.
const AGAIN: Duration = Duration::from_millis(500);

/// Serves until `stop` is cancelled: requests that are under way are answered then.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    stop: &CancellationToken,
) -> io::Result<()> {
    let (slots, tasks) = (Arc::new(Slots::new(limits.connections)), TaskTracker::new());
    while let Some(stream) = stop.run_until_cancelled(accept(&listener)).await {
        // All slots are taken by clients that wait for an answer: this one finds the connection closed.
        let Some(slot) = slots.take() else { continue };
        let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
        tasks.spawn(async move {
            let served = timeout(limits.connection, connection(stream, tls, router, limits, &slot, &stop));
            let _ = slot.unless_cleared(served).await;
        });
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
    Ok(())
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client has gone already.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    slot: &Slot,
    stop: &CancellationToken,
) {
    let Some(tls) = tls else { return http(stream, router, limits, slot, stop).await };
    match timeout(limits.header, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, router, limits, slot, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    limits: Limits,
    slot: &Slot,
    stop: &CancellationToken,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (router, busy) = (router.clone(), slot.busy());
        async move {
            let answer = answer(router, request, limits.request).await;
            drop(busy);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(LARGEST_HEADER);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => Ok(ended),
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            timeout(limits.request, served).await
        }
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(mut router: Router, request: Request<Incoming>, limit: Duration) -> Response<Body> {
    match timeout(limit, router.call(request)).await {
        Ok(Ok(answer)) => answer,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, serve};
    use axum::Router;
    use axum::routing::get;
    use std::net::SocketAddr;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;
    use tokio_rustls::TlsAcceptor;
    use tokio_util::sync::CancellationToken;

    /// Far beyond what is measured, on a machine that does something else, too.
    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(200);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const PATIENT: Limits = Limits { connections: 8, header: LONG, request: LONG, connection: LONG };

    struct Running {
        address: SocketAddr,
        stop: CancellationToken,
        task: JoinHandle<std::io::Result<()>>,
    }

    async fn start(limits: Limits, tls: Option<TlsAcceptor>) -> Running {
        let never = get(async || std::future::pending::<&str>().await);
        let router = Router::new().route("/", get(async || "ok")).route("/never", never);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, stop) = (listener.local_addr().expect("an address"), CancellationToken::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move { serve(listener, tls, router, limits, &stopped).await });
        Running { address, stop, task }
    }

    impl Running {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.expect("somebody listens")
        }

        /// Sends this; the answer up to the end of the connection.
        async fn says_to(&self, bytes: &[u8]) -> String {
            let mut stream = self.connect().await;
            stream.write_all(bytes).await.expect("it takes bytes");
            rest(&mut stream).await
        }

        /// A whole request on a connection of its own.
        async fn scrape(&self) -> String {
            self.says_to(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await
        }
    }

    /// What comes until the connection is closed, in time.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        let read = timeout(LONG, stream.read_to_end(&mut text)).await.expect("the connection is closed in time");
        // A connection that is reset is closed, too.
        drop(read);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn acceptor() -> TlsAcceptor {
        let made = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they belong together");
        TlsAcceptor::from(std::sync::Arc::new(config))
    }

    #[tokio::test]
    async fn a_client_that_does_not_go_on_is_cut_off() {
        let hasty = Limits { header: SHORT, ..PATIENT };
        let (plain, encrypted) = (start(hasty, None).await, start(hasty, Some(acceptor())).await);
        for (name, bytes) in [("nothing", &b""[..]), ("half a header", b"GET / HTTP/1.1\r\nho"), ("a line", b"GET /")] {
            let said = plain.says_to(bytes).await;
            assert!(!said.starts_with("HTTP/1.1 200"), "{name}: {said}");
        }
        for (name, bytes) in [("nothing", &b""[..]), ("half a handshake", b"\x16\x03\x01\x02\x00\x01")] {
            assert_eq!(encrypted.says_to(bytes).await, "", "{name}");
        }
        // It has had its answer, and does not ask again.
        assert!(plain.says_to(REQUEST).await.ends_with("ok"));
    }

    #[tokio::test]
    async fn idle_connections_do_not_keep_a_scrape_waiting() {
        let (plain, encrypted) = (start(PATIENT, None).await, start(PATIENT, Some(acceptor())).await);
        let mut idle = Vec::new();
        for _ in 0..200 {
            idle.push(plain.connect().await);
            idle.push(encrypted.connect().await);
        }
        assert!(plain.scrape().await.ends_with("ok"));
        // The first ones had to go.
        assert_eq!(rest(&mut idle[0]).await, "");
        assert_eq!(rest(&mut idle[1]).await, "");
    }

    #[tokio::test]
    async fn a_request_that_takes_long_is_refused_and_its_place_is_free_again() {
        let running = start(Limits { connections: 1, request: SHORT, ..PATIENT }, None).await;
        let mut waiting = running.connect().await;
        waiting
            .write_all(b"GET /never HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .expect("it takes bytes");
        assert!(rest(&mut waiting).await.starts_with("HTTP/1.1 503"));
        assert!(running.scrape().await.ends_with("ok"));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_goes_with_its_connection() {
        let running = start(Limits { connection: SHORT, ..PATIENT }, None).await;
        assert_eq!(running.says_to(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await, "");
    }

    #[tokio::test]
    async fn a_header_without_end_is_refused() {
        let running = start(PATIENT, None).await;
        let endless = [b"GET / HTTP/1.1\r\na: ".to_vec(), vec![b'x'; 1 << 20]].concat();
        let mut stream = running.connect().await;
        // It may hang up before all is sent.
        let _ = stream.write_all(&endless).await;
        assert!(!rest(&mut stream).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn idle_connections_do_not_keep_the_server_from_stopping() {
        let running = start(PATIENT, None).await;
        let (_silent, mut kept) = (running.connect().await, running.connect().await);
        kept.write_all(REQUEST).await.expect("it takes bytes");
        let mut answer = [0; 12];
        kept.read_exact(&mut answer).await.expect("an answer");
        running.stop.cancel();
        timeout(LONG / 2, running.task).await.expect("it stops in time").expect("no panic").expect("no error");
    }
}
