//! Certificates: any, or those of a known authority for whatever name.

use crate::server::{Server, credentials, json, serve_tls};
use emqx_client::api::GetSites;
use emqx_client::{Client, Error, Trust};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A broker whose certificate is for the name that MQTT clients use.
async fn broker(authority: &CertifiedIssuer<'static, KeyPair>) -> Server {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["mqtt.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    serve_tls(TlsAcceptor::from(Arc::new(config)), |_, _| json(200, r#"["A"]"#)).await
}

async fn sites(trust: Trust, server: &Server) -> Result<Vec<String>, Error> {
    Client::with_trust(&trust)?.ask(&server.endpoint, &credentials(), &GetSites, Duration::from_secs(10)).await
}

#[tokio::test]
async fn any_certificate_will_do_if_nobody_said_otherwise() {
    let server = broker(&authority()).await;
    assert_eq!(sites(Trust::AnyCertificate, &server).await.unwrap(), ["A"]);
}

#[tokio::test]
async fn the_name_does_not_matter_and_the_authority_does() {
    let (known, other) = (authority(), authority());
    let server = broker(&known).await;
    assert_eq!(sites(Trust::Roots(known.pem()), &server).await.unwrap(), ["A"]);
    assert_eq!(sites(Trust::Roots(other.pem() + &known.pem()), &server).await.unwrap(), ["A"]);
    let error = sites(Trust::Roots(other.pem()), &server).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("certificate") && error.is_untrusted(), "{error}");
    assert_eq!(server.received().len(), 2, "the API key went to a stranger");
}

#[tokio::test]
async fn roots_that_cannot_be_read_are_said_so() {
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA";
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (name, pem) in [("empty", ""), ("cut", cut), ("no certificate", no_certificate)] {
        let error = Client::with_trust(&Trust::Roots(pem.to_owned())).unwrap_err();
        assert!(matches!(error, Error::Certificates { .. }), "{name}: {error:?}");
    }
}
