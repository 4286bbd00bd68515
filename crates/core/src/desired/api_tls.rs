//! The authorities that may have issued the certificate of the EMQX API.

use super::errors::{Mistake, Mistakes};
use super::references::{API_CA, References};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use emqx_operator_api::hub::{ApiTls, CaSecretRef};

/// Some dozens of certificates. The operator keeps them for every cluster.
const LARGEST: usize = 64 << 10;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

pub(super) fn resolve(
    api_tls: Option<&ApiTls>,
    serves_https: bool,
    references: &References,
) -> Result<Option<String>, Mistakes> {
    let Some(ApiTls { ca_secret_ref: CaSecretRef { name, key } }) = api_tls else { return Ok(None) };
    if !serves_https {
        let problem =
            "there is no certificate to verify without config.roots.dashboard.listeners.https: add that listener";
        return Err(Mistake::invalid("spec.apiTLS", problem).into());
    }
    let missing = |problem: String| Mistake::missing(API_CA, problem);
    let secret = references.secrets.get(name).ok_or_else(|| missing(format!("Secret {name} does not exist")))?;
    let bytes = secret.entries.get(key).ok_or_else(|| missing(format!("Secret {name} has no key {key}")))?;
    let invalid = |problem: &str| Mistake::invalid(API_CA, format!("key {key} of Secret {name} {problem}"));
    if bytes.len() > LARGEST {
        return Err(invalid("is longer than 64 KiB; name only the authorities of this cluster").into());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("is not text"))?;
    check(text).map_err(invalid)?;
    Ok(Some(text.to_owned()))
}

/// Whether the text has certificates, and nothing that looks like one and is none.
fn check(pem: &str) -> Result<(), &'static str> {
    let mut blocks = pem.split(BEGIN).skip(1).peekable();
    if blocks.peek().is_none() {
        return Err("holds no certificate: PEM with BEGIN CERTIFICATE is expected");
    }
    let readable = |block: &str| block.split_once(END).is_some_and(|(body, _)| is_der(body));
    if blocks.all(readable) { Ok(()) } else { Err("holds a certificate that is cut or damaged") }
}

/// One ASN.1 sequence, of the length that it says; its content is checked when a certificate is verified.
fn is_der(body: &str) -> bool {
    let body: String = body.split_whitespace().collect();
    let Ok(bytes) = STANDARD.decode(body) else { return false };
    match bytes[..] {
        [0x30, length @ 0..=0x7f, ref rest @ ..] => rest.len() == usize::from(length),
        [0x30, 0x81, length, ref rest @ ..] => rest.len() == usize::from(length),
        [0x30, 0x82, high, low, ref rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([high, low])),
        _ => false,
    }
}
