//! Requests to EMQX that change something.

use super::outcome::FailureKind;
use crate::context::Context;
use crate::index::Key;
use crate::observe;
use emqx_client::api::{PutConfigs, UpdateMode};
use emqx_operator_core::action::Call;
use emqx_operator_core::desired::Desired;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{World, api_candidates};
use std::time::Duration;

/// EMQX answers when the change is in force on all nodes, which may take two minutes.
const CONFIG_DEADLINE: Duration = Duration::from_secs(130);

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
    let candidates: Vec<_> = api_candidates(desired, &ctx.objects.view(key)).iter().map(observe::endpoint).collect();
    let credentials = observe::credentials(secret);
    match call {
        Call::PutConfig { text, .. } => {
            let request = PutConfigs { text: text.clone(), mode: UpdateMode::Replace };
            let answer = ctx.emqx.ask_any(&candidates, &credentials, &request, CONFIG_DEADLINE).await;
            answer.map(drop).map_err(|failed| match failed.refusal() {
                Some(refusal) => FailureKind::Refused { reason: Reason::ConfigRejected, text: refusal.to_string() },
                None => FailureKind::Failed(failed.to_string()),
            })
        }
    }
}
