//! Plans, and what they write.

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::Desired;
use emqx_operator_core::world::{Broker, FreshSecrets, Identity, Kind, KubernetesView, Reading, Sensitive, Why, World};
use emqx_operator_core::{Plan, plan};
use serde_json::Value;

pub fn plan_for(desired: &Desired, view: &KubernetesView, broker: Reading<Broker>) -> Plan {
    plan(desired, &world_for(desired, view, broker))
}

pub fn world_for(desired: &Desired, view: &KubernetesView, broker: Reading<Broker>) -> World {
    let mut world = world_without_identity(desired, view, broker);
    world.identity =
        Identity { cookie: Some(Sensitive("c".to_owned())), operator_secret: Some(Sensitive("s".to_owned())) };
    world
}

/// The Secrets of the cluster are as the view says.
#[allow(dead_code, reason = "shared by tests that need it and tests that do not")]
pub fn world_without_identity(desired: &Desired, view: &KubernetesView, broker: Reading<Broker>) -> World {
    let fresh = FreshSecrets { cookie: "c".to_owned(), operator_secret: "s".to_owned() };
    World::assemble(desired, view, broker, fresh, "2026-01-02T00:00:00Z".parse().expect("a time"))
}

pub fn nobody() -> Reading<Broker> {
    Reading::Unavailable(Why::NobodyToAsk)
}

/// The first object of a kind that a plan applies.
#[allow(dead_code, reason = "shared by tests that need it and tests that do not")]
pub fn written(plan: &Plan, kind: Kind) -> Option<Value> {
    let mut manifests = plan.actions.iter().filter_map(Action::manifest);
    manifests.find(|manifest| manifest.id.kind == kind).map(|manifest| Value::clone(&manifest.body))
}
