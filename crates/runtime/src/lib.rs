//! The effects of the EMQX operator. This crate decides nothing: what to do is [`emqx_operator_core::plan`]'s business.
//!
//! ```text
//! watch ─> key ─> reconcile: observe ─> Desired, World ─> plan ─> execute (leader only) ─> report ─> when to come back
//! ```
//!
//! [`run`] wires it up. Enter at `reconcile.rs`, which is the loop on one screen.

mod admission_drift;
mod certificates;
mod clusters;
mod context;
mod deadlines;
mod emqx_clients;
mod execute;
mod failures;
mod index;
mod leader;
mod observe;
mod panics;
mod reconcile;
mod refusals;
mod report;
mod request_metrics;
mod resource;
mod serve;
mod settings;
mod trigger;
mod watch;
mod workers;
pub mod write_hook;

pub use settings::{CertificateSource, LEASE, LeaderElection, OwnCertificate, Settings};

use clusters::Clusters;
use context::{Context, Objects};
use deadlines::Deadlines;
use emqx_clients::EmqxClients;
use futures::StreamExt as _;
use index::Key;
use kube::client::ClientBuilder;
use kube::runtime::controller::{self, Action, ReconcileRequest};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store;
use kube::runtime::reflector::store::Writer;
use observe::ReferenceCache;
use reconcile::reconcile;
use report::Metrics;
use request_metrics::CountRequests;
use resource::StoredEmqx;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use trigger::ReconcileTrigger;
use workers::Workers;

/// How long running reconciles may continue when the operator is asked to stop. With the shipped manifests the kubelet waits for
/// ten seconds, in which the lease has to be released, too.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// The delay after a reconcile whose panic could not be reported.
const AFTER_DEFECT: Duration = Duration::from_secs(120);

/// Why the operator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("failed to set up the client for Kubernetes")]
    KubernetesClient(#[source] kube::Error),
    #[error("failed to set up the client for EMQX")]
    EmqxClient(#[source] emqx_client::Error),
}

/// Runs until `stop` is cancelled: finishes the running reconciles, releases the lease, and returns.
pub async fn run(mut config: kube::Config, settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    panics::watch();
    let clusters = Clusters::default();
    let metrics = Arc::new(Metrics::new(settings.concurrency, clusters.clone()));
    // The next reconcile retries a failed request and reports it; the library would retry for minutes silently.
    config.default_retry = false;
    let client = ClientBuilder::try_from(config).map_err(RunError::KubernetesClient)?;
    let client = client.with_layer(&CountRequests(metrics.kubernetes.clone())).with_layer(&Deadlines).build();
    let emqx = EmqxClients::new(Arc::new(metrics.emqx.clone())).map_err(RunError::EmqxClient)?;
    let leadership = leader::elect(client.clone(), settings.leader_election.as_ref());
    let (resources, writer) = store::<StoredEmqx>();
    let ctx = Arc::new(Context {
        emqx,
        recorder: Recorder::new(client.clone(), reporter(&settings)),
        client,
        objects: Objects::default(),
        resources,
        references: ReferenceCache::new(clusters.clone()),
        clusters,
        pending: Default::default(),
        workers: Workers::new(settings.concurrency, settings.watch_namespaces.len() != 1),
        metrics,
        leading: leadership.leading.clone(),
        settings,
    });
    let tasks = TaskTracker::new();
    serve::start(&ctx, &tasks, &stop);
    run_queue(&ctx, writer, &stop).await;
    tasks.close();
    leadership.resign().await;
    tracing::info!("stopped");
    Ok(())
}

fn reporter(settings: &Settings) -> Reporter {
    let instance = settings.leader_election.as_ref().map(|election| election.identity.clone());
    Reporter { controller: "emqx-operator".to_owned(), instance }
}

/// Reconciles clusters as they change, until `stop` is cancelled.
async fn run_queue(ctx: &Arc<Context>, writer: Writer<StoredEmqx>, stop: &CancellationToken) {
    let watches = TaskTracker::new();
    let reader = ctx.resources.clone();
    let (trigger, changed) = ReconcileTrigger::new(ctx.metrics.queue.clone());
    watch::start(ctx, &watches, writer, &trigger);
    wait_for_watches(ctx, stop).await;
    let follower = watches.spawn(trigger_all_when_leading(ctx.clone(), reader.clone(), trigger));
    let queue = futures::stream::unfold(changed, |mut changed| async move {
        let key = changed.recv().await?;
        Some((Ok::<_, Infallible>(request(&key)), changed))
    });
    let queue = Box::pin(queue.take_until(stop.clone().cancelled_owned()));
    // `Workers` limits concurrency: a reconcile that waits for EMQX occupies no worker.
    let config = controller::Config::default().concurrency(0);
    let reconciles = controller::applier(
        |resource, ctx| Box::pin(reconcile_in_task(resource, ctx)),
        |_, error: &Infallible, _| match *error {},
        ctx.clone(),
        reader,
        queue,
        config,
    );
    let reconciles = reconciles.for_each(|result| async {
        match result {
            Ok(_) => {}
            // Late events of its objects trigger it; Kubernetes deletes them by itself.
            Err(controller::Error::ObjectNotFound(gone)) => ctx.metrics.queue.forget(&key_of(&gone)),
            Err(error) => tracing::error!(%error, "the queue failed"),
        }
    });
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        () = reconciles => {}
        () = late => tracing::warn!("reconciles are still running; they are aborted"),
    }
    follower.abort();
}

/// A reconcile runs in a task of its own: a reconcile that computes for long, or panics, does not affect other reconciles.
async fn reconcile_in_task(resource: Arc<StoredEmqx>, ctx: Arc<Context>) -> Result<Action, Infallible> {
    match AbortOnDropHandle::new(tokio::spawn(reconcile(resource, ctx))).await {
        Ok(next) => Ok(next),
        Err(_) => Ok(Action::requeue(AFTER_DEFECT)),
    }
}

fn key_of(gone: &ObjectRef<kube::core::DynamicObject>) -> Key {
    Key { namespace: gone.namespace.clone().unwrap_or_default(), name: gone.name.clone() }
}

fn request(key: &Key) -> ReconcileRequest<StoredEmqx> {
    ObjectRef::<StoredEmqx>::new(&key.name).within(&key.namespace).into()
}

/// With half of the objects listed the operator would create objects that exist already.
async fn wait_for_watches(ctx: &Context, stop: &CancellationToken) {
    tokio::select! {
        () = ctx.pending.synced() => {}
        () = stop.cancelled() => {}
    }
}

/// A new leader reconciles every cluster once. A process that does not lead any more has no metrics about clusters.
async fn trigger_all_when_leading(ctx: Arc<Context>, reader: Store<StoredEmqx>, trigger: ReconcileTrigger) {
    let mut leading = ctx.leading.clone();
    let mut leads = leading.now();
    loop {
        ctx.metrics.leading.set(leads);
        if leads {
            reader.state().iter().for_each(|resource| trigger.send(watch::key(resource)));
        } else {
            ctx.clusters.all().iter().for_each(|cluster| *cluster.metrics.lock() = Default::default());
        }
        leads = leading.changed().await;
    }
}
