//! Certificates and keys of one cluster, made anew for each.

use super::State;
use super::namespace::NODE_ADDRESS;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::fs;

pub(super) fn write(state: &State) -> anyhow::Result<()> {
    let folder = state.file("pki");
    fs::create_dir_all(&folder)?;

    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "local cluster");
    fs::write(folder.join("ca.crt"), ca.self_signed(&ca_key)?.pem())?;

    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    ];
    let mut server = CertificateParams::new(names.map(str::to_owned))?;
    for address in ["127.0.0.1", NODE_ADDRESS, "10.96.0.1"] {
        server.subject_alt_names.push(SanType::IpAddress(address.parse()?));
    }
    let server_key = KeyPair::generate()?;
    let issued = server.signed_by(&server_key, &Issuer::from_params(&ca, &ca_key))?;
    fs::write(folder.join("server.crt"), issued.pem())?;
    fs::write(folder.join("server.key"), server_key.serialize_pem())?;

    // Service-account tokens. The API server reads public keys in this form only.
    let tokens = KeyPair::generate()?;
    fs::write(folder.join("tokens.key"), tokens.serialize_pem())?;
    fs::write(folder.join("tokens.pub"), tokens.public_key_pem())?;
    Ok(())
}
