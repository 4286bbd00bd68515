//! The Secret that holds the authority. Scrapers read its `ca.crt`.

use super::CertificateError;
use super::authority::Authority;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};
use std::collections::BTreeMap;

/// In the namespace of the operator.
pub const NAME: &str = "emqx-operator-metrics-ca";
/// What the operator has made, and may replace.
const OURS: (&str, &str) = ("app.kubernetes.io/created-by", "emqx-operator");

/// What there is of the operator's.
pub enum Stored {
    Nothing,
    Authority {
        authority: Authority,
        version: Option<String>,
    },
    /// Not readable.
    Garbage {
        version: Option<String>,
    },
}

pub async fn read(secrets: &Api<Secret>) -> Result<Stored, CertificateError> {
    let found = secrets.get_opt(NAME).await.map_err(|error| failed("read", error))?;
    found.map_or(Ok(Stored::Nothing), stored)
}

fn stored(secret: Secret) -> Result<Stored, CertificateError> {
    if !is_ours(&secret) {
        return Err(CertificateError::Foreign(NAME.to_owned()));
    }
    let version = secret.metadata.resource_version.clone();
    let text = |name: &str| {
        let ByteString(bytes) = secret.data.as_ref()?.get(name)?;
        String::from_utf8(bytes.clone()).ok()
    };
    let authority = text("tls.crt").zip(text("tls.key")).map(|(certificate, key)| Authority { certificate, key });
    Ok(match authority.filter(|authority| authority.ends().is_some()) {
        Some(authority) => Stored::Authority { authority, version },
        None => Stored::Garbage { version },
    })
}

fn is_ours(secret: &Secret) -> bool {
    secret.metadata.labels.as_ref().and_then(|labels| labels.get(OURS.0)).is_some_and(|value| value == OURS.1)
}

/// Returns what is stored afterwards, which may be what another replica has written.
pub async fn create(secrets: &Api<Secret>, authority: &Authority) -> Result<Authority, CertificateError> {
    let written = secrets.create(&PostParams::default(), &object(authority, None)).await;
    settle(secrets, authority, written, "create").await
}

/// As [`create`], in place of the given version.
pub async fn replace(
    secrets: &Api<Secret>,
    authority: &Authority,
    version: Option<String>,
) -> Result<Authority, CertificateError> {
    let written = secrets.replace(NAME, &PostParams::default(), &object(authority, version)).await;
    settle(secrets, authority, written, "replace").await
}

async fn settle(
    secrets: &Api<Secret>,
    ours: &Authority,
    written: Result<Secret, kube::Error>,
    verb: &'static str,
) -> Result<Authority, CertificateError> {
    match written {
        Ok(_) => Ok(ours.clone()),
        Err(kube::Error::Api(refusal)) if refusal.code == 409 => match read(secrets).await? {
            Stored::Authority { authority, .. } => Ok(authority),
            Stored::Nothing | Stored::Garbage { .. } => Err(failed(verb, kube::Error::Api(refusal))),
        },
        Err(error) => Err(failed(verb, error)),
    }
}

fn failed(verb: &'static str, error: kube::Error) -> CertificateError {
    CertificateError::Secret(verb, NAME.to_owned(), error)
}

fn object(authority: &Authority, version: Option<String>) -> Secret {
    let data = [("ca.crt", &authority.certificate), ("tls.crt", &authority.certificate), ("tls.key", &authority.key)];
    Secret {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            labels: Some(BTreeMap::from([(OURS.0.to_owned(), OURS.1.to_owned())])),
            resource_version: version,
            ..ObjectMeta::default()
        },
        data: Some(data.map(|(name, text)| (name.to_owned(), ByteString(text.clone().into_bytes()))).into()),
        type_: Some("kubernetes.io/tls".to_owned()),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Authority, Stored, object, stored};
    use jiff::Timestamp;
    use k8s_openapi::ByteString;

    #[test]
    fn what_is_written_is_read() {
        let authority = Authority::make(Timestamp::now()).unwrap();
        let read = stored(object(&authority, Some("7".to_owned()))).unwrap();
        assert!(matches!(read, Stored::Authority { authority: read, version } if read == authority
            && version.as_deref() == Some("7")));
    }

    #[test]
    fn garbage_is_replaced_only_where_it_is_ours() {
        let mut secret = object(&Authority::make(Timestamp::now()).unwrap(), None);
        secret.data.as_mut().unwrap().insert("tls.key".to_owned(), ByteString(b"x".to_vec()));
        assert!(matches!(stored(secret.clone()).unwrap(), Stored::Garbage { .. }));
        secret.metadata.labels = None;
        let error = stored(secret).err().unwrap().to_string();
        assert!(error.contains("emqx-operator-metrics-ca") && error.contains("delete it"), "{error}");
    }
}
