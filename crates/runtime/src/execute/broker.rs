//! Requests to EMQX that change something.

use super::command;
use super::outcome::FailureKind;
use crate::context::Context;
use crate::index::Key;
use crate::observe;
use emqx_client::api::{
    ForceLeave, ForgetSite, PutConfigs, PutReplicas, Request, StartEvacuation, StopEvacuation, UpdateMode,
};
use emqx_client::{Credentials, Endpoint, Missing};
use emqx_operator_core::action::{Call, EvacuationOptions};
use emqx_operator_core::desired::{Desired, NodeName};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{World, api_candidates};
use std::time::Duration;

/// EMQX answers when the change is in force on all nodes, which may take two minutes.
const CONFIG_DEADLINE: Duration = Duration::from_secs(130);
/// EMQX gives a node 15 s to answer another.
const NODE_DEADLINE: Duration = Duration::from_secs(20);

pub(super) async fn call(
    ctx: &Context,
    key: &Key,
    desired: &Desired,
    world: &World,
    call: &Call,
) -> Result<(), FailureKind> {
    let Some(secret) = &world.operator_secret else {
        return Err(FailureKind::Stale("the operator's API key does not exist yet".to_owned()));
    };
    let cores = api_candidates(desired, &ctx.objects.view(key));
    let candidates = cores.iter().map(observe::endpoint).collect();
    let asker = Asker { ctx, candidates, credentials: observe::credentials(secret) };
    match call {
        Call::PutConfig { text, revision } => {
            let (reason, image) = (Reason::ConfigRejected, &desired.image.reference);
            if let Some(text) = ctx.refusals.of(key, revision, image) {
                return Err(FailureKind::Refused { reason, text });
            }
            let request = PutConfigs { text: text.clone(), mode: UpdateMode::Replace };
            let result = asker.ask(&request, CONFIG_DEADLINE, Some(reason)).await;
            if let Err(FailureKind::Refused { text, .. }) = &result {
                ctx.refusals.note(key, revision, image, text);
            }
            result
        }
        Call::StartEvacuation { node, options } => asker.ask(&start(node, options), NODE_DEADLINE, None).await,
        Call::StopEvacuation { node } => asker.ask(&StopEvacuation { node: node.0.clone() }, NODE_DEADLINE, None).await,
        Call::PlaceShards { database, sites } => {
            let request = PutReplicas { storage: database.clone(), sites: sites.clone() };
            asker.ask(&request, NODE_DEADLINE, None).await
        }
        Call::ForgetSite { site } => {
            let request = ForgetSite { site: site.clone() };
            let answer = ctx.emqx.ask_any(&asker.candidates, &asker.credentials, &request, NODE_DEADLINE).await;
            match (answer, cores.first()) {
                (Ok(_), _) => Ok(()),
                (Err(failed), Some(core)) if failed.missing() == Some(Missing::Path) => {
                    command::forget_site(ctx, key, &core.pod, site).await
                }
                (Err(failed), _) => Err(FailureKind::Failed(failed.to_string())),
            }
        }
        Call::ForceLeave { node } => asker.ask(&ForceLeave { node: node.0.clone() }, NODE_DEADLINE, None).await,
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

struct Asker<'a> {
    ctx: &'a Context,
    candidates: Vec<Endpoint>,
    credentials: Credentials,
}

impl Asker<'_> {
    /// A refusal is told to the user where it is about what the user wrote; otherwise the world has moved on.
    async fn ask<R>(&self, request: &R, deadline: Duration, blamed: Option<Reason>) -> Result<(), FailureKind>
    where
        R: Request<As = Credentials>,
    {
        let answer = self.ctx.emqx.ask_any(&self.candidates, &self.credentials, request, deadline).await;
        answer.map(drop).map_err(|failed| match (failed.refusal(), blamed) {
            (Some(refusal), Some(reason)) => FailureKind::Refused { reason, text: refusal.to_string() },
            (Some(_), None) | (None, _) => FailureKind::Failed(failed.to_string()),
        })
    }
}
