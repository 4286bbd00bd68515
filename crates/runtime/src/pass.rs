//! One pass over one cluster: observe, decide, act, report. Nothing here knows what a cluster needs.

use crate::context::Context;
use crate::execute::{self, FailureKind, execute};
use crate::index::Key;
use crate::observe;
use crate::refusals;
use crate::report::{self, Outcome};
use crate::resource::StoredEmqx;
use crate::watch::key;
use emqx_operator_api::hub::{EMQX, EMQXStatus};
use emqx_operator_core::desired::{Desired, LastGood, Mistakes, Names};
use emqx_operator_core::lifecycle::Wake;
use emqx_operator_core::status::{self, Due, Told};
use emqx_operator_core::world::{FreshSecrets, KubernetesView, World};
use emqx_operator_core::{Plan, plan};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use rand::Rng as _;
use rand::distr::Alphanumeric;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A pass that could not be finished. The cluster is tried again, later each time.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    #[error("failed to read what the spec refers to")]
    References(#[source] kube::Error),
    #[error("failed to read events about sets")]
    Events(#[source] kube::Error),
    #[error("failed to write the status")]
    Status(#[source] kube::Error),
    #[error("failed to {action}: {cause}")]
    Action { action: String, cause: String },
}

/// After a conflict the watch brings the newer object within moments.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// What Kubernetes or EMQX refuses is tried again this often: quotas and brokers change without telling us.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// One pass, measured.
pub async fn pass(resource: Arc<StoredEmqx>, ctx: Arc<Context>) -> Result<Action, PassError> {
    let (key, started) = (key(&resource), Instant::now());
    ctx.metrics.queue.begin(&key);
    ctx.metrics.passes.begin();
    let result = one_pass(&key, &resource, &ctx).await;
    let outcome = result.as_ref().map_or(Outcome::Error, |passed| passed.outcome);
    ctx.metrics.passes.end(outcome, started.elapsed());
    ctx.metrics.queue.end(&key, result.is_err());
    let passed = result?;
    ctx.backoffs.reset(&key);
    Ok(passed.next)
}

struct Passed {
    next: Action,
    outcome: Outcome,
}

impl Passed {
    /// The watch tells when there is something to do again.
    fn until_changed(outcome: Outcome) -> Self {
        Self { next: Action::await_change(), outcome }
    }
}

async fn one_pass(key: &Key, resource: &StoredEmqx, ctx: &Context) -> Result<Passed, PassError> {
    if resource.metadata.deletion_timestamp.is_some() {
        return Ok(Passed::until_changed(Outcome::Success));
    }
    let cr = match &resource.content {
        Ok(cr) => cr,
        Err(error) => return refuse(ctx, key, resource, &Mistakes::unreadable(error)).await,
    };
    let mut view = ctx.objects.view(key);
    let rolled_back = last_good(&view, cr).and_then(|record| record.instead_of(cr));
    let (cr, rolled_back) = rolled_back.as_ref().map_or((cr, None), |(good, what)| (good, Some(what)));
    let references = observe::references(ctx, key, cr).await.map_err(PassError::References)?;
    let mut desired = match Desired::resolve(cr, &references) {
        Ok(desired) => desired,
        Err(mistakes) => return refuse(ctx, key, resource, &mistakes).await,
    };
    desired.rolled_back = rolled_back.cloned();
    view.events = observe::set_events(ctx, key, &view).await.map_err(PassError::Events)?;
    let broker = observe::broker(ctx, &desired, &view).await;
    let mut world = World::assemble(&desired, &view, broker, fresh_secrets(), Timestamp::now());
    world.memory = ctx.memories.get(key);
    world.rewritten = ctx.rewritten.of(key, |id| world.objects.contains_key(id));
    let config = refusals::config(&desired.config.runtime_revision, &desired.image.reference);
    world.config_refused = ctx.refusals.of(key, &config);
    let mut plan = plan(&desired, &world);
    if !ctx.is_leader() {
        return Ok(Passed::until_changed(Outcome::Followed));
    }
    ctx.memories.set(key, std::mem::take(&mut plan.memory));
    log(key, &plan);
    let outcome = execute(ctx, key, &desired, &world, &plan).await;
    if !ctx.is_leader() {
        return Ok(Passed::until_changed(Outcome::Followed));
    }
    if let Some((reason, text)) = outcome.refusal() {
        plan.report.after_failure(reason, text);
    }
    let status_wait = report(ctx, key, resource, &desired, &world, &plan, &outcome).await?;
    next(&plan, outcome, status_wait)
}

/// What last worked, if that was written down for this very resource.
fn last_good(view: &KubernetesView, cr: &EMQX) -> Option<LastGood> {
    let ours = |map: &&Arc<ConfigMap>| {
        let mut owners = map.owner_references().iter();
        map.name_any() == Names::last_good_of(&cr.name_any())
            && owners.any(|owner| Some(&owner.uid) == cr.uid().as_ref())
    };
    let data = view.config_maps.iter().find(ours)?.data.as_ref()?;
    LastGood::read(|key| data.get(key).map(String::as_str))
}

/// A spec that cannot be carried out changes nothing but the status.
async fn refuse(ctx: &Context, key: &Key, resource: &StoredEmqx, mistakes: &Mistakes) -> Result<Passed, PassError> {
    if !ctx.is_leader() {
        return Ok(Passed::until_changed(Outcome::Followed));
    }
    let prior = ctx.written.prior(key, resource);
    let (status, due) = status::refused(mistakes, prior.as_ref(), resource.metadata.generation, Timestamp::now());
    tracing::info!(cluster = %key, reason = mistakes.reason().as_str(), %mistakes, "the spec is refused");
    write_status(ctx, key, resource, prior, status, due, &[]).await?;
    Ok(Passed { next: Action::requeue(AFTER_REFUSAL), outcome: Outcome::Refused })
}

async fn report(
    ctx: &Context,
    key: &Key,
    resource: &StoredEmqx,
    desired: &Desired,
    world: &World,
    plan: &Plan,
    outcome: &execute::Outcome,
) -> Result<Option<Duration>, PassError> {
    ctx.metrics.clusters.saw(key, desired, world, plan);
    let prior = ctx.written.prior(key, resource);
    let (status, due) = status::merge(&plan.report, prior.as_ref(), Timestamp::now());
    let told: Vec<_> = outcome.done.iter().filter_map(|action| status::story(action, world)).collect();
    write_status(ctx, key, resource, prior, status, due, &told).await
}

async fn write_status(
    ctx: &Context,
    key: &Key,
    resource: &StoredEmqx,
    prior: Option<EMQXStatus>,
    status: EMQXStatus,
    due: Due,
    done: &[Told],
) -> Result<Option<Duration>, PassError> {
    ctx.metrics.clusters.told(key, &status.conditions);
    let wait = report::write(ctx, key, resource, status.clone(), due).await.map_err(PassError::Status)?;
    report::announce(ctx, key, resource, prior.as_ref(), &status, done).await;
    Ok(wait)
}

/// When to come back: after what failed, for what is awaited, or for a status that was put off; whatever is first.
fn next(plan: &Plan, outcome: execute::Outcome, status_wait: Option<Duration>) -> Result<Passed, PassError> {
    let refused = outcome.refusal().is_some();
    let awaited = match plan.wake {
        Wake::Watch => None,
        Wake::At(time) => Some(Timestamp::now().duration_until(time).unsigned_abs()),
        Wake::Poll(seconds) => Some(Duration::from_secs(seconds.into())),
    };
    let after_failure = match &outcome.failures[..] {
        [] => None,
        _ if refused => Some(AFTER_REFUSAL),
        _ if outcome.only_stale() => Some(AFTER_CONFLICT),
        failures => {
            let failed = failures.iter().find(|failure| matches!(failure.kind, FailureKind::Failed(_)));
            let failure = failed.unwrap_or(&failures[0]);
            return Err(PassError::Action { action: failure.action.clone(), cause: failure.kind.to_string() });
        }
    };
    // What EMQX refuses is not asked for every other second.
    let awaited = awaited.map(|wait| if outcome.is_refused_by_emqx() { wait.max(AFTER_REFUSAL) } else { wait });
    let soonest = [awaited, after_failure, status_wait].into_iter().flatten().min();
    let outcome = if refused { Outcome::Refused } else { Outcome::Success };
    Ok(Passed { next: soonest.map_or_else(Action::await_change, Action::requeue), outcome })
}

/// One line per plan that is not empty.
fn log(key: &Key, plan: &Plan) {
    if !plan.is_empty() {
        let actions: Vec<_> = plan.actions.iter().map(ToString::to_string).collect();
        tracing::info!(cluster = %key, actions = actions.join("; "), "carrying out a plan");
    }
    for hold in &plan.holds {
        tracing::debug!(cluster = %key, reason = hold.reason.as_str(), subject = hold.subject, detail = %hold, "hold");
    }
}

/// Drawn for every pass, used only where a secret does not exist yet.
fn fresh_secrets() -> FreshSecrets {
    let draw = || rand::rng().sample_iter(Alphanumeric).take(64).map(char::from).collect();
    FreshSecrets { cookie: draw(), operator_secret: draw() }
}
