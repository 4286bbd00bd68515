//! One pass over one cluster: observe, decide, act, report. Nothing here knows what a cluster needs.
//!
//! Every pass ends: requests have deadlines, the pass as a whole has one, and a defect of the operator ends the pass that
//! met it. What fails is told on the resource, whoever answered and whatever code.

use crate::clusters::Cluster;
use crate::context::Context;
use crate::execute::{self, LONGEST_TEXT, execute};
use crate::failures::Severity;
use crate::observe;
use crate::panics::{Caught, caught};
use crate::refusals;
use crate::report::{self, Outcome};
use crate::resource::StoredEmqx;
use crate::watch::key;
use crate::workers::Worker;
use emqx_operator_api::hub::{EMQX, EMQXStatus};
use emqx_operator_core::desired::{Desired, LastGood, Mistakes, Names};
use emqx_operator_core::lifecycle::Wake;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::status::{self, Due, Told};
use emqx_operator_core::text::beginning;
use emqx_operator_core::world::{ConfigRefused, FreshSecrets, KubernetesView, World};
use emqx_operator_core::{Plan, plan};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use rand::Rng as _;
use rand::distr::Alphanumeric;
use std::collections::BTreeSet;
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
    #[error("has not ended within {} s", LONGEST.as_secs())]
    TooLong,
    #[error("the operator met a defect of its own at {0}")]
    Defect(String),
}

/// EMQX may take two minutes to put a configuration in force. Nothing that a pass does takes longer.
const LONGEST: Duration = Duration::from_secs(300);
/// A spec that is refused is looked at again this often: what it names may change without telling us.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);
/// The namespace goes, and the resource with it.
const WHILE_ENDING: Duration = Duration::from_secs(60);

/// One pass, measured and bounded.
pub async fn pass(resource: Arc<StoredEmqx>, ctx: Arc<Context>) -> Action {
    let key = key(&resource);
    let uid = resource.metadata.uid.clone().unwrap_or_default();
    let Some(cluster) = ctx.clusters.get(&key, &uid) else {
        ctx.metrics.queue.forget(&key);
        return Action::await_change();
    };
    // Waiting for a place is no part of the pass: it has no deadline, and the change still waits meanwhile.
    let mut worker = ctx.workers.enter(&key.namespace).await;
    let started = Instant::now();
    ctx.metrics.queue.begin(&key);
    ctx.metrics.passes.begin();
    cluster.failures.begin(resource.metadata.generation);
    let result = match caught(tokio::time::timeout(LONGEST, one_pass(&cluster, &resource, &ctx, &mut worker))).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(PassError::TooLong),
        Err(Caught { place }) => {
            ctx.metrics.passes.panicked();
            Err(PassError::Defect(place))
        }
    };
    let outcome = result.as_ref().map_or(Outcome::Error, |passed| passed.outcome);
    let next = match result {
        Ok(passed) => passed.next,
        Err(error) => after_error(&ctx, &cluster, &resource, &error).await,
    };
    ctx.metrics.passes.end(outcome, started.elapsed());
    ctx.metrics.queue.end(&key, outcome == Outcome::Error);
    next
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

async fn one_pass(
    cluster: &Cluster,
    resource: &StoredEmqx,
    ctx: &Context,
    worker: &mut Worker<'_>,
) -> Result<Passed, PassError> {
    if resource.metadata.deletion_timestamp.is_some() {
        return Ok(Passed::until_changed(Outcome::Success));
    }
    let cr = match &resource.content {
        Ok(cr) => cr,
        Err(error) => return refuse(ctx, cluster, resource, &Mistakes::unreadable(error)).await,
    };
    let mut view = ctx.objects.view(&cluster.key);
    let rolled_back = last_good(&view, cr).and_then(|record| record.instead_of(cr));
    let (cr, rolled_back) = rolled_back.as_ref().map_or((cr, None), |(good, what)| (good, Some(what)));
    let references = observe::references(ctx, cluster, cr).await.map_err(PassError::References)?;
    let mut desired = match Desired::resolve(cr, &references) {
        Ok(desired) => desired,
        Err(mistakes) => return refuse(ctx, cluster, resource, &mistakes).await,
    };
    desired.rolled_back = rolled_back.cloned();
    view.events = observe::set_events(ctx, cluster, &view).await.map_err(PassError::Events)?;
    let memory = cluster.memory.lock().clone();
    let broker = worker.outside(observe::broker(ctx, &desired, &view, &memory)).await;
    let mut world = World::assemble(&desired, &view, broker, fresh_secrets(), Timestamp::now());
    world.memory = memory;
    world.rewritten = cluster.rewritten.of(|id| world.objects.contains_key(id));
    world.config_refused = cluster
        .refusals
        .of(&refusals::config(&desired, &world))
        .map(|text| ConfigRefused { lacks_a_file: emqx_client::lacks_a_file(&text), text });
    let mut plan = plan(&desired, &world);
    if !ctx.is_leader() {
        return Ok(Passed::until_changed(Outcome::Followed));
    }
    *cluster.memory.lock() = std::mem::take(&mut plan.memory);
    log(cluster, &plan);
    let act = async {
        let outcome = execute(ctx, cluster, &desired, &world, &plan, worker).await;
        conclude(ctx, cluster, resource, &desired, &world, &mut plan, &outcome).await
    };
    tokio::select! {
        biased;
        // Nothing more is sent, neither to Kubernetes nor to EMQX.
        () = ctx.leading.ended() => Ok(Passed::until_changed(Outcome::Followed)),
        passed = act => passed,
    }
}

/// What last worked, if that was written down for this very resource.
fn last_good(view: &KubernetesView, cr: &EMQX) -> Option<LastGood> {
    let ours = |secret: &&Arc<Secret>| {
        let mut owners = secret.owner_references().iter();
        secret.name_any() == Names::last_good_of(&cr.name_any())
            && owners.any(|owner| Some(&owner.uid) == cr.uid().as_ref())
    };
    let data = view.secrets.iter().find(ours)?.data.as_ref()?;
    LastGood::read(|key| data.get(key).map(|value| value.0.as_slice()))
}

/// A spec that cannot be carried out changes nothing but the status.
async fn refuse(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    mistakes: &Mistakes,
) -> Result<Passed, PassError> {
    if !ctx.is_leader() {
        return Ok(Passed::until_changed(Outcome::Followed));
    }
    tracing::info!(cluster = %cluster.key, reason = mistakes.reason().as_str(), %mistakes, "the spec is refused");
    let prior = cluster.written.prior(resource);
    let (status, due) = status::refused(mistakes, prior.as_ref(), resource.metadata.generation, Timestamp::now());
    write_status(ctx, cluster, resource, prior, status, due, &[]).await?;
    cluster.failures.retain(&BTreeSet::new());
    Ok(Passed { next: Action::requeue(AFTER_REFUSAL), outcome: Outcome::Refused })
}

/// A pass that failed: users hear of it when it goes on.
async fn after_error(ctx: &Context, cluster: &Cluster, resource: &StoredEmqx, error: &PassError) -> Action {
    let text = whole(error);
    tracing::warn!(cluster = %cluster.key, error = text, "a pass failed; trying again");
    let streak = cluster.failures.note("a pass", Severity::Failure, Reason::KubernetesRequestFailed, &text);
    let reason = match error {
        PassError::Defect(_) => Some(Reason::InternalError),
        // It could not be written.
        PassError::Status(_) => None,
        PassError::References(_) | PassError::Events(_) | PassError::TooLong => {
            streak.is_told().then_some(Reason::KubernetesRequestFailed)
        }
    };
    if let Some(reason) = reason.filter(|_| ctx.is_leader()) {
        let prior = cluster.written.prior(resource);
        let generation = resource.metadata.generation;
        let (status, due) = status::failed(reason, &text, prior.as_ref(), generation, Timestamp::now());
        let written = caught(write_status(ctx, cluster, resource, prior, status, due, &[])).await;
        if !matches!(written, Ok(Ok(_))) {
            tracing::warn!(cluster = %cluster.key, "the failure could not be told on the resource");
        }
    }
    Action::requeue(cluster.failures.wait().unwrap_or(AFTER_REFUSAL))
}

/// The whole chain of causes, once.
fn whole(error: &PassError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    beginning(&text, LONGEST_TEXT).into_owned()
}

/// What became of the plan is told, and when to come back is decided.
async fn conclude(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    desired: &Desired,
    world: &World,
    plan: &mut Plan,
    outcome: &execute::Outcome,
) -> Result<Passed, PassError> {
    if outcome.is_ending() {
        return Ok(Passed { next: Action::requeue(WHILE_ENDING), outcome: Outcome::Success });
    }
    let told = outcome.told();
    if let Some(told) = &told {
        plan.report.after_failure(told.reason, &told.text, told.matters);
    }
    let status_wait = report(ctx, cluster, resource, desired, world, plan, outcome).await?;
    outcome.failures.iter().for_each(|failure| failure.log(&cluster.key));
    let failing = outcome.failures.iter().map(|failure| failure.action.as_str()).collect();
    cluster.failures.retain(&failing);
    Ok(Passed { next: next(cluster, plan, outcome, status_wait), outcome: outcome.as_metric() })
}

async fn report(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    desired: &Desired,
    world: &World,
    plan: &Plan,
    outcome: &execute::Outcome,
) -> Result<Option<Duration>, PassError> {
    cluster.figures.lock().saw(desired, world, plan);
    let prior = cluster.written.prior(resource);
    let (status, due) = status::merge(&plan.report, prior.as_ref(), Timestamp::now());
    let told: Vec<_> = outcome.done.iter().filter_map(|action| status::story(action, world)).collect();
    write_status(ctx, cluster, resource, prior, status, due, &told).await
}

async fn write_status(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    prior: Option<EMQXStatus>,
    status: EMQXStatus,
    due: Due,
    done: &[Told],
) -> Result<Option<Duration>, PassError> {
    cluster.figures.lock().told(&status.conditions);
    let wait = report::write(ctx, cluster, resource, status.clone(), due).await.map_err(PassError::Status)?;
    report::announce(ctx, cluster, resource, prior.as_ref(), &status, done).await;
    Ok(wait)
}

/// When to come back: after what failed, for what is awaited, or for a status that was put off; whatever is first.
fn next(cluster: &Cluster, plan: &Plan, outcome: &execute::Outcome, status_wait: Option<Duration>) -> Action {
    let awaited = match plan.wake {
        Wake::Watch => None,
        Wake::At(time) => Some(Timestamp::now().duration_until(time).unsigned_abs()),
        Wake::Poll(seconds) => Some(Duration::from_secs(seconds.into())),
    };
    // What EMQX refuses is not asked for every other second.
    let awaited = awaited.map(|wait| if outcome.is_refused_by_emqx() { wait.max(AFTER_REFUSAL) } else { wait });
    let soonest = [awaited, cluster.failures.wait(), status_wait].into_iter().flatten().min();
    soonest.map_or_else(Action::await_change, Action::requeue)
}

/// One line per plan that is not empty.
fn log(cluster: &Cluster, plan: &Plan) {
    let key = &cluster.key;
    if !plan.is_empty() {
        let actions: Vec<_> = plan.actions.iter().map(ToString::to_string).collect();
        tracing::info!(cluster = %key, actions = %beginning(&actions.join("; "), LONGEST_TEXT), "carrying out a plan");
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
