//! The names of EMQX's configuration roots, and which of them need a restart.

use super::image::Image;

/// What EMQX reads only when it starts. Of `cluster` that is everything but `links`.
const STARTUP: [&str; 6] = ["cluster", "dashboard", "durable_sessions", "durable_storage", "node", "rpc"];

/// The roots of 5.8 and 5.10, both editions, as real brokers print them (`GET /configs`).
const KNOWN: [&str; 53] = [
    "actions",
    "ai",
    "alarm",
    "api_key",
    "authentication",
    "authentication_settings",
    "authorization",
    "auto_subscribe",
    "banned",
    "bridges",
    "broker",
    "cluster",
    "config_backup_interval",
    "conn_congestion",
    "connectors",
    "crl_cache",
    "dashboard",
    "delayed",
    "durable_queues",
    "durable_sessions",
    "durable_storage",
    "exhook",
    "file_transfer",
    "flapping_detect",
    "force_gc",
    "force_shutdown",
    "gateway",
    "license",
    "limiter",
    "listeners",
    "log",
    "message_transformation",
    "mqtt",
    "multi_tenancy",
    "node",
    "node_rebalance",
    "opentelemetry",
    "overload_protection",
    "plugins",
    "prometheus",
    "psk_authentication",
    "retainer",
    "rewrite",
    "rpc",
    "rule_engine",
    "schema_registry",
    "schema_validation",
    "slow_subs",
    "sources",
    "stats",
    "sys_topics",
    "sysmon",
    "telemetry",
];
const KNOWN_LISTS: [&str; 3] = ["topic_metrics", "zones", "quic"];
/// Roots of 6.x that are so short that they look like misspelt others.
const SINCE_6: [&str; 1] = ["mq"];

/// Whether a root is read only when EMQX starts.
pub(super) fn needs_restart(root: &str) -> bool {
    STARTUP.contains(&root)
}

/// More roots than any release has.
pub(super) const MOST: usize = 200;
/// Characters of a name that are more than any root has, or will have soon.
const LONGEST: usize = 64;

/// What is wrong with the name of a root, if anything. Releases that are newer than this list may have roots of their
/// own: there only likely typing errors are refused.
pub(super) fn misnamed(root: &str, image: Option<&Image>) -> Option<String> {
    if KNOWN.contains(&root) || KNOWN_LISTS.contains(&root) {
        return None;
    }
    let version = image.and_then(|image| image.version);
    if SINCE_6.contains(&root) && version.is_none_or(|version| version >= (6, 0, 0)) {
        return None;
    }
    if root.len() > LONGEST {
        return Some("EMQX has no root of so long a name".to_owned());
    }
    // Comparing takes time and memory by the product of both lengths, which are small now.
    let close = KNOWN.into_iter().chain(KNOWN_LISTS).find(|known| strsim::damerau_levenshtein(known, root) <= 2);
    match close {
        Some(known) => Some(format!("EMQX has no root of this name; did you mean {known}?")),
        None if version.is_some_and(|version| version < (6, 0, 0)) => Some("EMQX has no root of this name".to_owned()),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Image, misnamed};

    #[test]
    fn unknown_roots_are_refused_where_the_list_is_complete() {
        let old = Image::resolve("emqx/emqx:5.10.4").ok();
        let new = Image::resolve("emqx/emqx:6.2.0").ok();
        assert_eq!(misnamed("mqtt", old.as_ref()), None);
        assert!(misnamed("listener", new.as_ref()).is_some_and(|text| text.contains("listeners")));
        assert!(misnamed("something_else", old.as_ref()).is_some());
        assert_eq!(misnamed("something_else", new.as_ref()), None);
        assert_eq!((misnamed("mq", new.as_ref()), misnamed("mq", old.as_ref()).is_some()), (None, true));
    }
}
