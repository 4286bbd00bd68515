//! Whatever a broker says, nothing panics, and nothing of it but known words reaches an error.

use emqx_client::api::*;
use emqx_client::{Failure, Secret};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Words that appear in answers, so that random objects come close to real ones.
const WORDS: [&str; 26] = [
    "node",
    "node_status",
    "running",
    "stopped",
    "status",
    "state",
    "stats",
    "shards",
    "replicas",
    "site",
    "up",
    "id",
    "name",
    "type",
    "bind",
    "errors",
    "message",
    "code",
    "reason",
    "path",
    "value",
    "evacuations",
    "rebalances",
    "data",
    "unknown",
    "line",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((word(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// All that reads an answer; success is not expected, an end is.
fn read_all(body: &[u8]) {
    fn both<R: Request>(request: &R, body: &[u8]) {
        let _ = request.read(body);
        for status in [400, 404, 500, 503] {
            let _ = request.read_failure(&Failure::read(status, body));
        }
    }
    let text = String::new;
    let node = || "emqx@a".to_owned();
    both(&GetStatus, body);
    both(&GetNodes, body);
    both(&GetNode { node: node() }, body);
    both(&GetCluster, body);
    both(&GetTopology, body);
    both(&ForceLeave { node: node() }, body);
    both(&GetAvailability, body);
    both(&GetLocalStatus, body);
    both(&GetGlobalStatus, body);
    both(&GetNodeEviction, body);
    both(&StartEvacuation::default(), body);
    both(&StopEvacuation { node: node() }, body);
    both(&StartRebalance::default(), body);
    both(&StopRebalance { coordinator: node() }, body);
    both(&GetConfigs::default(), body);
    both(&PutConfigs { text: text(), mode: UpdateMode::Merge }, body);
    both(&GetListeners, body);
    both(&GetListener { id: text() }, body);
    both(&GetGateways, body);
    both(&GetGatewayListeners { gateway: text() }, body);
    both(&GetSites, body);
    both(&GetSite { site: text() }, body);
    both(&ForgetSite { site: text() }, body);
    both(&GetStorages, body);
    both(&GetStorage { storage: text() }, body);
    both(&GetReplicas { storage: text() }, body);
    both(&PutReplicas { storage: text(), sites: Vec::new() }, body);
    both(&GetLicense, body);
    both(&PostLicense { key: Secret::from("") }, body);
    both(&GetLicenseSetting, body);
    both(&Login { username: text(), password: Secret::from("") }, body);
    both(&ListApiKeys, body);
    both(&DeleteApiKey { name: text() }, body);
    both(&GetAlarms, body);
    both(&GetPrometheusStats::default(), body);
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(value in any_json()) {
        read_all(value.to_string().as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_all(&body);
    }

    #[test]
    fn almost_nodes_are_read_or_refused(extra in any_json(), field in word()) {
        let mut node = json!({"node": "emqx@a", "node_status": "running"});
        node[&field] = extra;
        let nodes = GetNodes.read(json!([node]).to_string().as_bytes());
        // Only what decisions rest on may make a list unreadable.
        prop_assert!(nodes.is_ok() || field == "node" || field == "node_status");
    }
}
