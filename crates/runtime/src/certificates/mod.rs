//! The certificate of the metrics endpoint: from mounted files, or created here. It is replaced while the endpoint serves; if the
//! new certificate is not available, the old certificate stays in place.

mod authority;
mod files;
mod secret;

use crate::settings::CertificateSource;
use kube::Client;
use parking_lot::RwLock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// After a failure.
const AGAIN: Duration = Duration::from_secs(10);

/// Why there is no certificate, or no newer one.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("failed to read {0}")]
    File(PathBuf, #[source] std::io::Error),
    #[error("{0} holds no readable {1}")]
    Unreadable(String, &'static str),
    #[error("the certificate and the key of {0} do not belong together")]
    Mismatch(String, #[source] rustls::Error),
    #[error("failed to make a certificate")]
    Make(#[from] rcgen::Error),
    #[error("failed to {0} Secret {1}")]
    Secret(&'static str, String, #[source] kube::Error),
    #[error("Secret {0} was not made by the operator: delete it, or bring certificates with --metrics-cert-dir")]
    Foreign(String),
}

/// The certificate that is served now.
pub struct Certificates(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

impl Certificates {
    /// Waits for the first certificate, and keeps it fresh until `stop` is cancelled; `None` when it is before.
    pub async fn keep(client: Client, source: &CertificateSource, stop: &CancellationToken) -> Option<Arc<Self>> {
        let mut keeper = Keeper::new(client, source);
        let (first, wait) = loop {
            tokio::select! {
                next = keeper.next() => match next {
                    Ok((Some(first), wait)) => break (first, wait),
                    Ok((None, wait)) => tokio::time::sleep(wait).await,
                    Err(error) => {
                        tracing::error!(error = chain(&error), "no certificate for metrics yet; trying again");
                        tokio::time::sleep(AGAIN).await;
                    }
                },
                () = stop.cancelled() => return None,
            }
        };
        let certificates = Arc::new(Self(RwLock::new(Arc::new(first))));
        let (kept, stop) = (certificates.clone(), stop.clone());
        tokio::spawn(async move { stop.run_until_cancelled(kept.refresh(keeper, wait)).await });
        Some(certificates)
    }

    async fn refresh(&self, mut keeper: Keeper, mut wait: Duration) {
        loop {
            tokio::time::sleep(wait).await;
            wait = match keeper.next().await {
                Ok((fresh, wait)) => {
                    if let Some(fresh) = fresh {
                        *self.0.write() = Arc::new(fresh);
                        tracing::info!("the certificate for metrics was replaced");
                    }
                    wait
                }
                Err(error) => {
                    tracing::warn!(error = chain(&error), "the certificate for metrics stays as it is; trying again");
                    AGAIN
                }
            };
        }
    }
}

/// Where certificates come from.
enum Keeper {
    Files(files::Files),
    Own(Box<authority::Own>),
}

impl Keeper {
    fn new(client: Client, source: &CertificateSource) -> Self {
        match source {
            CertificateSource::Files(folder) => Self::Files(files::Files::new(folder)),
            CertificateSource::Own(own) => Self::Own(Box::new(authority::Own::new(client, own.clone()))),
        }
    }

    /// A certificate, if there is a newer one, and when to look again.
    async fn next(&mut self) -> Result<(Option<CertifiedKey>, Duration), CertificateError> {
        match self {
            Self::Files(files) => files.next(),
            Self::Own(own) => own.next().await,
        }
    }
}

/// A certificate chain with the key that belongs to it.
fn certified(origin: &str, certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let unreadable = |what| CertificateError::Unreadable(origin.to_owned(), what);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| unreadable("certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| unreadable("private key"))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|error| CertificateError::Mismatch(origin.to_owned(), error))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}
