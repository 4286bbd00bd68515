//! The effects of the EMQX operator. It decides nothing: what to do is [`emqx_operator_core::plan`]'s business.
//!
//! ```text
//! watch ─> key ─> pass: observe ─> Desired, World ─> plan ─> execute (leader only) ─> report ─> when to come back
//! ```
//!
//! [`run`] wires it up. Enter at `pass.rs`, which is the loop on one screen.

mod certificates;
mod clusters;
mod context;
mod counted;
mod deadlines;
mod emqx_clients;
mod execute;
mod failures;
mod index;
mod leader;
mod observe;
mod panics;
mod pass;
mod refusals;
mod report;
mod resource;
mod rewritten;
mod serve;
mod settings;
mod wake;
mod watch;
pub mod witness;
mod workers;

pub use settings::{CertificateSource, LEASE, LeaderElection, OwnCertificate, Settings};

use clusters::Clusters;
use context::{Context, Objects};
use counted::Counting;
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
use pass::pass;
use report::Metrics;
use resource::StoredEmqx;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use wake::Waker;
use workers::Workers;

/// For how long passes that are under way may go on when the operator is asked to stop. The kubelet waits for ten seconds
/// as the operator is shipped, and the lease has to be given back within them.
const FAREWELL: Duration = Duration::from_secs(5);
/// After a pass that could not even be told.
const AFTER_DEFECT: Duration = Duration::from_secs(120);

/// Why the operator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("failed to set up the client for Kubernetes")]
    KubernetesClient(#[source] kube::Error),
    #[error("failed to set up the client for EMQX")]
    EmqxClient(#[source] emqx_client::Error),
}

/// Runs until `stop` is cancelled: finishes the passes that are under way, gives the lease back, and returns.
pub async fn run(mut config: kube::Config, settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    panics::watch();
    let clusters = Clusters::default();
    let metrics = Arc::new(Metrics::new(settings.concurrency, clusters.clone()));
    // What fails is told, and tried again by the pass; the library would try for minutes without a word.
    config.default_retry = false;
    let client = ClientBuilder::try_from(config).map_err(RunError::KubernetesClient)?;
    let client = client.with_layer(&Counting(metrics.kubernetes.clone())).with_layer(&Deadlines).build();
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
    reconcile(&ctx, writer, &stop).await;
    tasks.close();
    leadership.resign().await;
    tracing::info!("stopped");
    Ok(())
}

fn reporter(settings: &Settings) -> Reporter {
    let instance = settings.leader_election.as_ref().map(|election| election.identity.clone());
    Reporter { controller: "emqx-operator".to_owned(), instance }
}

/// Works on clusters as they change, until `stop` is cancelled.
async fn reconcile(ctx: &Arc<Context>, writer: Writer<StoredEmqx>, stop: &CancellationToken) {
    let watches = TaskTracker::new();
    let reader = ctx.resources.clone();
    let (wake, woken) = Waker::new(ctx.metrics.queue.clone());
    watch::start(ctx, &watches, writer, &wake);
    wait_for_watches(ctx, stop).await;
    let follower = watches.spawn(wake_all_when_leading(ctx.clone(), reader.clone(), wake));
    let queue = futures::stream::unfold(woken, |mut woken| async move {
        let key = woken.recv().await?;
        Some((Ok::<_, Infallible>(request(&key)), woken))
    });
    let queue = Box::pin(queue.take_until(stop.clone().cancelled_owned()));
    // Places are given by `Workers`: who waits for EMQX needs none.
    let config = controller::Config::default().concurrency(0);
    let passes = controller::applier(
        |resource, ctx| Box::pin(on_its_own(resource, ctx)),
        |_, error: &Infallible, _| match *error {},
        ctx.clone(),
        reader,
        queue,
        config,
    );
    let passes = passes.for_each(|result| async {
        match result {
            Ok(_) => {}
            // Its objects are told of late, and go by themselves.
            Err(controller::Error::ObjectNotFound(gone)) => ctx.metrics.queue.forget(&key_of(&gone)),
            Err(error) => tracing::error!(%error, "the queue failed"),
        }
    });
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = passes => {}
        () = late => tracing::warn!("passes are still under way; they are ended"),
    }
    follower.abort();
}

/// A pass runs in a task of its own: one that computes for long, or panics, leaves the others alone.
async fn on_its_own(resource: Arc<StoredEmqx>, ctx: Arc<Context>) -> Result<Action, Infallible> {
    match AbortOnDropHandle::new(tokio::spawn(pass(resource, ctx))).await {
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

/// Acting on half a view would make what exists already.
async fn wait_for_watches(ctx: &Context, stop: &CancellationToken) {
    tokio::select! {
        () = ctx.pending.synced() => {}
        () = stop.cancelled() => {}
    }
}

/// A new leader looks at every cluster once. Who leads no more tells nothing of them.
async fn wake_all_when_leading(ctx: Arc<Context>, reader: Store<StoredEmqx>, wake: Waker) {
    let mut leading = ctx.leading.clone();
    let mut leads = leading.now();
    loop {
        ctx.metrics.leading.set(leads);
        if leads {
            reader.state().iter().for_each(|resource| wake.wake(watch::key(resource)));
        } else {
            ctx.clusters.all().iter().for_each(|cluster| *cluster.figures.lock() = Default::default());
        }
        leads = leading.changed().await;
    }
}
