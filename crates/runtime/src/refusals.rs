//! What EMQX has refused. A configuration that it refuses is not sent again and again: EMQX applies the roots that it
//! likes each time, which can restart listeners. Of other requests users hear when they are refused repeatedly: the first
//! time the world may have moved on.

use emqx_operator_core::desired::Desired;
use emqx_operator_core::world::World;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// What EMQX refuses may also be the fault of something outside of the spec, such as a certificate.
const AGAIN: Duration = Duration::from_mins(10);

/// By request.
#[derive(Default)]
pub struct Refusals(Mutex<BTreeMap<String, Refusal>>);

struct Refusal {
    text: String,
    at: Instant,
    /// Of those in a row, the first.
    since: Instant,
    /// In a row.
    times: u32,
}

/// The request to put this configuration in force on nodes with this image. Other cores may have files that these lack.
pub fn config(desired: &Desired, world: &World) -> String {
    let pods: Vec<_> = world.cores.nodes.iter().map(|node| node.uid.as_str()).collect();
    config_of(&desired.config.runtime_revision, &desired.image.reference, &pods)
}

fn config_of(revision: &str, image: &str, pods: &[&str]) -> String {
    format!("config {revision} of {image} on {}", pods.join(" "))
}

impl Refusals {
    /// Why EMQX refused this, if it did lately.
    pub fn of(&self, request: &str) -> Option<String> {
        let refusals = self.0.lock();
        let refusal = refusals.get(request).filter(|refusal| refusal.at.elapsed() < AGAIN)?;
        Some(refusal.text.clone())
    }

    /// How often in a row by now.
    pub fn note(&self, request: &str, text: &str) -> u32 {
        let mut refusals = self.0.lock();
        refusals.retain(|_, refusal| refusal.at.elapsed() < AGAIN);
        let (before, at) = (refusals.get(request), Instant::now());
        let times = before.map_or(1, |refusal| refusal.times.saturating_add(1));
        let since = before.map_or(at, |refusal| refusal.since);
        refusals.insert(request.to_owned(), Refusal { text: text.to_owned(), at, since, times });
        times
    }

    /// For how long it has been so, each time that it was tried.
    pub fn lasting(&self, request: &str) -> Duration {
        self.0.lock().get(request).map_or(Duration::ZERO, |refusal| refusal.at.duration_since(refusal.since))
    }

    /// EMQX has done it.
    pub fn settle(&self, request: &str) {
        self.0.lock().remove(request);
    }
}

#[cfg(test)]
mod tests {
    use super::{Refusals, config_of};

    #[test]
    fn what_is_refused_is_remembered_by_request_until_it_is_done() {
        let refusals = Refusals::default();
        let (old, new) = (config_of("a", "emqx/emqx:5.10.4", &["p"]), config_of("a", "emqx/emqx:6.0.0", &["p"]));
        assert_eq!(refusals.note(&old, "unknown field"), 1);
        assert_eq!(refusals.note(&old, "unknown field"), 2);
        assert_eq!(refusals.of(&old).as_deref(), Some("unknown field"));
        assert_eq!(refusals.of(&new), None, "another image may know it");
        let replaced = config_of("a", "emqx/emqx:5.10.4", &["q"]);
        assert_eq!(refusals.of(&replaced), None, "another pod may have the file");
        refusals.settle(&old);
        assert_eq!(refusals.of(&old), None);
        assert_eq!(refusals.note(&old, "unknown field"), 1, "in a row");
    }
}
