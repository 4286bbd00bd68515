//! Carries a plan out, stage by stage. Within a stage all actions are tried; a failure stops the later stages.

mod broker;
mod command;
mod fields;
mod kubernetes;
mod outcome;

pub use fields::keep_managers;
pub use kubernetes::FIELD_MANAGER;
pub use outcome::{Failure, FailureKind, Outcome};

use crate::clusters::Cluster;
use crate::context::Context;
use crate::index::Key;
use crate::workers::Worker;
use crate::write_hook::Moment;
use emqx_operator_core::Plan;
use emqx_operator_core::action::{Action, Call, Stage};
use emqx_operator_core::desired::Desired;
use emqx_operator_core::lifecycle::{How, Permit};
use emqx_operator_core::world::World;
use futures::{FutureExt as _, StreamExt as _};

const STAGES: [Stage; 7] =
    [Stage::Identity, Stage::Config, Stage::Workload, Stage::Intent, Stage::Broker, Stage::Marks, Stage::Removal];

/// The most requests at the same time for one cluster.
const AT_ONCE: usize = 8;

/// Carries the plan out as far as it goes; what failed is in the outcome.
pub async fn execute(
    ctx: &Context,
    cluster: &Cluster,
    desired: &Desired,
    world: &World,
    plan: &Plan,
    worker: &mut Worker<'_>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stopped = false;
    for stage in STAGES {
        let actions: Vec<_> = plan.stage(stage).filter(|action| !stopped || action.stands_alone()).collect();
        if actions.is_empty() {
            continue;
        }
        let mut tried = Vec::new();
        for action in &actions {
            tried.push(one(ctx, cluster, desired, world, action).boxed());
        }
        let tried = futures::stream::iter(tried).buffered(AT_ONCE).collect::<Vec<_>>();
        // Brokers may take minutes; meanwhile the worker is free for others.
        let results = if stage == Stage::Broker { worker.released_while(tried).await } else { tried.await };
        for (action, result) in actions.iter().zip(results) {
            match result {
                Ok(()) => outcome.done.push((*action).clone()),
                Err(kind) => {
                    stopped |= action.is_needed();
                    outcome.failures.push(Failure::note(&cluster.failures, action, kind));
                }
            }
        }
    }
    outcome
}

async fn one(
    ctx: &Context,
    cluster: &Cluster,
    desired: &Desired,
    world: &World,
    action: &Action,
) -> Result<(), FailureKind> {
    if !ctx.is_leader() {
        return Err(FailureKind::Stale("another process leads now".to_owned()));
    }
    let of_emqx = matches!(action, Action::Call(_));
    if let Some(streak) = cluster.failures.postponed(&action.to_string()).filter(|_| !of_emqx) {
        let (reason, text) = streak.last_error();
        return Err(FailureKind::Postponed { reason, text: text.to_owned() });
    }
    ctx.write_hook(Moment::Before, action).await;
    let result = carry_out(ctx, cluster, desired, world, action).await;
    ctx.write_hook(Moment::After, action).await;
    result
}

/// Texts of users and servers are cut before they get into logs, statuses and events.
pub const LONGEST_TEXT: usize = 1500;

async fn carry_out(
    ctx: &Context,
    cluster: &Cluster,
    desired: &Desired,
    world: &World,
    action: &Action,
) -> Result<(), FailureKind> {
    let key = &cluster.key;
    match action {
        Action::Create { manifest, stage } => kubernetes::create(ctx, cluster, manifest, *stage).await,
        Action::Adopt { manifest, stage } => kubernetes::adopt(ctx, key, manifest, *stage).await,
        Action::Apply { manifest, on, .. } => kubernetes::apply(ctx, cluster, manifest, on).await,
        // Only a set that is recreated is scaled in without a permit.
        Action::Scale { set, from, to } if to < from && kubernetes::may_hold_data(ctx, key, &desired.names, set) => {
            Err(FailureKind::Stale(format!("a core of {set} has a volume by now")))
        }
        Action::Scale { set, from, to } => kubernetes::scale(ctx, key, set, *from, *to).await,
        Action::Delete { id, on, .. } => kubernetes::delete(ctx, key, id, on).await,
        Action::Annotate { id, on, annotations, .. } => kubernetes::annotate(ctx, key, id, on, annotations).await,
        Action::RestoreTemplate { set, on, template, .. } => kubernetes::restore(ctx, key, set, on, template).await,
        Action::GrowVolume { claim, on, to } => kubernetes::grow(ctx, key, claim, on, to).await,
        // No node is closed for a spec that has changed meanwhile.
        Action::Call(Call::StartEvacuation { .. }) if !is_current(ctx, key, desired.generation) => {
            Err(spec_has_changed())
        }
        Action::Call(call) => broker::call(ctx, cluster, desired, world, call).await,
        Action::Remove(permit) => remove(ctx, key, permit).await,
    }
}

/// Whether the planned spec is still the current spec, and the resource is not paused, as the watch last reported it.
fn is_current(ctx: &Context, key: &Key, generation: i64) -> bool {
    ctx.generation(key) == Some(generation) && !ctx.is_paused(key)
}

fn spec_has_changed() -> FailureKind {
    FailureKind::Stale("the spec has changed, or is paused".to_owned())
}

/// The permit was given for one state of the world. It is not used after the watch has reported another state.
async fn remove(ctx: &Context, key: &Key, permit: &Permit) -> Result<(), FailureKind> {
    if !is_current(ctx, key, permit.generation()) {
        return Err(spec_has_changed());
    }
    if let Some((pod, _)) = permit.pod().filter(|(pod, on)| !kubernetes::is_unchanged(ctx, key, pod, on)) {
        return Err(FailureKind::Stale(format!("pod {pod} has changed")));
    }
    if let (How::ScaleIn { set, from, .. }, None) = (permit.how(), permit.pod())
        && !kubernetes::is_unmade(ctx, key, set, *from)
    {
        return Err(FailureKind::Stale(format!("{set} has made its last pod by now")));
    }
    match (permit.how(), permit.pod()) {
        (How::Recreate, Some((pod, on))) => kubernetes::restart(ctx, key, pod, on).await,
        (How::Recreate, None) => Ok(()),
        (How::ScaleIn { set, from, to }, _) => kubernetes::scale(ctx, key, set, *from, *to).await,
    }
}
