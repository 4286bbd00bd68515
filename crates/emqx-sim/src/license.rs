//! Licences: which keys are known and what they allow. Real keys are signed; here every key of two parts is a customer's.

use crate::config::Profile;
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct License {
    kind: &'static str,
    customer: &'static str,
    customer_type: u32,
    max_sessions: u64,
    start_at: &'static str,
    expiry_at: &'static str,
    /// Refuses a second node.
    pub(crate) single_node: bool,
}

impl License {
    /// None for a malformed key.
    pub(crate) fn parse(profile: Profile, key: &str) -> Option<Self> {
        let new = profile.since(5, 9);
        match key {
            "default" if new => Some(Self {
                kind: "community",
                customer: "Community",
                customer_type: 10,
                max_sessions: 10_000_000,
                start_at: "2025-03-02",
                expiry_at: "2029-03-01",
                single_node: true,
            }),
            "evaluation" if new => Some(Self::evaluation("2025-03-02", "2029-03-01")),
            "default" => Some(Self::evaluation("2024-04-18", "2029-04-17")),
            key if key.starts_with("file://") => Some(Self::customer()),
            key if key.len() > 40 && key.split('.').count() == 2 => Some(Self::customer()),
            _ => None,
        }
    }

    fn evaluation(start_at: &'static str, expiry_at: &'static str) -> Self {
        Self {
            kind: "trial",
            customer: "Evaluation",
            customer_type: 10,
            max_sessions: 25,
            start_at,
            expiry_at,
            single_node: false,
        }
    }

    fn customer() -> Self {
        Self {
            kind: "official",
            customer: "Stand-in",
            customer_type: 1,
            max_sessions: 100_000,
            start_at: "2026-01-01",
            expiry_at: "2036-01-01",
            single_node: false,
        }
    }

    pub(crate) fn to_json(&self, profile: Profile) -> Value {
        let mut shown = json!({
            "type": self.kind, "customer": self.customer, "customer_type": self.customer_type,
            "deployment": if self.kind == "trial" { "trial" } else { "default" }, "email": "contact@emqx.io",
            "start_at": self.start_at, "expiry_at": self.expiry_at, "expiry": false,
            "max_connections": self.max_sessions, "max_sessions": self.max_sessions,
        });
        if profile.since(6, 0) {
            shown["max_tps"] = "infinity".into();
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_key_allows_clusters_only_before_5_9() {
        let single = |version: &str| License::parse(version.parse().unwrap(), "default").map(|one| one.single_node);
        assert_eq!(single("5.8.9-ee"), Some(false));
        assert_eq!(single("5.10.4"), Some(true));
        assert_eq!(License::parse("5.10.4".parse().unwrap(), "nonsense"), None);
    }
}
