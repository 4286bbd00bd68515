//! Writes the status when it says something new, and not more often than somebody can read.

use crate::clusters::Cluster;
use crate::context::Context;
use crate::execute::FIELD_MANAGER;
use crate::resource::StoredEmqx;
use crate::witness::Moment;
use emqx_operator_api::hub::{EMQX, EMQXStatus};
use emqx_operator_core::status::Due;
use kube::Api;
use kube::api::{Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// Progress is shown this often at most. What people and scripts wait for is shown at once.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);

/// What was written last: the watch may not have told us yet.
#[derive(Default)]
pub struct Written(Mutex<Option<Last>>);

struct Last {
    status: EMQXStatus,
    at: Instant,
}

impl Written {
    /// The status that is stored, whether or not the watch has told us.
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

/// Writes the status if it is due; otherwise says when to come back for it.
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
    // Not an apply: that needs a resource which fits the schema, and one that does not has to be told so.
    let patch = serde_json::from_value(json!([
        {"op": "test", "path": "/metadata/uid", "value": resource.metadata.uid},
        {"op": "add", "path": "/status", "value": status},
    ]))
    .expect("a JSON patch is written correctly");
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    ctx.witness(Moment::Before, "status").await;
    let written = api.patch_status(&cluster.key.name, &params, &Patch::Json::<()>(patch)).await;
    ctx.witness(Moment::After, "status").await;
    match written {
        Ok(_) => {
            cluster.written.remember(status);
            Ok(None)
        }
        // The resource was deleted, perhaps made again: its own pass will follow.
        Err(kube::Error::Api(refusal)) if matches!(refusal.code, 404 | 409) => Ok(None),
        // The answer cannot be read as our type when the spec is broken; the status was written all the same.
        Err(kube::Error::SerdeError(_)) => {
            cluster.written.remember(status);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
