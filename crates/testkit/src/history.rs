//! Random histories: what happens, in which order, is drawn from the seed.

use crate::emqx::{Evacuation, Phase};
use crate::kubernetes::{Claim, replicas};
use crate::sim::Sim;
use crate::spec::{PROGRESS_DEADLINE, Spec};
use crate::view::{self, node_name};
use emqx_operator_core::desired::Role;
use emqx_operator_core::world::{Kind, Memory, ObjectId};
use rand::Rng as _;
use std::collections::BTreeSet;

/// A history that broke an invariant or did not settle.
#[derive(Debug)]
pub struct Failure {
    pub seed: u64,
    pub what: String,
    pub log: Vec<String>,
}

/// What a history amounted to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub events: u64,
    pub writes: u64,
}

/// Rounds without failures after which a cluster must have converged: far more than it takes.
const QUIET_ROUNDS: usize = 900;

/// Runs one history. The same seed gives the same history.
pub fn run(seed: u64, events: usize) -> Result<Tally, Failure> {
    match attempt(seed, events, false) {
        Ok(tally) => Ok(tally),
        // Only a history that failed is repeated, with its log.
        Err(_) => Err(attempt(seed, events, true).expect_err("a seed gives the same history every time")),
    }
}

fn attempt(seed: u64, events: usize, verbose: bool) -> Result<Tally, Failure> {
    let mut sim = begin(seed, verbose);
    let mut tally = Tally::default();
    for _ in 0..events {
        event(&mut sim);
        sim.check();
        tally.events += 1;
        if sim.violation.is_some() {
            return Err(failure(seed, &mut sim));
        }
    }
    scales_while_stuck(&mut sim);
    opens_while_refused(&mut sim);
    converge(&mut sim);
    if sim.violation.is_none() {
        sim.violation = sim.not_converged().map(|what| format!("never converges: {what}"));
    }
    tally.writes = sim.writes;
    if sim.violation.is_some() { Err(failure(seed, &mut sim)) } else { Ok(tally) }
}

fn failure(seed: u64, sim: &mut Sim) -> Failure {
    Failure { seed, what: sim.violation.clone().unwrap_or_default(), log: sim.take_log() }
}

/// Mostly a cluster that has come up already, so that histories are about what follows.
fn begin(seed: u64, verbose: bool) -> Sim {
    let spec = Spec {
        image: 0,
        broken: false,
        cores: 2,
        replicants: 0,
        evacuation: true,
        surge: 0,
        unavailable: 1,
        durable: false,
        restarts: 0,
        blue_green: false,
        bad_config: false,
        bad_volumes: false,
        rollback: false,
        pace: 500,
    };
    let mut sim = Sim::new(seed, spec.clone(), verbose);
    let mut spec = Spec {
        cores: sim.rng.random_range(1..=4),
        replicants: if sim.rng.random_bool(0.6) { sim.rng.random_range(0..=4) } else { 0 },
        evacuation: sim.rng.random_bool(0.9),
        surge: sim.rng.random_range(0..=2),
        unavailable: sim.rng.random_range(0..=2),
        durable: sim.rng.random_bool(0.5),
        blue_green: sim.strategies.random_bool(0.5),
        rollback: sim.losses.random_bool(0.3),
        ..spec
    };
    make_valid(&mut spec);
    sim.evacuates = spec.evacuation;
    // Some clusters never start before their spec is corrected.
    spec.bad_volumes = sim.volumes.random_bool(0.05);
    let comes_up = !spec.bad_volumes;
    sim.edit(spec);
    if comes_up {
        converge(&mut sim);
    }
    sim
}

/// What the schema would refuse.
fn make_valid(spec: &mut Spec) {
    if spec.replicants > 0 {
        spec.cores = spec.cores.max(2);
    }
    if spec.surge == 0 {
        spec.unavailable = spec.unavailable.max(1);
    }
}

fn event(sim: &mut Sim) {
    sim.now += sim.rng.random_range(0..3);
    if sim.losses.random_bool(0.002) {
        let number = sim.losses.random_range(0..sim.kubernetes.claims.len().max(4));
        sim.lose_volume(number);
    }
    if sim.volumes.random_bool(0.01) {
        let number = sim.volumes.random_range(0..4);
        // A claim that is bound after its set began to go is left to the user.
        let sets = &sim.kubernetes.objects;
        let used = |claim: &Claim| {
            let set = ObjectId { kind: Kind::StatefulSet, name: claim.set.clone() };
            sets.get(&set).is_some_and(|live| claim.ordinal < replicas(live))
        };
        let mut claims = sim.kubernetes.claims.iter().filter(|(_, claim)| used(claim));
        if let Some(name) = claims.nth(number).map(|(name, _)| name.clone()) {
            sim.bind_claim(&name);
        }
    }
    if sim.spec.rollback && sim.losses.random_bool(0.02) {
        sim.now += PROGRESS_DEADLINE;
    }
    if sim.refusals.random_bool(0.02) {
        sim.kubernetes.refuses_services = !sim.kubernetes.refuses_services;
    }
    // After a while the operator asks again.
    if sim.refusals.random_bool(0.01) {
        sim.config_refused = None;
    }
    match sim.rng.random_range(0..100) {
        0..=13 => {
            sim.broken_since_observation = 0;
            sim.observe();
        }
        14..=35 => drop(sim.execute()),
        36..=47 => sim.run_controllers(),
        48..=65 => {
            if let Some(pod) = sim.random_pod() {
                sim.advance(&pod);
            }
        }
        66..=77 => {
            if let Some(node) = sim.random_member() {
                sim.evacuate(&node);
            }
        }
        78..=83 => connect(sim),
        84..=86 => client_leaves(sim),
        87..=89 => {
            let up = sim.sites_up();
            let number = sim.rng.random_range(0..4);
            sim.emqx.move_shard(number, &up);
        }
        90..=92 => edit(sim),
        93..=94 => {
            if let Some(pod) = sim.random_pod() {
                sim.crash(&pod);
            }
        }
        95 => sim.emqx.deaf = sim.rng.random_bool(0.3),
        96 => sim.emqx.half_deaf = sim.rng.random_bool(0.3),
        97 if sim.rng.random_bool(0.5) => {
            let unlisted = sim.random_member().filter(|node| sim.emqx.members[node].running);
            sim.emqx.unlisted = unlisted.filter(|_| sim.rng.random_bool(0.6));
            sim.emqx.said_to_be_stopped = sim.cuts.random_bool(0.5);
        }
        97 => foreign_evacuation(sim),
        // The operator is killed.
        98 => (sim.execution, sim.memory, sim.config_refused) = (None, Memory::default(), None),
        _ => {
            for _ in 0..20 {
                one_round(sim);
            }
        }
    }
}

/// A client connects where the Service leads it, or where it was led a moment ago.
fn connect(sim: &mut Sim) {
    let role = if sim.spec.replicants > 0 { Role::Replicant } else { Role::Core };
    let led_to = sim.kubernetes.pods.keys().filter(|pod| sim.leads_to(pod, role));
    let nodes: Vec<_> = led_to.map(|name| node_name(sim, name)).collect();
    if nodes.is_empty() {
        return;
    }
    let node = nodes[sim.rng.random_range(0..nodes.len())].clone();
    if let Some(member) = sim.emqx.members.get_mut(&node).filter(|member| member.is_open()) {
        member.sessions += 1;
        member.connected += 1;
        sim.note(|| format!("a client connects to {node}"));
    }
}

fn client_leaves(sim: &mut Sim) {
    let expires = sim.rng.random_bool(0.2);
    let Some(node) = sim.random_member() else { return };
    let Some(member) = sim.emqx.members.get_mut(&node).filter(|member| member.connected > 0) else { return };
    member.connected -= 1;
    if expires {
        member.sessions -= 1;
    }
}

fn edit(sim: &mut Sim) {
    let mut spec = sim.spec.clone();
    match sim.rng.random_range(0..10) {
        0..=2 => spec.image = sim.rng.random_range(0..3),
        3 => spec.broken = !spec.broken,
        4 | 5 => spec.cores = sim.rng.random_range(1..=4),
        6 | 7 => spec.replicants = sim.rng.random_range(0..=4),
        8 => spec.restarts = spec.restarts.wrapping_add(1),
        _ => {
            spec.surge = sim.rng.random_range(0..=2);
            spec.unavailable = sim.rng.random_range(0..=2);
        }
    }
    if sim.strategies.random_bool(0.15) {
        spec.blue_green = !spec.blue_green;
    }
    if sim.refusals.random_bool(0.2) {
        spec.bad_config = !spec.bad_config;
    }
    if sim.volumes.random_bool(if spec.bad_volumes { 0.3 } else { 0.03 }) {
        spec.bad_volumes = !spec.bad_volumes;
    }
    if sim.paces.random_bool(0.1) {
        spec.pace = if spec.pace == 500 { 50 } else { 500 };
    }
    make_valid(&mut spec);
    sim.edit(spec);
}

/// A user evacuates a node, or opens the node that was evacuated.
fn foreign_evacuation(sim: &mut Sim) {
    let Some(node) = sim.random_member() else { return };
    // A node that the operator has recorded counts as its own; a user's evacuation of it cannot be distinguished.
    if view::world(sim).nodes().any(|seen| seen.name.as_ref() == Some(&node) && seen.evacuating_by_us) {
        return;
    }
    let Some(member) = sim.emqx.members.get_mut(&node).filter(|member| member.running) else { return };
    match &member.evacuation {
        None => {
            member.evacuation =
                Some(Evacuation { phase: Phase::Waiting, foreign: true, targets: Vec::new(), pace: 500 });
            sim.persist_evacuation(&node, Some(true));
            sim.broken_since_observation += 1;
            sim.note(|| format!("a user evacuates {node}"));
        }
        Some(evacuation) if evacuation.foreign => {
            member.evacuation = None;
            sim.persist_evacuation(&node, None);
            if let Some(execution) = &mut sim.execution {
                execution.opened.insert(node.clone());
            }
            sim.note(|| format!("a user opens {node}"));
        }
        Some(_) => {}
    }
}

/// There are no more failures, but the image does not start. The old replicants are still as many as wanted.
fn scales_while_stuck(sim: &mut Sim) {
    if sim.violation.is_some() || !sim.spec.broken || sim.spec.rollback || sim.kubernetes.refuses_services {
        return;
    }
    clear_faults(sim);
    sim.note(|| "the image does not start still".to_owned());
    // Evacuations that began before the spec changed are completed, and may need replacements.
    let begun = sim.kubernetes.pods.values().any(|pod| pod.role == Role::Replicant && pod.marked);
    // While ordinals of cores are retired it is unknown for how long no other core exists.
    let begun = begun || view::world(sim).cores.sets.iter().any(|set| set.retired().is_some());
    sim.shrunk = (!begun).then(BTreeSet::new);
    for round in 0..QUIET_ROUNDS {
        one_round(sim);
        sim.check();
        if sim.violation.is_some() || (round % 10 == 9 && sim.is_scaled()) {
            sim.shrunk = None;
            return;
        }
    }
    sim.not_scaled();
}

/// There are no more failures, but refused requests are still refused. No node stays closed for that.
fn opens_while_refused(sim: &mut Sim) {
    if sim.violation.is_some() || !(sim.spec.bad_config || sim.kubernetes.refuses_services) {
        return;
    }
    correct_image(sim);
    clear_faults(sim);
    sim.note(|| "what was refused is refused still".to_owned());
    let closed = |sim: &Sim| sim.emqx.members.values().any(|member| member.evacuation.is_some());
    for _ in 0..QUIET_ROUNDS {
        one_round(sim);
        sim.check();
        if sim.violation.is_some() {
            return;
        }
        // No work is under way or pending.
        if !closed(sim) && sim.is_idle() {
            return;
        }
    }
    sim.check_open();
}

/// There are no more failures, and users have corrected their mistakes.
fn converge(sim: &mut Sim) {
    if sim.violation.is_some() {
        return;
    }
    correct_image(sim);
    clear_faults(sim);
    sim.kubernetes.refuses_services = false;
    let mut spec = Spec { bad_config: false, bad_volumes: false, ..sim.spec.clone() };
    sim.edit(spec.clone());
    sim.note(|| "there are no more failures".to_owned());
    let mut tried_again = false;
    for round in 0..QUIET_ROUNDS {
        one_round(sim);
        sim.check();
        // Retries a rollout that was rolled back because of failures.
        if sim.in_force.rolled_back.is_some() && !tried_again {
            spec.restarts = spec.restarts.wrapping_add(1);
            sim.edit(spec.clone());
            tried_again = true;
        }
        if sim.violation.is_some() || (round % 10 == 9 && sim.not_converged().is_none()) {
            return;
        }
    }
}

fn correct_image(sim: &mut Sim) {
    let spec = Spec { broken: false, ..sim.spec.clone() };
    sim.edit(spec);
}

fn clear_faults(sim: &mut Sim) {
    (sim.emqx.deaf, sim.emqx.half_deaf, sim.emqx.unlisted) = (false, false, None);
    for pod in sim.kubernetes.pods.values_mut() {
        pod.crashes = 0;
    }
    let foreign: Vec<_> =
        sim.kubernetes.claims.iter_mut().filter(|(_, claim)| claim.evacuation == Some(true)).collect();
    for (_, claim) in foreign {
        claim.evacuation = None;
    }
    for member in sim.emqx.members.values_mut() {
        member.evacuation = member.evacuation.take().filter(|evacuation| !evacuation.foreign);
    }
}

/// Operator, controllers, kubelet and EMQX each take one step.
fn one_round(sim: &mut Sim) {
    sim.now += 1;
    sim.broken_since_observation = 0;
    sim.observe();
    while sim.execute() {}
    sim.run_controllers();
    let pods: Vec<_> = sim.kubernetes.pods.keys().cloned().collect();
    for pod in pods {
        sim.advance(&pod);
    }
    let nodes: Vec<_> = sim.emqx.members.keys().cloned().collect();
    for node in nodes {
        sim.evacuate(&node);
    }
    let up = sim.sites_up();
    for number in 0..sim.emqx.shards.len() {
        sim.emqx.move_shard(number, &up);
    }
}
