//! Sites of cores whose volumes were lost, or that were scaled away.

#[path = "support/resource.rs"]
mod support;

#[path = "support/living.rs"]
mod living;

#[path = "support/nodes.rs"]
mod nodes;

#[path = "support/planning.rs"]
mod planning;

use emqx_operator_api::annotation::VOLUME_SITES;
use emqx_operator_core::action::{Action, Call};
use emqx_operator_core::desired::{Desired, References, Role};
use emqx_operator_core::plan;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{
    Broker, BrokerNode, Claim, Disagreement, FreshSecrets, KubernetesView, Node, NodeState, PodIssue, Reading,
    ReplicaState, Shard, Site, Storage, VolumeSite, World,
};
use jiff::SignedDuration;
use living::Living;
use nodes::{joined, node, set, start};
use planning::{nobody, plan_for};
use serde_json::json;
use std::collections::BTreeMap;

fn one_core() -> Desired {
    cores(1)
}

fn cores(count: i32) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {
            "image": "emqx/emqx:6.0.0",
            "config": {"roots": {"durable_sessions": {"enable": true}, "license": {"key": "evaluation"}}},
            "coreTemplate": {"spec": {"replicas": count}},
        },
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

fn core(desired: &Desired, set: &str, pod: &str, serves: bool) -> Node {
    let mut core = node(Role::Core, set, pod, "emqx/emqx:6.0.0", "revision");
    core.name = Some(desired.names.core_node(pod));
    if !serves {
        (core.state, core.available) = (NodeState::Crashed { served: true }, false);
    }
    let member = BrokerNode { running: true, sessions: Some(0), connections: Some(0), ..BrokerNode::default() };
    core.broker = serves.then_some(member);
    core
}

/// Of three cores the one that stays has lost its volume. The other two have the shards, and a set that is discarded has a
/// core that has never come up.
fn world(desired: &Desired) -> World {
    let fresh = FreshSecrets { cookie: "c".to_owned(), operator_secret: "s".to_owned() };
    let now = start() + SignedDuration::from_mins(10);
    let mut world = World::assemble(desired, &KubernetesView::default(), Reading::Off, fresh, now);
    let mut home = set("iot-core", 3);
    let lost = VolumeSite { claim: "old".to_owned(), site: "S0".to_owned() };
    home.volume_sites = BTreeMap::from([("iot-core-0".to_owned(), lost)]);
    let mut discarded = set("iot-core-b", 1);
    discarded.created = start() + SignedDuration::from_mins(1);
    let mut never = core(desired, "iot-core-b", "iot-core-b-0", false);
    never.state = NodeState::Crashed { served: false };
    world.cores.sets = vec![home, discarded];
    world.cores.nodes = vec![
        core(desired, "iot-core", "iot-core-0", false),
        core(desired, "iot-core", "iot-core-1", true),
        core(desired, "iot-core", "iot-core-2", true),
        never,
    ];
    world.claims = vec![Claim {
        name: "iot-core-data-iot-core-0".to_owned(),
        uid: "new".to_owned(),
        resource_version: "1".to_owned(),
        set: "iot-core".to_owned(),
        ordinal: 0,
        created: start(),
        terminating: false,
        may_hold_data: true,
        storage: None,
        capacity: None,
        resize_error: None,
    }];
    let site = |number: u8| {
        (format!("S{number}"), Site { node: desired.names.core_node(&format!("iot-core-{number}")), up: number > 0 })
    };
    let replica = |number: u8| (format!("S{number}"), if number > 0 { ReplicaState::Up } else { ReplicaState::NotUp });
    let shard = Shard { replicas: (0..3).map(replica).collect(), ..Shard::default() };
    let storage = Storage {
        sites: (0..3).map(site).collect(),
        databases: BTreeMap::from([("messages".to_owned(), vec![shard])]),
    };
    let nodes = world.cores.nodes.iter().filter_map(|node| Some((node.name.clone()?, node.broker.clone()?)));
    let nodes = nodes.collect();
    world.broker = Reading::Fresh(Broker {
        nodes,
        disagreement: Disagreement::default(),
        evacuations: Reading::Off,
        storage: Reading::Fresh(storage),
        unknown_keys: Reading::Off,
    });
    joined(&mut world);
    world
}

fn placed(world: &World, desired: &Desired) -> Vec<Vec<String>> {
    let actions = plan(desired, world).actions.into_iter();
    let placed = actions.filter_map(|action| match action {
        Action::Call(Call::PlaceShards { sites, .. }) => Some(sites),
        _ => None,
    });
    placed.collect()
}

#[test]
fn those_that_leave_keep_the_shards_until_the_one_that_stays_is_back() {
    let desired = one_core();
    assert_eq!(placed(&world(&desired), &desired), [["S1", "S2"]]);
}

/// It may be back in a moment, and has copies.
#[test]
fn one_that_restarts_keeps_its_shards() {
    let desired = one_core();
    let mut world = world(&desired);
    world.cores.nodes[2] = core(&desired, "iot-core", "iot-core-2", false);
    assert_eq!(placed(&world, &desired), Vec::<Vec<String>>::new());
}

/// `iot-core-1` was scaled away: it is no member any more, its site holds nothing, its volume is left.
fn after_scale_in(desired: &Desired, durable: bool) -> World {
    let mut world = world(desired);
    let mut home = set("iot-core", 1);
    home.watermark = Some(2);
    world.cores.sets = vec![home];
    world.cores.nodes = vec![core(desired, "iot-core", "iot-core-0", true)];
    world.claims[0].name = "iot-core-data-iot-core-1".to_owned();
    world.claims[0].ordinal = 1;
    let shard = Shard { replicas: BTreeMap::from([("S0".to_owned(), ReplicaState::Up)]), ..Shard::default() };
    if let Reading::Fresh(Broker { storage: Reading::Fresh(storage), nodes, .. }) = &mut world.broker {
        nodes.retain(|node, _| *node == desired.names.core_node("iot-core-0"));
        storage.databases = durable.then(|| ("messages".to_owned(), vec![shard])).into_iter().collect();
    }
    world
}

/// EMQX lists sites also where nothing is stored. Before 6.0 it forgets them by a command only, which the operator may not
/// run as it is installed: nobody has to run it by hand for a site that has never held anything.
#[test]
fn a_site_holds_a_volume_back_only_where_something_is_stored() {
    let desired = one_core();
    let left = |durable| {
        let actions = plan(&desired, &after_scale_in(&desired, durable)).actions;
        let forgotten = actions.iter().find_map(|action| match action {
            Action::Call(Call::ForgetSite { site, needed }) => Some((site.clone(), *needed)),
            _ => None,
        });
        (forgotten, actions.iter().any(|action| matches!(action, Action::Delete { .. })))
    };
    assert_eq!(left(true), (Some(("S1".to_owned(), true)), false));
    assert_eq!(left(false), (Some(("S1".to_owned(), false)), true));
}

/// The site that is written down for `iot-core-0`, and whether its volume is known to be lost: EMQX lists the site as up or
/// not, and the core is ready or not since so many seconds.
fn recognised(up: bool, ready: bool, seconds: i64, last_words: &str) -> (Option<String>, bool) {
    let desired = one_core();
    let mut world = world(&desired);
    world.cores.nodes[0] = core(&desired, "iot-core", "iot-core-0", ready);
    world.cores.nodes[0].running_since = Some(world.now - SignedDuration::from_secs(seconds));
    if !last_words.is_empty() {
        let wait = PodIssue { reason: Reason::CrashLooping, text: last_words.to_owned(), since: None };
        world.cores.nodes[0].issue = Some(wait);
        // As an operator before this one has written it down.
        let known = world.cores.sets[0].volume_sites.get_mut("iot-core-0").expect("a site is written down");
        known.claim = "new".to_owned();
    }
    if let Reading::Fresh(Broker { storage: Reading::Fresh(storage), nodes, .. }) = &mut world.broker {
        storage.sites.get_mut("S0").expect("a site").up = up;
        nodes.insert(desired.names.core_node("iot-core-0"), BrokerNode { running: up, ..BrokerNode::default() });
    }
    joined(&mut world);
    let plan = plan(&desired, &world);
    let written = plan.actions.iter().find_map(|action| match action {
        Action::Annotate { annotations, .. } => annotations.get(VOLUME_SITES).cloned().flatten(),
        _ => None,
    });
    let home = written.and_then(|text| VolumeSite::read(&text).remove("iot-core-0").map(|home| home.claim));
    (home, plan.holds.iter().any(|hold| hold.reason == Reason::VolumeLost))
}

/// A core that was killed is listed for a while, beside its new pod with the new volume. Taken for the new one's, its site
/// would never be missed.
#[test]
fn a_site_belongs_to_a_new_volume_when_its_core_has_served() {
    let claim = |home: Option<String>| home.unwrap_or_else(|| "old".to_owned());
    let told = |up, ready, seconds, words| {
        let (home, lost) = recognised(up, ready, seconds, words);
        (claim(home), lost)
    };
    assert_eq!(told(true, false, 1, ""), ("old".to_owned(), false), "its predecessor is listed");
    assert_eq!(told(true, true, 2, ""), ("old".to_owned(), false), "it serves between two crashes");
    assert_eq!(told(true, true, 20, ""), ("new".to_owned(), false), "somebody restored the volume");
    assert_eq!(told(false, false, 20, ""), ("old".to_owned(), true));
    let words = "exit code 1: conflicting_node_site";
    assert!(told(false, false, 1, words).1, "EMQX says so");
}

/// One of three cores lost its volume and waits for its next start, with these last words, and EMQX still knows its old site
/// or not; whether its pod is deleted, so that it starts at once. A second core may not come up, for lack of its image.
fn restarted(last_words: &str, known: bool, no_image: bool) -> bool {
    let desired = cores(3);
    let mut living = Living::made_by(&plan_for(&desired, &KubernetesView::default(), nobody()));
    let written_down =
        ["iot-core-1", "iot-core-2"].map(|pod| format!("{pod}=uid of the claim of {pod}/S{}", &pod[9..]));
    living.sets[0]["metadata"]["annotations"][VOLUME_SITES] = written_down.join(",").into();
    living.pods[0]["status"]["conditions"][0]["status"] = "False".into();
    living.pods[0]["status"]["containerStatuses"] = json!([{
        "name": "emqx", "image": "", "imageID": "", "ready": false, "restartCount": 5,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "message": last_words}},
    }]);
    if no_image {
        living.pods[1]["status"]["conditions"][0]["status"] = "False".into();
        living.pods[1]["status"]["containerStatuses"][0]["ready"] = false.into();
        living.pods[1]["status"]["containerStatuses"][0]["state"] = json!({"waiting": {"reason": "ImagePullBackOff"}});
    }
    let mut broker = world(&desired).broker;
    if let Reading::Fresh(Broker { storage: Reading::Fresh(storage), nodes, .. }) = &mut broker {
        nodes.retain(|name, _| !name.0.contains("iot-core-b"));
        if !known {
            storage.sites.remove("S0");
        }
    }
    let removed = |action: &Action| matches!(action, Action::Remove(permit) if permit.pod().is_some_and(|(pod, _)| pod == "iot-core-0"));
    plan_for(&desired, &living.view(), broker).actions.iter().any(removed)
}

#[test]
fn a_core_starts_at_once_when_its_old_site_is_forgotten() {
    let conflict = "failed to start: conflicting_node_site";
    assert!(!restarted(conflict, true, false), "it would crash again");
    assert!(restarted(conflict, false, false));
    assert!(!restarted("out of memory", false, false), "nothing has changed for it");
    assert!(!restarted(conflict, false, true), "a pod that is made anew may not start at all");
}
