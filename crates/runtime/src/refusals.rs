//! Requests that EMQX has refused. A refused configuration is not sent again and again: EMQX applies the accepted roots each
//! time, which can restart listeners. Other refusals are reported when they repeat: the first may come from an outdated
//! snapshot.

use emqx_operator_core::desired::Desired;
use emqx_operator_core::world::World;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The cause of a refusal may be outside of the spec, for example a certificate, so the request is repeated after this long.
const AGAIN: Duration = Duration::from_mins(10);

/// By request.
#[derive(Default)]
pub struct Refusals(Mutex<BTreeMap<String, Refusal>>);

struct Refusal {
    text: String,
    at: Instant,
    /// The first refusal of a series.
    since: Instant,
    /// The number of refusals in the series.
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
    /// Why EMQX refused the request, if it did recently.
    pub fn of(&self, request: &str) -> Option<String> {
        let refusals = self.0.lock();
        let refusal = refusals.get(request).filter(|refusal| refusal.at.elapsed() < AGAIN)?;
        Some(refusal.text.clone())
    }

    /// Counts a refusal, and returns the number of refusals in a row.
    pub fn note(&self, request: &str, text: &str) -> u32 {
        let mut refusals = self.0.lock();
        refusals.retain(|_, refusal| refusal.at.elapsed() < AGAIN);
        let (before, at) = (refusals.get(request), Instant::now());
        let times = before.map_or(1, |refusal| refusal.times.saturating_add(1));
        let since = before.map_or(at, |refusal| refusal.since);
        refusals.insert(request.to_owned(), Refusal { text: text.to_owned(), at, since, times });
        times
    }

    /// The time between the first and the last refusal in a row.
    pub fn lasting(&self, request: &str) -> Duration {
        self.0.lock().get(request).map_or(Duration::ZERO, |refusal| refusal.at.duration_since(refusal.since))
    }

    /// EMQX has carried the request out.
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
