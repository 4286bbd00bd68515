//! API keys that the spec gets after the cores were started.

#[path = "support/living.rs"]
mod living;

#[path = "support/planning.rs"]
mod planning;

#[path = "support/resource.rs"]
mod support;

use emqx_operator_core::action::{Action, Call};
use emqx_operator_core::desired::{Desired, References};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{Broker, BrokerNode, Disagreement, KubernetesView, Memory, Reading, Why, needs};
use emqx_operator_core::{Plan, plan};
use jiff::SignedDuration;
use living::Living;
use planning::{nobody, plan_for, world_for};
use serde_json::{Value, json};

const IMAGE: &str = "emqx/emqx:5.8.9";

fn desired(secret: &str) -> Desired {
    of_image(IMAGE, secret)
}

fn of_image(image: &str, secret: &str) -> Desired {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {"image": image, "bootstrapAPIKeys": [{"key": "dashboard", "secret": secret}]},
    }));
    Desired::resolve(&resource, &References::default()).expect("the spec is right")
}

fn answering(desired: &Desired, unknown_keys: Reading<Vec<String>>) -> Reading<Broker> {
    let node = BrokerNode { running: true, sessions: Some(0), connections: Some(0), ..BrokerNode::default() };
    Reading::Fresh(Broker {
        nodes: [(desired.names.core_node("iot-core-0"), node)].into(),
        disagreement: Disagreement::default(),
        evacuations: Reading::Off,
        storage: Reading::Off,
        unknown_keys,
    })
}

/// Plans of passes at these seconds, each with what the one before has left.
fn passes(desired: &Desired, unknown: &Reading<Vec<String>>, seconds: &[i64]) -> Vec<Plan> {
    passes_of(desired, desired, unknown, seconds)
}

/// The same for nodes that an older spec has made.
fn passes_of(older: &Desired, desired: &Desired, unknown: &Reading<Vec<String>>, seconds: &[i64]) -> Vec<Plan> {
    let living = Living::made_by(&plan_for(older, &KubernetesView::default(), nobody()));
    let mut memory = Memory::default();
    let one = |second: &i64| {
        let mut world = world_for(desired, &living.view(), answering(desired, unknown.clone()));
        world.now += SignedDuration::from_secs(*second);
        world.memory = memory.clone();
        let plan = plan(desired, &world);
        memory = plan.memory.clone();
        plan
    };
    seconds.iter().map(one).collect()
}

fn told(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| matches!(action, Action::Call(Call::LoadApiKeys { .. })))
}

#[test]
fn emqx_reads_a_key_that_lasts_to_be_unknown() {
    let desired = desired("hunter22");
    let unknown = Reading::Fresh(vec!["dashboard".to_owned()]);
    let seconds = [0, 10, 20, 80, 140, 200, 260, 310, 370];
    let plans = passes(&desired, &unknown, &seconds);
    let calls: Vec<_> = plans.iter().map(told).collect();
    assert_eq!(calls, [false, false, true, true, true, true, true, false, false], "a core reads it when it starts");
    for plan in &plans {
        let hold = plan.holds.iter().find(|hold| hold.reason == Reason::APIKeysPending).expect("it is told");
        assert!(hold.detail.contains("dashboard") && !hold.detail.contains("hunter22"), "{hold}");
        assert!(!plan.report.is_ready());
    }
}

/// EMQX takes no change of configuration while releases are mixed, and cores that restart read the file.
#[test]
fn no_core_is_told_while_its_image_changes() {
    let unknown = Reading::Fresh(vec!["dashboard".to_owned()]);
    let plans = passes_of(&of_image("emqx/emqx:5.8.8", "hunter22"), &desired("hunter22"), &unknown, &[0, 20, 80]);
    assert_eq!(plans.iter().map(told).collect::<Vec<_>>(), [false; 3]);
    assert!(plans.iter().all(|plan| plan.holds.iter().any(|hold| hold.reason == Reason::APIKeysPending)));
}

#[test]
fn a_key_that_emqx_knows_is_asked_about_once() {
    let desired = desired("hunter22");
    let view = KubernetesView::default();
    let plan = passes(&desired, &Reading::Fresh(Vec::new()), &[0]).remove(0);
    assert!(!told(&plan) && plan.report.is_ready(), "{plan}");
    assert!(needs(&desired, &view, &Memory::default()).api_keys);
    assert!(!needs(&desired, &view, &plan.memory).api_keys);
    // Another secret is another key.
    assert!(needs(&self::desired("hunter23"), &view, &plan.memory).api_keys);
    // While nobody is asked, what is known stays known, and nothing becomes known.
    let unasked = Reading::Unavailable(Why::NotAsked);
    let mut world = world_for(&desired, &view, answering(&desired, unasked.clone()));
    world.memory = plan.memory.clone();
    assert_eq!(emqx_operator_core::plan(&desired, &world).memory.api_keys, plan.memory.api_keys);
    let later = passes(&desired, &unasked, &[0]).remove(0);
    assert_eq!(later.memory.api_keys, None);
}

/// Where the cores look for keys, and what is mounted below `/opt/emqx/etc/api-keys`.
fn looked_for(mounts: Value) -> (String, Vec<String>) {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"},
        "spec": {
            "image": "emqx/emqx:5.8.9",
            "coreTemplate": {"spec": {
                "extraVolumes": [{"name": "mine", "emptyDir": {}}], "extraVolumeMounts": mounts,
            }},
        },
    }));
    let desired = Desired::resolve(&resource, &References::default()).expect("the spec is right");
    let first = plan_for(&desired, &KubernetesView::default(), nobody());
    let set = Living::made_by(&first).sets.remove(0);
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let env = container["env"].as_array().expect("variables").iter();
    let file = env.filter(|variable| variable["name"] == "EMQX_API_KEY__BOOTSTRAP_FILE");
    let file = file.map(|variable| variable["value"].as_str().unwrap_or_default().to_owned()).collect();
    let mounts = container["volumeMounts"].as_array().expect("mounts").iter();
    let paths = mounts.filter_map(|mount| mount["mountPath"].as_str()).filter(|path| path.contains("api-keys"));
    (file, paths.map(str::to_owned).collect())
}

#[test]
fn cores_look_for_keys_where_they_follow_the_secret() {
    let ours = ("\"/opt/emqx/etc/api-keys/bootstrap_api_key\"".to_owned(), vec!["/opt/emqx/etc/api-keys".to_owned()]);
    assert_eq!(looked_for(json!([])), ours);
    let users = "/opt/emqx/etc/api-keys/mine";
    let (file, paths) = looked_for(json!([{"name": "mine", "mountPath": users}]));
    assert_eq!((file.as_str(), paths), ("\"/opt/emqx/etc/bootstrap_api_keys\"", vec![users.to_owned()]));
}
