//! One reconcile of one cluster: observe, decide, act, report. Nothing here knows what a cluster needs.
//!
//! Every reconcile ends: requests have deadlines, the reconcile as a whole has one, and a defect of the operator ends only the
//! reconcile that it occurs in. Failures are reported on the resource, with any error code.

use crate::clusters::Cluster;
use crate::context::Context;
use crate::execute::{self, LONGEST_TEXT, execute};
use crate::failures::FailureClass;
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
use emqx_operator_core::status::{self, Due, EventText};
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

/// A reconcile that could not be finished. It is retried with growing delays.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
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

/// EMQX may take two minutes to apply a configuration, which is the longest step of a reconcile.
const LONGEST: Duration = Duration::from_secs(300);
/// How often a refused spec is checked again: the objects that it names are not all watched.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);
/// While the namespace is deleted, and the resource with it.
const WHILE_ENDING: Duration = Duration::from_secs(60);

/// One reconcile, measured and bounded.
pub async fn reconcile(resource: Arc<StoredEmqx>, ctx: Arc<Context>) -> Action {
    let key = key(&resource);
    let uid = resource.metadata.uid.clone().unwrap_or_default();
    let Some(cluster) = ctx.clusters.get(&key, &uid) else {
        ctx.metrics.queue.forget(&key);
        return Action::await_change();
    };
    // Waiting for a worker is no part of the reconcile: it has no deadline, and the change still waits meanwhile.
    let mut worker = ctx.workers.enter(&key.namespace).await;
    let started = Instant::now();
    ctx.metrics.queue.begin(&key);
    ctx.metrics.reconciles.begin();
    cluster.failures.begin(resource.metadata.generation);
    let result =
        match caught(tokio::time::timeout(LONGEST, reconcile_once(&cluster, &resource, &ctx, &mut worker))).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ReconcileError::TooLong),
            Err(Caught { place }) => {
                ctx.metrics.reconciles.panicked();
                Err(ReconcileError::Defect(place))
            }
        };
    let outcome = result.as_ref().map_or(Outcome::Error, |reconciled| reconciled.outcome);
    let next = match result {
        Ok(reconciled) => reconciled.next,
        Err(error) => after_error(&ctx, &cluster, &resource, &error).await,
    };
    ctx.metrics.reconciles.end(outcome, started.elapsed());
    ctx.metrics.queue.end(&key, outcome == Outcome::Error);
    next
}

struct Reconciled {
    next: Action,
    outcome: Outcome,
}

impl Reconciled {
    /// Waits for the next event of a watch.
    fn until_changed(outcome: Outcome) -> Self {
        Self { next: Action::await_change(), outcome }
    }
}

async fn reconcile_once(
    cluster: &Cluster,
    resource: &StoredEmqx,
    ctx: &Context,
    worker: &mut Worker<'_>,
) -> Result<Reconciled, ReconcileError> {
    if resource.metadata.deletion_timestamp.is_some() {
        return Ok(Reconciled::until_changed(Outcome::Success));
    }
    let cr = match &resource.content {
        Ok(cr) => cr,
        Err(error) => return refuse(ctx, cluster, resource, &Mistakes::unreadable(error)).await,
    };
    let mut view = ctx.objects.view(&cluster.key);
    let rolled_back = last_good(&view, cr).and_then(|record| record.instead_of(cr));
    let (cr, rolled_back) = rolled_back.as_ref().map_or((cr, None), |(good, what)| (good, Some(what)));
    let references = observe::references(ctx, cluster, cr).await.map_err(ReconcileError::References)?;
    let mut desired = match Desired::resolve(cr, &references) {
        Ok(desired) => desired,
        Err(mistakes) => return refuse(ctx, cluster, resource, &mistakes).await,
    };
    desired.rolled_back = rolled_back.cloned();
    view.events = observe::set_events(ctx, cluster, &view).await.map_err(ReconcileError::Events)?;
    let memory = cluster.memory.lock().clone();
    let broker = worker.released_while(observe::broker(ctx, &desired, &view, &memory)).await;
    let mut world = World::assemble(&desired, &view, broker, fresh_secrets(), Timestamp::now());
    world.memory = memory;
    world.admission_drift = cluster.admission_drift.of(|id| world.objects.contains_key(id));
    world.config_refused = cluster
        .refusals
        .of(&refusals::config(&desired, &world))
        .map(|text| ConfigRefused { lacks_a_file: emqx_client::lacks_a_file(&text), text });
    let mut plan = plan(&desired, &world);
    if !ctx.is_leader() {
        return Ok(Reconciled::until_changed(Outcome::Followed));
    }
    *cluster.memory.lock() = std::mem::take(&mut plan.memory);
    log(cluster, &plan);
    let act = async {
        let outcome = execute(ctx, cluster, &desired, &world, &plan, worker).await;
        conclude(ctx, cluster, resource, &desired, &world, &mut plan, &outcome).await
    };
    tokio::select! {
        biased;
        // No more requests are sent, neither to Kubernetes nor to EMQX.
        () = ctx.leading.ended() => Ok(Reconciled::until_changed(Outcome::Followed)),
        reconciled = act => reconciled,
    }
}

/// The templates that last worked, if they were recorded for this resource.
fn last_good(view: &KubernetesView, cr: &EMQX) -> Option<LastGood> {
    let ours = |secret: &&Arc<Secret>| {
        let mut owners = secret.owner_references().iter();
        secret.name_any() == Names::last_good_of(&cr.name_any())
            && owners.any(|owner| Some(&owner.uid) == cr.uid().as_ref())
    };
    let data = view.secrets.iter().find(ours)?.data.as_ref()?;
    LastGood::read(|key| data.get(key).map(|value| value.0.as_slice()))
}

/// A refused spec changes only the status.
async fn refuse(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    mistakes: &Mistakes,
) -> Result<Reconciled, ReconcileError> {
    if !ctx.is_leader() {
        return Ok(Reconciled::until_changed(Outcome::Followed));
    }
    tracing::info!(cluster = %cluster.key, reason = mistakes.reason().as_str(), %mistakes, "the spec is refused");
    let prior = cluster.written.prior(resource);
    let (status, due) = status::refused(mistakes, prior.as_ref(), resource.metadata.generation, Timestamp::now());
    write_status(ctx, cluster, resource, prior, status, due, &[]).await?;
    cluster.failures.retain(&BTreeSet::new());
    Ok(Reconciled { next: Action::requeue(AFTER_REFUSAL), outcome: Outcome::Refused })
}

/// A failed reconcile is reported when it fails repeatedly.
async fn after_error(ctx: &Context, cluster: &Cluster, resource: &StoredEmqx, error: &ReconcileError) -> Action {
    let text = whole(error);
    tracing::warn!(cluster = %cluster.key, error = text, "a reconcile failed; trying again");
    let streak = cluster.failures.note("a reconcile", FailureClass::Failure, Reason::KubernetesRequestFailed, &text);
    let reason = match error {
        ReconcileError::Defect(_) => Some(Reason::InternalError),
        // The status cannot be written.
        ReconcileError::Status(_) => None,
        ReconcileError::References(_) | ReconcileError::Events(_) | ReconcileError::TooLong => {
            streak.is_reported().then_some(Reason::KubernetesRequestFailed)
        }
    };
    if let Some(reason) = reason.filter(|_| ctx.is_leader()) {
        let prior = cluster.written.prior(resource);
        let generation = resource.metadata.generation;
        let (status, due) = status::failed(reason, &text, prior.as_ref(), generation, Timestamp::now());
        let written = caught(write_status(ctx, cluster, resource, prior, status, due, &[])).await;
        if !matches!(written, Ok(Ok(_))) {
            tracing::warn!(cluster = %cluster.key, "the failure could not be reported on the resource");
        }
    }
    Action::requeue(cluster.failures.wait().unwrap_or(AFTER_REFUSAL))
}

/// The error with its chain of causes.
fn whole(error: &ReconcileError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    beginning(&text, LONGEST_TEXT).into_owned()
}

/// Reports the outcome of the plan, and decides when to reconcile again.
async fn conclude(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    desired: &Desired,
    world: &World,
    plan: &mut Plan,
    outcome: &execute::Outcome,
) -> Result<Reconciled, ReconcileError> {
    if outcome.is_ending() {
        return Ok(Reconciled { next: Action::requeue(WHILE_ENDING), outcome: Outcome::Success });
    }
    let failure = outcome.reported();
    if let Some(failure) = &failure {
        plan.report.after_failure(failure.reason, &failure.text, failure.matters);
    }
    let status_wait = report(ctx, cluster, resource, desired, world, plan, outcome).await?;
    outcome.failures.iter().for_each(|failure| failure.log(&cluster.key));
    let failing = outcome.failures.iter().map(|failure| failure.action.as_str()).collect();
    cluster.failures.retain(&failing);
    Ok(Reconciled { next: next(cluster, plan, outcome, status_wait), outcome: outcome.as_metric() })
}

async fn report(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    desired: &Desired,
    world: &World,
    plan: &Plan,
    outcome: &execute::Outcome,
) -> Result<Option<Duration>, ReconcileError> {
    cluster.metrics.lock().record_plan(desired, world, plan);
    let prior = cluster.written.prior(resource);
    let (status, due) = status::merge(&plan.report, prior.as_ref(), Timestamp::now());
    let done: Vec<_> = outcome.done.iter().filter_map(|action| status::event(action, world)).collect();
    write_status(ctx, cluster, resource, prior, status, due, &done).await
}

async fn write_status(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    prior: Option<EMQXStatus>,
    status: EMQXStatus,
    due: Due,
    done: &[EventText],
) -> Result<Option<Duration>, ReconcileError> {
    cluster.metrics.lock().record_conditions(&status.conditions);
    let wait = report::write(ctx, cluster, resource, status.clone(), due).await.map_err(ReconcileError::Status)?;
    report::announce(ctx, cluster, resource, prior.as_ref(), &status, done).await;
    Ok(wait)
}

/// When to reconcile again: for a retry, for a hold, or for a delayed status; the earliest counts.
fn next(cluster: &Cluster, plan: &Plan, outcome: &execute::Outcome, status_wait: Option<Duration>) -> Action {
    let awaited = match plan.wake {
        Wake::Watch => None,
        Wake::At(time) => Some(Timestamp::now().duration_until(time).unsigned_abs()),
        Wake::Poll(seconds) => Some(Duration::from_secs(seconds.into())),
    };
    // A request that EMQX refuses is not repeated every two seconds.
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

/// Random texts for every reconcile, used only for a secret that does not exist yet.
fn fresh_secrets() -> FreshSecrets {
    let draw = || rand::rng().sample_iter(Alphanumeric).take(64).map(char::from).collect();
    FreshSecrets { cookie: draw(), operator_secret: draw() }
}
