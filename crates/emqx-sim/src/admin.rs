//! The port for tests, never part of EMQX: faults, numbers of clients, loss of the volume. Loopback by default.
//!
//! `PUT /faults` takes [`Faults`], `PUT /clients` takes [`Counts`], `POST /lose-volume` empties the data directory.

use crate::clients::{Counts, Synthetic};
use crate::faults::Faults;
use crate::http::{Call, Reply, into_response, read};
use crate::node::Node;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

#[derive(Clone)]
pub struct Admin {
    pub node: Arc<Node>,
    pub clients: Arc<Synthetic>,
}

pub async fn serve(admin: Admin, address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let admin = admin.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let admin = admin.clone();
                async move { Ok::<_, Infallible>(respond(&admin, request).await) }
            });
            // A test that goes away is no fault of ours.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(admin: &Admin, request: Request<Incoming>) -> Response<Full<Bytes>> {
    into_response(admin.answer(&read(request).await))
}

impl Admin {
    pub fn answer(&self, call: &Call) -> Reply {
        let bad = |error: serde_json::Error| Reply::error(400, "BAD_REQUEST", &error.to_string());
        match (call.method.as_str(), call.path.as_str()) {
            ("GET", "/faults") => Reply::json(&json!(self.node.faults())),
            ("PUT", "/faults") => match serde_json::from_slice::<Faults>(&call.body) {
                Ok(faults) => {
                    self.node.set_faults(faults);
                    Reply::empty(204)
                }
                Err(error) => bad(error),
            },
            ("PUT", "/clients") => match serde_json::from_slice::<Counts>(&call.body) {
                Ok(counts) => {
                    self.clients.set(counts);
                    Reply::empty(204)
                }
                Err(error) => bad(error),
            },
            ("POST", "/lose-volume") => match self.node.volume.lose() {
                Ok(()) => Reply::empty(204),
                Err(error) => Reply::error(500, "INTERNAL_ERROR", &error.to_string()),
            },
            _ => Reply::error(404, "NOT_FOUND", "known are /faults, /clients and /lose-volume"),
        }
    }
}
