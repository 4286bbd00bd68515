//! Carries a plan out, stage by stage. Within a stage all actions are tried; a failure stops what needs it.

mod broker;
mod command;
mod kubernetes;
mod outcome;

pub use kubernetes::FIELD_MANAGER;
pub use outcome::{Failure, FailureKind, Outcome};

use crate::context::Context;
use crate::index::Key;
use crate::witness::Moment;
use emqx_operator_core::Plan;
use emqx_operator_core::action::{Action, Call, Stage};
use emqx_operator_core::desired::Desired;
use emqx_operator_core::lifecycle::{How, Permit};
use emqx_operator_core::world::World;

const STAGES: [Stage; 7] =
    [Stage::Identity, Stage::Config, Stage::Workload, Stage::Intent, Stage::Broker, Stage::Marks, Stage::Removal];

/// Carries the plan out as far as it goes; what failed is in the outcome.
pub async fn execute(ctx: &Context, key: &Key, desired: &Desired, world: &World, plan: &Plan) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stopped = false;
    for stage in STAGES {
        let actions: Vec<_> = plan.stage(stage).filter(|action| !stopped || action.stands_alone()).collect();
        let tried = actions.iter().map(|action| one(ctx, key, desired, world, action));
        for (action, result) in actions.iter().zip(futures::future::join_all(tried).await) {
            match result {
                Ok(()) => outcome.done.push((*action).clone()),
                Err(kind) => {
                    stopped |= action.is_needed();
                    outcome.failures.push(Failure { action: action.to_string(), kind });
                }
            }
        }
    }
    outcome
}

async fn one(ctx: &Context, key: &Key, desired: &Desired, world: &World, action: &Action) -> Result<(), FailureKind> {
    if !ctx.is_leader() {
        return Err(FailureKind::Stale("another process leads now".to_owned()));
    }
    ctx.witness(Moment::Before, action).await;
    let result = carry_out(ctx, key, desired, world, action).await;
    ctx.witness(Moment::After, action).await;
    result
}

async fn carry_out(
    ctx: &Context,
    key: &Key,
    desired: &Desired,
    world: &World,
    action: &Action,
) -> Result<(), FailureKind> {
    match action {
        Action::Create(manifest) => kubernetes::create(ctx, key, manifest).await,
        Action::Apply { manifest, on, .. } => kubernetes::apply(ctx, key, manifest, on.as_ref()).await,
        // Only a set that is made anew gets smaller in this way.
        Action::Scale { set, from, to } if to < from && kubernetes::may_hold_data(ctx, key, &desired.names, set) => {
            Err(FailureKind::Stale(format!("a core of {set} has a volume by now")))
        }
        Action::Scale { set, from, to } => kubernetes::scale(ctx, key, set, *from, *to).await,
        Action::Delete { id, on, .. } => kubernetes::delete(ctx, key, id, on).await,
        Action::Annotate { id, on, annotations, .. } => kubernetes::annotate(ctx, key, id, on, annotations).await,
        Action::GrowVolume { claim, on, to } => kubernetes::grow(ctx, key, claim, on, to).await,
        // Nobody is closed for a spec that has changed meanwhile.
        Action::Call(Call::StartEvacuation { .. }) if !is_current(ctx, key, desired.generation) => {
            Err(spec_has_changed())
        }
        Action::Call(call) => broker::call(ctx, key, desired, world, call).await,
        Action::Remove(permit) => remove(ctx, key, permit).await,
    }
}

/// Whether the spec that was planned for is still the one that the watch has told of, and nobody has paused it.
fn is_current(ctx: &Context, key: &Key, generation: i64) -> bool {
    ctx.generation(key) == Some(generation) && !ctx.is_paused(key)
}

fn spec_has_changed() -> FailureKind {
    FailureKind::Stale("the spec has changed, or is paused".to_owned())
}

/// The permit was given for one state of the world. Whoever has heard of another one since does not use it.
async fn remove(ctx: &Context, key: &Key, permit: &Permit) -> Result<(), FailureKind> {
    if !is_current(ctx, key, permit.generation()) {
        return Err(spec_has_changed());
    }
    if let Some((pod, _)) = permit.pod().filter(|(pod, on)| !kubernetes::is_unchanged(ctx, key, pod, on)) {
        return Err(FailureKind::Stale(format!("pod {pod} has changed")));
    }
    if let (How::Shrink { set, from, .. }, None) = (permit.how(), permit.pod())
        && !kubernetes::is_unmade(ctx, key, set, *from)
    {
        return Err(FailureKind::Stale(format!("{set} has made its last pod by now")));
    }
    match (permit.how(), permit.pod()) {
        (How::Restart, Some((pod, on))) => kubernetes::restart(ctx, key, pod, on).await,
        (How::Restart, None) => Ok(()),
        (How::Shrink { set, from, to }, _) => kubernetes::scale(ctx, key, set, *from, *to).await,
    }
}
