//! The effects of the EMQX operator. It decides nothing: what to do is [`emqx_operator_core::plan`]'s business.
//!
//! ```text
//! watch ─> key ─> pass: observe ─> Desired, World ─> plan ─> execute (leader only) ─> report ─> when to come back
//! ```
//!
//! [`run`] wires it up. Enter at `pass.rs`, which is the loop on one screen.

mod backoff;
mod certificates;
mod context;
mod counted;
mod execute;
mod index;
mod leader;
mod memories;
mod observe;
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

pub use settings::{CertificateSource, LEASE, LeaderElection, OwnCertificate, Settings};

use context::{Context, Objects};
use counted::Counting;
use futures::StreamExt as _;
use index::Key;
use kube::client::ClientBuilder;
use kube::runtime::controller::{self, Action, ReconcileRequest};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store;
use kube::runtime::reflector::store::Writer;
use pass::{PassError, pass};
use report::Metrics;
use resource::StoredEmqx;
use std::convert::Infallible;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wake::Waker;

/// Why the operator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("failed to set up the client for Kubernetes")]
    KubernetesClient(#[source] kube::Error),
    #[error("failed to set up the client for EMQX")]
    EmqxClient(#[source] emqx_client::Error),
}

/// Runs until `stop` is cancelled: finishes the passes that are under way, gives the lease back, and returns.
pub async fn run(config: kube::Config, settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    let metrics = Arc::new(Metrics::new(settings.concurrency));
    let client = ClientBuilder::try_from(config).map_err(RunError::KubernetesClient)?;
    let client = client.with_layer(&Counting(metrics.kubernetes.clone())).build();
    let emqx = emqx_client::Client::new().map_err(RunError::EmqxClient)?;
    let leadership = leader::elect(client.clone(), settings.leader_election.as_ref());
    let (resources, writer) = store::<StoredEmqx>();
    let ctx = Arc::new(Context {
        emqx: emqx.observed_by(Arc::new(metrics.emqx.clone())),
        recorder: Recorder::new(client.clone(), reporter(&settings)),
        client,
        objects: Objects::default(),
        resources,
        references: Default::default(),
        set_events: Default::default(),
        pending: Default::default(),
        backoffs: Default::default(),
        written: Default::default(),
        memories: Default::default(),
        refusals: Default::default(),
        rewritten: Default::default(),
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
    let config = controller::Config::default().concurrency(ctx.settings.concurrency);
    let passes = controller::applier(
        |resource, ctx| Box::pin(pass(resource, ctx)),
        after_error,
        ctx.clone(),
        reader,
        queue,
        config,
    );
    passes
        .for_each(|result| async move {
            match result {
                // The resource is gone; its objects follow by themselves.
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(controller::Error::ReconcilerFailed(error, cluster)) => log_failure(&cluster.to_string(), &error),
                Err(error) => tracing::error!(%error, "the queue failed"),
            }
        })
        .await;
    follower.abort();
}

fn request(key: &Key) -> ReconcileRequest<StoredEmqx> {
    ObjectRef::<StoredEmqx>::new(&key.name).within(&key.namespace).into()
}

/// Acting on half a view would make what exists already.
async fn wait_for_watches(ctx: &Context, stop: &CancellationToken) {
    let poll = std::time::Duration::from_millis(20);
    while !ctx.pending.is_synced() && !stop.is_cancelled() {
        tokio::time::sleep(poll).await;
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
            ctx.metrics.clusters.forget_all();
        }
        leads = leading.changed().await;
    }
}

fn after_error(resource: Arc<StoredEmqx>, _: &PassError, ctx: Arc<Context>) -> Action {
    Action::requeue(ctx.backoffs.next(&watch::key(&resource)))
}

/// The whole chain of causes, once.
fn log_failure(cluster: &str, error: &PassError) {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    tracing::warn!(cluster, error = text, "a pass failed; trying again");
}
