//! Figures about a running operator: how soon clusters are Ready, what it asks of the API server and of EMQX, how fast it
//! reacts, how much memory it takes. The operator is the shipped program in a process of its own.

mod figures;
mod process;
mod requests;

pub use figures::Figures;

use crate::cluster::{apply, namespace};
use crate::fleet::Fleet;
use crate::{crd, emqx, operator};
use anyhow::{Context as _, ensure};
use emqx_operator_api::hub::EMQX;
use emqx_sim::faults::{Faults, HttpFault};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Service;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt as _};
use process::Process;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long clusters may take to be Ready.
const READY: Duration = Duration::from_secs(600);
/// How long the quiet operator is watched.
const REST: Duration = Duration::from_secs(60);
/// Spec changes that are timed.
const CHANGES: usize = 50;

/// What is measured, and with which program.
#[derive(Clone, Debug)]
pub struct Bench {
    pub operator: PathBuf,
    pub clusters: usize,
}

impl Bench {
    /// Measures from an empty namespace. `say` is told of progress.
    pub async fn run(&self, client: &Client, fleet: &Fleet, say: impl Fn(&str)) -> anyhow::Result<Figures> {
        operator::grant(client).await?;
        crd::install(client).await?;
        let place = namespace(client, "bench").await?;
        let mut figures = Figures::new(self.clusters);
        let process = Process::start(&self.operator).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        figures.memory_idle_kib = process.resident_kib()?;

        say(&format!("creating {} clusters", self.clusters));
        let begun = requests::now();
        let started = Instant::now();
        self.create(client, &place).await?;
        figures.ready_seconds = all_ready(client, &place, self.clusters).await?;
        figures.all_ready_seconds = started.elapsed().as_secs_f64();
        figures.until_ready = requests::count(begun)?.each(self.clusters);
        tokio::time::sleep(Duration::from_secs(5)).await;
        figures.memory_kib = process.resident_kib()?;

        say(&format!("watching it rest for {} s", REST.as_secs()));
        let (begun, asked) = (requests::now(), fleet.requests());
        tokio::time::sleep(REST).await;
        figures.at_rest_per_minute = requests::count(begun)?.each(self.clusters);
        figures.emqx_at_rest_per_minute = (fleet.requests() - asked) as f64 / self.clusters as f64;

        say("changing specs");
        figures.change_milliseconds = self.changes(client, &place).await?;
        say("changing specs while one EMQX API hangs");
        let hanging = Faults { http: HttpFault::Hang, ..Faults::default() };
        for core in 0..3 {
            fleet.set_faults(&place, &format!("{}-core-{core}", name(0)), hanging);
        }
        figures.change_beside_a_hanging_one_milliseconds = self.changes(client, &place).await?;
        for core in 0..3 {
            fleet.set_faults(&place, &format!("{}-core-{core}", name(0)), Faults::default());
        }

        say("restarting the operator");
        drop(process);
        let (begun, started) = (requests::now(), Instant::now());
        let process = Process::start(&self.operator).await?;
        process.has_looked_at(self.clusters).await?;
        figures.restart_seconds = started.elapsed().as_secs_f64();
        tokio::time::sleep(Duration::from_secs(5)).await;
        figures.restart_writes = requests::count(begun)?.writes;
        figures.memory_after_restart_kib = process.resident_kib()?;
        crate::cluster::delete_namespace(client, &place).await;
        Ok(figures)
    }

    async fn create(&self, client: &Client, place: &str) -> anyhow::Result<()> {
        let made = (0..self.clusters).map(|number| async move {
            apply(client, Some(place), &emqx::resource(&name(number), spec())).await.map(drop)
        });
        let all: Vec<Result<(), kube::Error>> = stream::iter(made).buffer_unordered(32).collect().await;
        all.into_iter().collect::<Result<(), _>>().context("failed to create the clusters")
    }

    /// From the answer to a spec change to the news of the first child that was written.
    async fn changes(&self, client: &Client, place: &str) -> anyhow::Result<Vec<f64>> {
        let api = Api::<EMQX>::namespaced(client.clone(), place);
        let services = Api::<Service>::namespaced(client.clone(), place);
        let mut news =
            std::pin::pin!(watcher(services, watcher::Config::default()).default_backoff().applied_objects());
        let mut taken = Vec::new();
        for number in 0..CHANGES {
            // The first one is the one that hangs.
            let cluster = name(1 + number % (self.clusters - 1).max(1));
            let stamp = format!("{}-{number}", requests::now().as_nanosecond());
            let change = json!({"spec": {"listenersServiceTemplate": {"metadata": {"annotations": {"bench": stamp}}}}});
            api.patch(&cluster, &PatchParams::default(), &Patch::Merge(&change)).await?;
            let started = Instant::now();
            let seen = async {
                while let Some(service) = news.try_next().await? {
                    if service.annotations().get("bench") == Some(&stamp) {
                        return Ok::<_, anyhow::Error>(());
                    }
                }
                anyhow::bail!("the watch of Services ended")
            };
            tokio::time::timeout(Duration::from_secs(60), seen).await.context("no Service was written")??;
            taken.push(started.elapsed().as_secs_f64() * 1e3);
        }
        Ok(taken)
    }
}

fn name(number: usize) -> String {
    format!("c{number:04}")
}

/// The same clusters as in the measurements of the Go operator.
fn spec() -> Value {
    json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {"license": {"key": "evaluation"}}},
        "coreTemplate": {"spec": {"replicas": 3}},
        "replicantTemplate": {"spec": {"replicas": 2}},
    })
}

/// When each became Ready, in seconds from now.
async fn all_ready(client: &Client, place: &str, clusters: usize) -> anyhow::Result<Vec<f64>> {
    let started = Instant::now();
    let api = Api::<EMQX>::namespaced(client.clone(), place);
    let (mut ready, mut times) = (BTreeSet::new(), Vec::new());
    while ready.len() < clusters {
        for object in api.list(&ListParams::default()).await? {
            let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            if conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") && ready.insert(object.name_any()) {
                times.push(started.elapsed().as_secs_f64());
            }
        }
        ensure!(started.elapsed() < READY, "{} of {clusters} clusters became Ready", ready.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(times)
}
