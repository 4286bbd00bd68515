//! The clients that ask EMQX: one for all clusters whose certificates are not verified, and one for each set of authorities
//! that some spec trusts.

use emqx_client::{Client, Error, Observer, Trust};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clusters at rest are asked every minute. A client that no reconcile has used for this long has no cluster any more.
const UNUSED: Duration = Duration::from_secs(300);
/// The most clients that are kept: each holds its authorities and some connections. The least recently used client is dropped.
const MOST: usize = 64;

/// Clients, by the authorities that they trust.
pub struct EmqxClients {
    observer: Arc<dyn Observer>,
    unverified: Client,
    verifying: Mutex<HashMap<[u8; 32], Entry>>,
}

struct Entry {
    client: Client,
    used: Instant,
}

impl EmqxClients {
    pub fn new(observer: Arc<dyn Observer>) -> Result<Self, Error> {
        let unverified = Client::new()?.observed_by(observer.clone());
        Ok(Self { observer, unverified, verifying: Mutex::default() })
    }

    /// The client that takes certificates of these authorities only (PEM), or any certificate where none are named.
    pub fn trusting(&self, authorities: Option<&str>) -> Result<Client, Error> {
        self.at(Instant::now(), authorities)
    }

    fn at(&self, now: Instant, authorities: Option<&str>) -> Result<Client, Error> {
        let mut verifying = self.verifying.lock();
        verifying.retain(|_, entry| now.saturating_duration_since(entry.used) < UNUSED);
        let Some(pem) = authorities else { return Ok(self.unverified.clone()) };
        let key = Sha256::digest(pem.as_bytes()).into();
        if let Some(entry) = verifying.get_mut(&key) {
            entry.used = now;
            return Ok(entry.client.clone());
        }
        let client = Client::with_trust(&Trust::Roots(pem.to_owned()))?.observed_by(self.observer.clone());
        let oldest = verifying.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key);
        if let Some(oldest) = oldest.filter(|_| verifying.len() >= MOST) {
            verifying.remove(&oldest);
        }
        verifying.insert(key, Entry { client: client.clone(), used: now });
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::{EmqxClients, MOST, UNUSED};
    use emqx_client::Observer;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    #[derive(Debug)]
    struct Deaf;

    impl Observer for Deaf {
        fn ended(&self, _: &str, _: Option<u16>) {}
    }

    fn authority() -> String {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").pem()
    }

    #[test]
    fn authorities_share_a_client_and_leave_it_when_nobody_uses_it() {
        let clients = EmqxClients::new(Arc::new(Deaf)).expect("a client");
        let kept = || clients.verifying.lock().len();
        let (start, one, other) = (Instant::now(), authority(), authority());
        let ask = |seconds: u64, pem: Option<&str>| {
            drop(clients.at(start + Duration::from_secs(seconds), pem).expect("a client"));
            kept()
        };
        assert_eq!(ask(0, None), 0);
        assert_eq!((ask(0, Some(&one)), ask(1, Some(&one)), ask(60, Some(&other))), (1, 1, 2));
        assert_eq!(ask(2 + UNUSED.as_secs(), None), 1, "the first one is not used any more");
        assert_eq!(ask(60 + UNUSED.as_secs(), None), 0);
    }

    #[test]
    fn never_more_than_so_many_are_kept() {
        let clients = EmqxClients::new(Arc::new(Deaf)).expect("a client");
        let (start, pem) = (Instant::now(), authority());
        for number in 0..2 * MOST {
            let different = format!("{pem}{}", "\n".repeat(number));
            clients.at(start + Duration::from_millis(number as u64), Some(&different)).expect("a client");
        }
        assert_eq!(clients.verifying.lock().len(), MOST);
    }

    #[test]
    fn what_is_no_certificate_makes_no_client() {
        let clients = EmqxClients::new(Arc::new(Deaf)).expect("a client");
        let garbage = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let error = clients.trusting(Some(garbage)).expect_err("no certificate");
        assert!(error.to_string().starts_with("failed to read the trusted certificates"), "{error}");
    }
}
