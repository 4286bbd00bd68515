//! Certificates made here: an authority that all replicas share, and a short-lived leaf of each process.

use super::secret::{self, Stored};
use super::{CertificateError, certified};
use crate::settings::OwnCertificate;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::sign::CertifiedKey;
use std::time::Duration;

/// Scrapers keep its certificate, so it changes rarely.
const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// Another replica may have replaced the authority.
const LOOK: Duration = Duration::from_secs(3600);
/// Clocks of scrapers may be behind the operator's.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// The authority: what scrapers trust, and what signs.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    pub certificate: String,
    pub key: String,
}

pub struct Own {
    secrets: Api<Secret>,
    settings: OwnCertificate,
    leaf: Option<Leaf>,
}

struct Leaf {
    authority: Authority,
    renew_at: Timestamp,
}

impl Own {
    pub fn new(client: Client, settings: OwnCertificate) -> Self {
        Self { secrets: Api::namespaced(client, &settings.namespace), settings, leaf: None }
    }

    pub async fn next(&mut self) -> Result<(Option<CertifiedKey>, Duration), CertificateError> {
        let now = Timestamp::now();
        let authority = self.authority(now).await?;
        if self.leaf.as_ref().is_some_and(|leaf| leaf.authority == authority && now < leaf.renew_at) {
            return Ok((None, self.wait(now)));
        }
        let fresh = authority.sign(&self.settings.names, now, self.settings.lifetime)?;
        self.leaf = Some(Leaf { authority, renew_at: two_thirds(now, self.settings.lifetime) });
        Ok((Some(fresh), self.wait(now)))
    }

    fn wait(&self, now: Timestamp) -> Duration {
        let left = self.leaf.as_ref().map_or(Duration::ZERO, |leaf| now.duration_until(leaf.renew_at).unsigned_abs());
        left.min(LOOK)
    }

    /// The authority of the Secret. A missing authority is created, and replaced before it expires; of two replicas that do so
    /// at the same time the second takes what the first has written.
    async fn authority(&self, now: Timestamp) -> Result<Authority, CertificateError> {
        match secret::read(&self.secrets).await? {
            Stored::Nothing => secret::create(&self.secrets, &Authority::make(now)?).await,
            Stored::Authority { authority, .. } if authority.is_fresh(now) => Ok(authority),
            Stored::Authority { version, .. } | Stored::Garbage { version } => {
                tracing::info!(secret = secret::NAME, "making a new authority for metrics");
                secret::replace(&self.secrets, &Authority::make(now)?, version).await
            }
        }
    }
}

fn two_thirds(from: Timestamp, lifetime: SignedDuration) -> Timestamp {
    from + lifetime * 2 / 3
}

/// The same for every authority: authorities differ only in their keys.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, secret::NAME);
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn valid(params: &mut CertificateParams, now: Timestamp, lifetime: SignedDuration) {
    let time = |at: Timestamp| std::time::SystemTime::from(at).into();
    params.not_before = time(now - BACKDATED);
    params.not_after = time(now + lifetime);
}

impl Authority {
    pub fn make(now: Timestamp) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = authority_params();
        valid(&mut params, now, AUTHORITY_LIFETIME);
        Ok(Self { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
    }

    /// Whether the last third of its life has not begun.
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.ends().is_some_and(|end| now + AUTHORITY_LIFETIME / 3 < end)
    }

    /// When its certificate ends, if certificate and key can be read and belong together.
    pub fn ends(&self) -> Option<Timestamp> {
        certified(secret::NAME, self.certificate.as_bytes(), self.key.as_bytes()).ok()?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(self.certificate.as_bytes()).ok()?;
        let end = pem.parse_x509().ok()?.validity().not_after.timestamp();
        Timestamp::from_second(end).ok()
    }

    fn sign(
        &self,
        names: &[String],
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Result<CertifiedKey, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, now, lifetime);
        let issuer = Issuer::new(authority_params(), KeyPair::from_pem(&self.key)?);
        let leaf = params.signed_by(&key, &issuer)?;
        certified("the certificate just made", leaf.pem().as_bytes(), key.serialize_pem().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{AUTHORITY_LIFETIME, Authority, two_thirds};
    use jiff::{SignedDuration, Timestamp};
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use std::sync::Arc;
    use std::time::Duration;

    const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

    /// As a scraper checks it that trusts this authority, so long after it was made.
    fn trusts(authority: &Authority, leaf: &rustls::sign::CertifiedKey, name: &str, later: SignedDuration) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let at = u64::try_from((Timestamp::now() + later).as_second()).unwrap();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(at));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&leaf.cert[0], &[], &name, &[], time).is_ok()
    }

    #[test]
    fn a_leaf_is_trusted_for_its_names_and_its_time() {
        let now = Timestamp::now();
        let authority = Authority::make(now).unwrap();
        let leaf = authority.sign(&["metrics.ns.svc".to_owned()], now, WEEK).unwrap();
        assert!(trusts(&authority, &leaf, "metrics.ns.svc", SignedDuration::ZERO));
        assert!(trusts(&authority, &leaf, "metrics.ns.svc", WEEK - SignedDuration::from_secs(60)));
        assert!(!trusts(&authority, &leaf, "metrics.ns.svc", WEEK + SignedDuration::from_secs(60)));
        assert!(!trusts(&authority, &leaf, "other.ns.svc", SignedDuration::ZERO));
        assert!(!trusts(&Authority::make(now).unwrap(), &leaf, "metrics.ns.svc", SignedDuration::ZERO));
    }

    #[test]
    fn an_authority_is_replaced_in_its_last_third() {
        let now = Timestamp::now();
        let authority = Authority::make(now).unwrap();
        assert!(authority.is_fresh(now));
        assert!(authority.is_fresh(two_thirds(now, AUTHORITY_LIFETIME) - SignedDuration::from_hours(1)));
        assert!(!authority.is_fresh(two_thirds(now, AUTHORITY_LIFETIME) + SignedDuration::from_hours(1)));
    }

    #[test]
    fn a_key_of_another_certificate_is_no_authority() {
        let now = Timestamp::now();
        let (one, other) = (Authority::make(now).unwrap(), Authority::make(now).unwrap());
        assert!(one.ends().is_some());
        assert!(Authority { key: other.key, ..one }.ends().is_none());
        assert!(Authority { certificate: "x".into(), key: "y".into() }.ends().is_none());
    }
}
