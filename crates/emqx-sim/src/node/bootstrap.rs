//! The file of API keys, read when the management application of a core starts, and when the root `api_key` is updated. The
//! first malformed line ends it; a line that is gone deletes no key.

use super::{Node, now};
use crate::cluster_state::{ApiKey, Change, Role, Secret};
use crate::config::{Edition, Profile};
use sha2::{Digest, Sha512};

pub(crate) const SCOPES: [&str; 10] = [
    "access_control",
    "audit",
    "cluster_operations",
    "connections",
    "data_integration",
    "gateways",
    "license",
    "monitoring",
    "publish",
    "system",
];

/// One good line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    key: String,
    secret: String,
    role: String,
    scopes: Option<Vec<String>>,
}

impl Node {
    pub(super) async fn load_bootstrap_keys(&self) {
        let Some(file) = self.config().bootstrap_file().map(str::to_owned) else { return };
        if self.role == Role::Replicant {
            return;
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => self.take_keys(&text).await,
            Err(error) => tracing::error!(node = self.name, "failed to read {file}: {error}"),
        }
    }

    async fn take_keys(&self, text: &str) {
        for (number, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
            let Some(line) = parse(self.profile, line) else {
                tracing::error!(
                    node = self.name,
                    "line {} of the API key file is malformed; the rest is skipped",
                    number + 1
                );
                return;
            };
            let key = line.into_key();
            let taken = self.cluster_state().keys.get(&key.key).cloned();
            if taken.is_none_or(|old| old.role != key.role || old.scopes != key.scopes || old.secret.differs(&key)) {
                self.change(Change::Key(Box::new(key.without_plain()))).await;
            }
        }
    }
}

/// A key on its way from the file: the plain secret is needed to see whether it changed.
struct FileKey {
    record: ApiKey,
    plain: String,
}

impl std::ops::Deref for FileKey {
    type Target = ApiKey;
    fn deref(&self) -> &ApiKey {
        &self.record
    }
}

impl FileKey {
    fn without_plain(self) -> ApiKey {
        self.record
    }
}

impl Secret {
    fn differs(&self, key: &FileKey) -> bool {
        !self.is(&key.plain)
    }
}

impl Line {
    fn into_key(self) -> FileKey {
        let Self { key, secret, role, scopes } = self;
        let name = format!("from_bootstrap_file_{}", &hex::encode(Sha512::digest(&key))[..16]);
        let record = ApiKey {
            name,
            key,
            secret: Secret::new(&secret),
            enable: true,
            expired_at: None,
            created_at: now(),
            desc: "Bootstrapped from file".to_owned(),
            role,
            scopes,
        };
        FileKey { record, plain: secret }
    }
}

/// Scopes came with the patch releases of mid-2026.
pub(crate) fn has_scopes(profile: Profile) -> bool {
    let first = match (profile.version.0, profile.version.1) {
        (5, 10) => (5, 10, 4),
        (6, 0) => (6, 0, 3),
        (6, 1) => (6, 1, 2),
        (6, 2) => (6, 2, 1),
        _ => (6, 3, 0),
    };
    profile.version >= first
}

fn parse(profile: Profile, line: &str) -> Option<Line> {
    let mut columns = line.split(':').map(str::trim);
    let (key, secret) = (columns.next()?, columns.next()?);
    let role = columns.next().unwrap_or("administrator");
    let roles: &[&str] = match profile.edition {
        Edition::OpenSource => &["administrator"],
        Edition::Enterprise => &["administrator", "viewer", "publisher"],
    };
    let scopes = columns.next().filter(|_| has_scopes(profile)).map(known_scopes);
    let good = !key.is_empty() && !secret.is_empty() && roles.contains(&role) && columns.next().is_none();
    good.then(|| Line { key: key.to_owned(), secret: secret.to_owned(), role: role.to_owned(), scopes })
}

fn known_scopes(column: &str) -> Vec<String> {
    column.split(',').map(str::trim).filter(|scope| SCOPES.contains(scope)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_keys_and_lines_that_are_not() {
        let rows = [
            ("a:b", "5.10.4", Some(("administrator", None))),
            (" a : b : viewer", "5.8.9-ee", Some(("viewer", None))),
            ("a:b:viewer", "5.8.9-ce", None),
            ("a:b:king", "5.10.4", None),
            ("a", "5.10.4", None),
            (":b", "5.10.4", None),
            ("a:b:viewer:", "5.10.4", Some(("viewer", Some(0)))),
            ("a:b:viewer:system,none", "5.10.4", Some(("viewer", Some(1)))),
            ("a:b:viewer:system:x", "5.10.4", None),
        ];
        for (text, version, wanted) in rows {
            let profile: Profile = version.parse().unwrap();
            let found = parse(profile, text.trim());
            let found = found.as_ref().map(|line| (line.role.as_str(), line.scopes.as_ref().map(Vec::len)));
            assert_eq!(found, wanted, "{text} on {version}");
        }
    }
}
