//! A rollout has to get on. What is seen of the nodes is compared with what was seen before; when nothing has changed for
//! the time that the user allows, the status says so and why. Where the new nodes do not come up, and the user wants it, the
//! templates that last worked take their place.
//!
//! *Never* gives up templates for which there is nothing to go back to, and none whose nodes serve: old nodes that fail to drain
//! do not discredit the new revision.

use crate::action::{Action, Stage};
use crate::build::last_good;
use crate::desired::{Desired, LastGood, Role, RolledBack, canonical, digest};
use crate::lifecycle::facts::config;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Hold, Part, Wake};
use crate::planted::{Bug, planted};
use crate::reason::{Reason, Severity};
use crate::world::{Kind, LOOK, Node, NodeVerdict, Reading, Rollout};
use jiff::SignedDuration;
use serde_json::json;

/// Seconds in which a node takes its next step when it has waited.
const MARGIN: i32 = 60;

/// How far the rollout is, if one is under way.
pub(in crate::lifecycle) fn follow(topology: &Topology<'_>) -> Option<Rollout> {
    let stands_still = topology.desired.paused || topology.keeps_nodes();
    if stands_still || is_converged(topology) || (is_unknown(topology) && is_complete(topology, |_| true)) {
        return None;
    }
    let before = topology.world.memory.rollout.as_ref();
    let (revision, seen) = (topology.desired.templates.revision(), seen(topology, before));
    let same = before.filter(|before| before.revision == revision && before.seen == seen);
    // A gap in which the operator was away is not held against the nodes.
    let idle = same.map_or(SignedDuration::ZERO, |before| {
        before.idle + topology.world.now.duration_since(before.looked).clamp(SignedDuration::ZERO, LOOK)
    });
    Some(Rollout { revision, seen, idle, looked: topology.world.now })
}

/// `holds` are those of the other rules: they say what is awaited.
pub(in crate::lifecycle) fn plan(topology: &Topology<'_>, rollout: Option<&Rollout>, holds: &[Hold]) -> Part {
    let mut part = Part::default();
    let record = record(topology);
    if let Some(rolled_back) = &topology.desired.rolled_back {
        let text = format!(
            "did not come up and was given up at {:.0}: {}. Nodes are as they last worked; correct the spec, or set the \
             annotation apps.emqx.io/restart-requested-at to try again",
            rolled_back.at, rolled_back.why
        );
        part.hold(Reason::RolledBack, format!("revision {}", rolled_back.revision), text, Wake::Watch);
    } else if is_converged(topology) && is_configured(topology) {
        part.actions.extend(remember(topology, record.as_ref()));
    }
    let Some(rollout) = rollout else { return part };
    let allowed = allowed(topology.desired);
    if rollout.idle < SignedDuration::from_secs(allowed.into()) {
        return part;
    }
    let why = awaited(holds);
    let given_up = record.filter(|record| gives_up(topology, record)).map(|record| {
        let rolled_back = RolledBack { revision: rollout.revision.clone(), at: topology.world.now, why: why.clone() };
        LastGood { rolled_back: Some(rolled_back), ..record }
    });
    match given_up {
        Some(record) => part.ensure(topology.world, last_good(topology.desired, &record), Stage::Intent),
        None => {
            let text = format!("has made no progress for {allowed} s: {why}");
            part.hold(Reason::ProgressDeadlineExceeded, format!("revision {}", rollout.revision), text, Wake::Poll(30));
        }
    }
    part
}

/// Seconds without progress: what the user says, unless nodes wait as long as that because the spec itself says so.
fn allowed(desired: &Desired) -> i32 {
    let (strategy, cores) = (&desired.update_strategy, desired.cores.template.min_ready_seconds);
    let replicants = desired.replicants.as_ref().map_or(0, |pool| pool.template.min_ready_seconds);
    let evacuation = &strategy.evacuation_strategy;
    let waits = [evacuation.wait_health_check, evacuation.wait_takeover, cores, replicants];
    let longest = waits.into_iter().max().unwrap_or_default();
    let deadline = strategy.progress_deadline_seconds;
    if longest < deadline { deadline } else { longest.saturating_add(MARGIN) }
}

fn record(topology: &Topology<'_>) -> Option<LastGood> {
    let live = topology.world.live(Kind::Secret, &topology.desired.names.last_good())?;
    LastGood::read_body(&live.body)
}

/// Writes down what works.
fn remember(topology: &Topology<'_>, record: Option<&LastGood>) -> Vec<Action> {
    let mut part = Part::default();
    let works = LastGood { templates: topology.desired.templates.clone(), rolled_back: None };
    if topology.desired.update_strategy.rollback_on_failure && record != Some(&works) {
        part.ensure(topology.world, last_good(topology.desired, &works), Stage::Marks);
    }
    part.actions
}

/// Whether to return to what is in this record.
fn gives_up(topology: &Topology<'_>, record: &LastGood) -> bool {
    let other = record.templates != topology.desired.templates && topology.desired.rolled_back.is_none();
    let at_fault = [Role::Core, Role::Replicant].into_iter().any(|role| fails(topology, role));
    topology.desired.update_strategy.rollback_on_failure && other && (at_fault || planted(Bug::GiveUpWorking))
}

/// A new node does not come up, or cannot be made. A node that came up and is not ready has been closed: by whom, or why, is not
/// the fault of its template. Where EMQX does not say who is closed, a node that has never been ready may be.
fn fails(topology: &Topology<'_>, role: Role) -> bool {
    let asked = topology.world.broker.fresh().map(|broker| &broker.evacuations);
    let is_clear = !matches!(asked, Some(Reading::Unavailable(_)));
    let at_fault = |verdict| match verdict {
        NodeVerdict::Works | NodeVerdict::Unready | NodeVerdict::Settles => false,
        NodeVerdict::Starts | NodeVerdict::NeverReady => is_clear,
        NodeVerdict::Unsteady
        | NodeVerdict::CannotStartAgain
        | NodeVerdict::CannotBePlaced
        | NodeVerdict::Crashes
        | NodeVerdict::CannotStart => true,
    };
    topology.is_refused(role) || topology.verdicts(role).any(at_fault)
}

/// All nodes are of the wanted templates, there are as many as wanted, and they serve.
fn is_converged(topology: &Topology<'_>) -> bool {
    is_complete(topology, Node::is_member)
}

/// EMQX does not say who is a member.
fn is_unknown(topology: &Topology<'_>) -> bool {
    topology.world.broker.fresh().is_none()
}

fn is_complete(topology: &Topology<'_>, is_member: impl Fn(&Node) -> bool) -> bool {
    [Role::Core, Role::Replicant].into_iter().all(|role| {
        let pool = topology.world.pool(role);
        let serves = |node: &Node| node.available && is_member(node) && !topology.is_outdated(node);
        pool.spec_replicas() == topology.wanted(role)
            && i32::try_from(pool.nodes.len()) == Ok(topology.wanted(role))
            && pool.nodes.iter().all(|node| serves(node) && !node.is_terminating())
    })
}

/// EMQX has taken the configuration.
fn is_configured(topology: &Topology<'_>) -> bool {
    let running = config::running_revision(topology.desired, topology.world);
    running.as_ref() == Some(&topology.desired.config.runtime_revision)
}

/// All that changes while a rollout gets on, as two digests. What only EMQX knows is as before while it does not answer.
fn seen(topology: &Topology<'_>, before: Option<&Rollout>) -> String {
    let world = topology.world;
    let short = |value| digest(&canonical(&value))[..8].to_owned();
    // While old replicants are only scaled, their coming and going leads to nothing new.
    let only_scaled = topology.keeps_old_replicants();
    let scaled = |role: Role, set: &str| only_scaled && role == Role::Replicant && !topology.is_target(role, set);
    let replicants = world.replicants.sets.iter().filter(|set| !scaled(Role::Replicant, &set.name));
    let sets: Vec<_> = world.cores.sets.iter().chain(replicants).map(|set| (&set.name, set.wanted)).collect();
    let nodes = || world.nodes().filter(|node| !scaled(node.role, &node.set));
    // One that crashes again and again gets ready in between.
    let ready = |node: &Node| node.is_ready() && !node.unsteady;
    let told =
        nodes().map(|node| json!([node.uid, node.revision, ready(node), node.is_terminating(), node.evacuating_by_us]));
    let claims: Vec<_> = world.claims.iter().map(|claim| &claim.uid).collect();
    let kubernetes = short(json!([sets, told.collect::<Vec<_>>(), claims]));
    let emqx = match world.broker.fresh() {
        Some(broker) => {
            let leaving = nodes().filter(|node| node.evacuation.is_some());
            let leaving =
                leaving.map(|node| json!([node.pod, node.evacuation, node.broker.as_ref().map(|b| b.sessions)]));
            // Cores that are to leave the cluster. One that has a pod may come and go with every crash.
            let core = |told: &crate::world::BrokerNode| told.role.as_deref() != Some("replicant");
            let left = broker.nodes.iter().filter(|(_, told)| core(told)).map(|(name, _)| name);
            let left = left.filter(|name| !world.nodes().any(|node| node.name.as_ref() == Some(name)));
            short(json!([leaving.collect::<Vec<_>>(), broker.storage, left.collect::<Vec<_>>()]))
        }
        None => {
            before.and_then(|before| before.seen.split_once('-')).map(|(_, emqx)| emqx.to_owned()).unwrap_or_default()
        }
    };
    format!("{kubernetes}-{emqx}")
}

/// The most telling of what the other rules say.
fn awaited(holds: &[Hold]) -> String {
    let of = |severity| holds.iter().find(move |hold: &&Hold| hold.reason.severity() == severity);
    match of(Severity::Trouble).or_else(|| of(Severity::Progress)) {
        Some(hold) => format!("{} {hold}", hold.subject),
        None => "nodes have not got ready".to_owned(),
    }
}
