//! Writes the status when it has news, and progress at most every 30 s.

use crate::clusters::Cluster;
use crate::context::Context;
use crate::execute::FIELD_MANAGER;
use crate::resource::StoredEmqx;
use crate::write_hook::Moment;
use emqx_operator_api::hub::{EMQX, EMQXStatus};
use emqx_operator_core::status::Due;
use kube::Api;
use kube::api::{Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// The shortest time between two writes that show only progress. Conditions that users and scripts wait for are written at once.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);

/// The last written status, which the watch may not have reported yet.
#[derive(Default)]
pub struct Written(Mutex<Option<Last>>);

struct Last {
    status: EMQXStatus,
    at: Instant,
}

impl Written {
    /// The stored status, whether or not the watch has reported it.
    pub fn prior(&self, resource: &StoredEmqx) -> Option<EMQXStatus> {
        let written = self.0.lock();
        written.as_ref().map(|last| last.status.clone()).or_else(|| resource.status.clone())
    }

    fn remember(&self, status: EMQXStatus) {
        *self.0.lock() = Some(Last { status, at: Instant::now() });
    }

    fn wait(&self) -> Option<Duration> {
        let since = self.0.lock().as_ref()?.at.elapsed();
        PROGRESS_INTERVAL.checked_sub(since).filter(|wait| !wait.is_zero())
    }
}

/// Writes the status if it is due; otherwise returns when to write it.
pub async fn write(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    status: EMQXStatus,
    due: Due,
) -> Result<Option<Duration>, kube::Error> {
    match due {
        Due::Never => return Ok(None),
        Due::Later => {
            if let Some(wait) = cluster.written.wait() {
                return Ok(Some(wait));
            }
        }
        Due::Now => {}
    }
    let api = Api::<EMQX>::namespaced(ctx.client.clone(), &cluster.key.namespace);
    // Not an apply: an apply fails for a resource that does not fit the schema, and such a resource needs a status.
    let patch = serde_json::from_value(json!([
        {"op": "test", "path": "/metadata/uid", "value": resource.metadata.uid},
        {"op": "add", "path": "/status", "value": status},
    ]))
    .expect("a JSON patch is written correctly");
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    ctx.write_hook(Moment::Before, "status").await;
    let written = api.patch_status(&cluster.key.name, &params, &Patch::Json::<()>(patch)).await;
    ctx.write_hook(Moment::After, "status").await;
    match written {
        Ok(_) => {
            cluster.written.remember(status);
            Ok(None)
        }
        // The resource was deleted, and perhaps created again: a reconcile of the new resource follows.
        Err(kube::Error::Api(refusal)) if matches!(refusal.code, 404 | 409) => Ok(None),
        // The answer cannot be parsed if the spec does not fit its type; the status was written all the same.
        Err(kube::Error::SerdeError(_)) => {
            cluster.written.remember(status);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
