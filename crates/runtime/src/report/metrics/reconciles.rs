//! Metrics about reconciles: count, outcome, duration, and how many run.

use super::{CONTROLLER, ControllerLabels, KIND, KindLabels};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything that was planned was done.
    Success,
    /// The spec, Kubernetes or EMQX does not allow what is wanted; the status says what.
    Refused,
    /// Something did not work; it is tried again soon.
    Error,
    /// This process looked and did not act, because another one leads.
    Followed,
}

impl Outcome {
    const ALL: [Outcome; 4] = [Outcome::Success, Outcome::Refused, Outcome::Error, Outcome::Followed];

    fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Refused => "refused",
            Outcome::Error => "error",
            Outcome::Followed => "followed",
        }
    }

    /// controller-runtime's word. It does not know refusals: they come back after a while.
    fn compatible(self) -> &'static str {
        match self {
            Outcome::Success | Outcome::Followed => "success",
            Outcome::Refused => "requeue_after",
            Outcome::Error => "error",
        }
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    kind: &'static str,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    controller: &'static str,
    result: &'static str,
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// The metrics about reconciles.
pub struct Reconciles {
    ended: Family<OutcomeLabels, Counter>,
    seconds: Durations<KindLabels>,
    compatible: Family<ResultLabels, Counter>,
    compatible_errors: Family<ControllerLabels, Counter>,
    compatible_seconds: Durations<ControllerLabels>,
    active: Family<ControllerLabels, Gauge>,
    panics: Family<KindLabels, Counter>,
    compatible_panics: Family<ControllerLabels, Counter>,
}

fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 14))
}

impl Reconciles {
    pub fn new(registry: &mut Registry, concurrency: u16) -> Self {
        let reconciles = Self {
            ended: Family::default(),
            seconds: Family::new_with_constructor(durations),
            compatible: Family::default(),
            compatible_errors: Family::default(),
            compatible_seconds: Family::new_with_constructor(durations),
            active: Family::default(),
            panics: Family::default(),
            compatible_panics: Family::default(),
        };
        let own = super::own(registry);
        own.register("reconciles", "Reconciles of resources, by outcome", reconciles.ended.clone());
        let text = "Duration of reconciles in seconds";
        own.register("reconcile_duration_seconds", text, reconciles.seconds.clone());
        let panics = "Reconciles that ended with a defect of the operator; the resource says InternalError";
        own.register("reconcile_panics", panics, reconciles.panics.clone());
        let most = Family::<ControllerLabels, Gauge>::default();
        most.get_or_create(&ControllerLabels { controller: CONTROLLER }).set(concurrency.into());
        let controller_runtime = registry.sub_registry_with_prefix("controller_runtime");
        controller_runtime.register("reconcile", "Reconciles of resources, by result", reconciles.compatible.clone());
        controller_runtime.register("reconcile_errors", "Reconciles that failed", reconciles.compatible_errors.clone());
        controller_runtime.register("reconcile_time_seconds", text, reconciles.compatible_seconds.clone());
        controller_runtime.register("active_workers", "Reconciles that run", reconciles.active.clone());
        let text = "Reconciles that ended with a defect of the operator; the resource says InternalError";
        controller_runtime.register("reconcile_panics", text, reconciles.compatible_panics.clone());
        let text = "Reconciles that may run at the same time";
        controller_runtime.register("max_concurrent_reconciles", text, most);
        reconciles.begin_at_zero();
        reconciles
    }

    /// Rates of series that appear with their first event miss that event.
    fn begin_at_zero(&self) {
        for outcome in Outcome::ALL {
            drop(self.ended.get_or_create(&OutcomeLabels { kind: KIND, outcome }));
            let result = outcome.compatible();
            drop(self.compatible.get_or_create(&ResultLabels { controller: CONTROLLER, result }));
        }
        drop(self.compatible_errors.get_or_create(&ControllerLabels { controller: CONTROLLER }));
        drop(self.panics.get_or_create(&KindLabels { kind: KIND }));
        drop(self.compatible_panics.get_or_create(&ControllerLabels { controller: CONTROLLER }));
        drop(self.active.get_or_create(&ControllerLabels { controller: CONTROLLER }));
    }

    /// A reconcile begins.
    pub fn begin(&self) {
        self.active.get_or_create(&ControllerLabels { controller: CONTROLLER }).inc();
    }

    /// The reconcile ended with a defect of the operator.
    pub fn panicked(&self) {
        self.panics.get_or_create(&KindLabels { kind: KIND }).inc();
        self.compatible_panics.get_or_create(&ControllerLabels { controller: CONTROLLER }).inc();
    }

    /// The reconcile has ended.
    pub fn end(&self, outcome: Outcome, took: Duration) {
        let controller = ControllerLabels { controller: CONTROLLER };
        let seconds = took.as_secs_f64();
        self.active.get_or_create(&controller).dec();
        self.ended.get_or_create(&OutcomeLabels { kind: KIND, outcome }).inc();
        self.seconds.get_or_create(&KindLabels { kind: KIND }).observe(seconds);
        self.compatible.get_or_create(&ResultLabels { controller: CONTROLLER, result: outcome.compatible() }).inc();
        if outcome == Outcome::Error {
            self.compatible_errors.get_or_create(&controller).inc();
        }
        self.compatible_seconds.get_or_create(&controller).observe(seconds);
    }
}
