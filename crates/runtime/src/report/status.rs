//! Writes the status when it says something new, and not more often than somebody can read.

use crate::context::Context;
use crate::execute::FIELD_MANAGER;
use crate::index::Key;
use crate::resource::StoredEmqx;
use crate::witness::Moment;
use emqx_operator_api::hub::{EMQX, EMQXStatus};
use emqx_operator_core::status::Due;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Progress is shown this often at most. What people and scripts wait for is shown at once.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);

/// What was written last, by cluster: the watch may not have told us yet.
#[derive(Default)]
pub struct Written(Mutex<HashMap<Key, Last>>);

struct Last {
    uid: Option<String>,
    status: EMQXStatus,
    at: Instant,
}

impl Written {
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// The status that is stored, whether or not the watch has told us.
    pub fn prior(&self, key: &Key, resource: &StoredEmqx) -> Option<EMQXStatus> {
        let written = self.lock();
        let last = written.get(key).filter(|last| last.uid == resource.metadata.uid);
        last.map(|last| last.status.clone()).or_else(|| resource.status.clone())
    }

    fn remember(&self, key: &Key, resource: &StoredEmqx, status: EMQXStatus) {
        let last = Last { uid: resource.metadata.uid.clone(), status, at: Instant::now() };
        self.lock().insert(key.clone(), last);
    }

    fn wait(&self, key: &Key) -> Option<Duration> {
        let since = self.lock().get(key)?.at.elapsed();
        PROGRESS_INTERVAL.checked_sub(since).filter(|wait| !wait.is_zero())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Last>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// Writes the status if it is due; otherwise says when to come back for it.
pub async fn write(
    ctx: &Context,
    key: &Key,
    resource: &StoredEmqx,
    status: EMQXStatus,
    due: Due,
) -> Result<Option<Duration>, kube::Error> {
    match due {
        Due::Never => return Ok(None),
        Due::Later => {
            if let Some(wait) = ctx.written.wait(key) {
                return Ok(Some(wait));
            }
        }
        Due::Now => {}
    }
    let api = Api::<EMQX>::namespaced(ctx.client.clone(), &key.namespace);
    // Not an apply: that needs a resource which fits the schema, and one that does not has to be told so.
    let patch = serde_json::from_value(json!([
        {"op": "test", "path": "/metadata/uid", "value": resource.metadata.uid},
        {"op": "add", "path": "/status", "value": status},
    ]))
    .expect("a JSON patch is written correctly");
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    ctx.witness(Moment::Before, "status").await;
    let written = api.patch_status(&key.name, &params, &Patch::Json::<()>(patch)).await;
    ctx.witness(Moment::After, "status").await;
    match written {
        Ok(_) => {
            ctx.written.remember(key, resource, status);
            Ok(None)
        }
        // The resource was deleted, perhaps made again: its own pass will follow.
        Err(kube::Error::Api(refusal)) if matches!(refusal.code, 404 | 409) => Ok(None),
        // The answer cannot be read as our type when the spec is broken; the status was written all the same.
        Err(kube::Error::SerdeError(_)) => {
            ctx.written.remember(key, resource, status);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
