//! API keys that EMQX learns from its bootstrap file.

use super::config::digest;
use super::errors::{Mistake, Mistakes};
use super::names::OPERATOR_API_KEY;
use super::references::References;
use crate::text::{name, quoted};
use emqx_operator_api::hub::{BootstrapApiKey, KeyRef};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// A key and its secret.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    pub key: String,
    #[serde(skip)]
    pub secret: String,
}

/// The secret is never printed.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.key)
    }
}

/// The same for the same keys; `None` for none.
pub(crate) fn digest_of_keys(keys: &[ApiKey]) -> Option<String> {
    let lines: String = keys.iter().map(|key| format!("{}:{}\n", key.key, key.secret)).collect();
    (!keys.is_empty()).then(|| digest(&lines))
}

pub(super) fn resolve(keys: &[BootstrapApiKey], references: &References) -> Result<Vec<ApiKey>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut taken = BTreeSet::from([OPERATOR_API_KEY.to_owned()]);
    let mut resolved = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let path = format!("spec.bootstrapAPIKeys[{index}]");
        let Some(api_key) = mistakes.collect(one(&path, key, references)) else { continue };
        if !taken.insert(api_key.key.clone()) {
            mistakes.push(Mistake::invalid(path, format!("the key '{}' is taken", quoted(&api_key.key))));
            continue;
        }
        resolved.push(api_key);
    }
    mistakes.finish()?;
    Ok(resolved)
}

fn one(path: &str, key: &BootstrapApiKey, references: &References) -> Result<ApiKey, Mistakes> {
    let (key, secret) = match (&key.key, &key.secret, &key.secret_ref) {
        (Some(key), Some(secret), None) => (key.clone(), secret.clone()),
        (None, None, Some(reference)) => (
            entry(&format!("{path}.secretRef.key"), &reference.key, references)?,
            entry(&format!("{path}.secretRef.secret"), &reference.secret, references)?,
        ),
        _ => return Err(Mistake::invalid(path, "set either secretRef, or key and secret").into()),
    };
    check(path, &key, &secret)?;
    Ok(ApiKey { key, secret })
}

/// One malformed line ends EMQX's reading of the whole file, so malformed keys are refused.
fn check(path: &str, key: &str, secret: &str) -> Result<(), Mistakes> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if key.is_empty() || !key.chars().all(legal) {
        return Err(Mistake::invalid(path, "a key consists of letters, digits, '-' and '_'").into());
    }
    if !(3..=128).contains(&secret.len()) || secret.contains(':') || secret.chars().any(|c| c.is_whitespace()) {
        return Err(Mistake::invalid(path, "a secret has 3 to 128 characters, without colon and white space").into());
    }
    Ok(())
}

fn entry(path: &str, reference: &KeyRef, references: &References) -> Result<String, Mistakes> {
    let KeyRef { secret_name, secret_key } = reference;
    let secret = references
        .secrets
        .get(secret_name)
        .ok_or_else(|| Mistake::missing(path, format!("Secret {} does not exist", name(secret_name))))?;
    let bytes = secret.entries.get(secret_key).ok_or_else(|| {
        Mistake::missing(path, format!("Secret {} has no key {}", name(secret_name), name(secret_key)))
    })?;
    // Secrets that are created from files often end with a line break.
    let text = std::str::from_utf8(bytes).map_err(|_| {
        Mistake::invalid(path, format!("key {} of Secret {} is not text", name(secret_key), name(secret_name)))
    })?;
    Ok(text.trim().to_owned())
}
