//! Requests to EMQX that change something.

use super::command;
use super::outcome::FailureKind;
use crate::clusters::Cluster;
use crate::context::Context;
use crate::observe;
use crate::refusals;
use emqx_client::api::{
    ForceLeave, ForgetSite, PutConfigs, PutReplicas, Request, StartEvacuation, StopEvacuation, UpdateMode,
};
use emqx_client::{Client, Credentials, Endpoint, Missing, NoAnswer};
use emqx_operator_core::action::{Call, EvacuationOptions};
use emqx_operator_core::desired::{Desired, NodeName};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{World, api_candidates};
use std::time::Duration;

/// EMQX answers when the change is in force on all nodes, which may take two minutes.
const CONFIG_DEADLINE: Duration = Duration::from_secs(130);
/// EMQX gives a node 15 s to answer another.
const NODE_DEADLINE: Duration = Duration::from_secs(20);
/// Nodes boot and networks recover in less.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn call(
    ctx: &Context,
    cluster: &Cluster,
    desired: &Desired,
    world: &World,
    call: &Call,
) -> Result<(), FailureKind> {
    let key = &cluster.key;
    let Some(secret) = &world.identity.operator_secret else {
        return Err(FailureKind::Stale("the operator's API key does not exist yet".to_owned()));
    };
    // A core that forms a cluster of its own gets no request that is meant for the cluster.
    let apart = |pod: &str| world.broker.fresh().is_some_and(|broker| broker.is_apart(&desired.names.core_node(pod)));
    let mut cores = api_candidates(desired, &ctx.objects.view(key));
    cores.retain(|core| !apart(&core.pod));
    let endpoints = cores.iter().map(observe::endpoint).collect();
    let emqx = ctx.emqx.trusting(desired.api_ca.as_deref()).map_err(|error| FailureKind::Failed(error.to_string()))?;
    let asker = Asker { emqx, endpoints, credentials: observe::credentials(secret) };
    let answer = match call {
        Call::PutConfig { text, .. } => {
            asker.ask(&PutConfigs { text: text.clone(), mode: UpdateMode::Replace }, CONFIG_DEADLINE).await
        }
        // The value of the cores' environment variable, which overrides the configuration.
        Call::LoadApiKeys { file } => {
            let text = format!("api_key {{bootstrap_file = \"{file}\"}}");
            asker.ask(&PutConfigs { text, mode: UpdateMode::Merge }, CONFIG_DEADLINE).await
        }
        Call::StartEvacuation { node, options } => asker.ask(&start(node, options), NODE_DEADLINE).await,
        Call::StopEvacuation { node, .. } => asker.ask(&StopEvacuation { node: node.0.clone() }, NODE_DEADLINE).await,
        Call::PlaceShards { database, sites } => {
            asker.ask(&PutReplicas { storage: database.clone(), sites: sites.clone() }, NODE_DEADLINE).await
        }
        Call::ForgetSite { site, needed } => {
            let request = ForgetSite { site: site.clone() };
            let answer = asker.emqx.ask_any(&asker.endpoints, &asker.credentials, &request, NODE_DEADLINE).await;
            match (answer, cores.first()) {
                (Err(failed), Some(core)) if failed.missing() == Some(Missing::Path) => {
                    return match command::forget_site(ctx, key, &core.pod, site).await {
                        Err(failed) if !needed => {
                            tracing::info!(cluster = %key, "{}; nothing is stored, so the site is left", failed.text());
                            Ok(())
                        }
                        result => result,
                    };
                }
                (answer, _) => answer.map(drop),
            }
        }
        Call::ForceLeave { node } => asker.ask(&ForceLeave { node: node.0.clone() }, NODE_DEADLINE).await,
    };
    let request = match call {
        Call::PutConfig { .. } => refusals::config(desired, world),
        other => other.to_string(),
    };
    let failing = format!("{request} failing");
    match answer {
        Ok(()) => {
            cluster.refusals.settle(&request);
            cluster.refusals.settle(&failing);
            Ok(())
        }
        Err(error) => Err(match error.refusal().map(ToString::to_string) {
            Some(text) => refused(call, cluster.refusals.note(&request, &text), text),
            None => {
                let text = error.to_string();
                cluster.refusals.note(&failing, &text);
                failed(call, cluster.refusals.lasting(&failing), text)
            }
        }),
    }
}

/// An API that answers reads but fails to carry out changes may still be booting; if that lasts, it is reported.
fn failed(call: &Call, lasting: Duration, text: String) -> FailureKind {
    if lasting < PATIENCE {
        return FailureKind::Failed(text);
    }
    FailureKind::Refused { reason: Reason::RequestFailed, text: format!("EMQX fails to {call}: {text}") }
}

/// Refusals about the user's configuration are reported at once, other refusals when they repeat.
fn refused(call: &Call, times: u32, text: String) -> FailureKind {
    match call {
        Call::PutConfig { .. } => FailureKind::Refused { reason: Reason::ConfigRejected, text },
        _ if times < 2 => FailureKind::Failed(text),
        _ => FailureKind::Refused { reason: Reason::RequestRefused, text: format!("EMQX does not {call}: {text}") },
    }
}

fn start(node: &NodeName, options: &EvacuationOptions) -> StartEvacuation {
    StartEvacuation {
        node: node.0.clone(),
        wait_health_check: Some(options.wait_health_check),
        conn_evict_rate: Some(options.connection_rate),
        wait_takeover: Some(options.wait_takeover),
        sess_evict_rate: Some(options.session_rate),
        migrate_to: options.targets.iter().map(|target| target.0.clone()).collect(),
    }
}

struct Asker {
    emqx: Client,
    endpoints: Vec<Endpoint>,
    credentials: Credentials,
}

impl Asker {
    async fn ask<R>(&self, request: &R, deadline: Duration) -> Result<(), NoAnswer>
    where
        R: Request<As = Credentials>,
    {
        self.emqx.ask_any(&self.endpoints, &self.credentials, request, deadline).await.map(drop)
    }
}
