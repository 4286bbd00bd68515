//! The operator: plans on a snapshot, and carries the plan out one action at a time, perhaps much later.

use crate::emqx::{Evacuation, Phase};
use crate::kubernetes::{Claim, keep_annotations};
use crate::sim::Sim;
use crate::spec::BAD;
use crate::view;
use emqx_operator_core::action::{Action, Call, Stage};
use emqx_operator_core::desired::NodeName;
use emqx_operator_core::lifecycle::{How, Permit};
use emqx_operator_core::planted::{Bug, planted};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::ObjectVersion;
use emqx_operator_core::world::{Kind, Live, ObjectId, Ownership};
use emqx_operator_core::{Plan, plan};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A plan that is being carried out.
pub(crate) struct Execution {
    actions: Vec<Action>,
    failed: Option<Stage>,
    /// Of the spec that was planned for.
    generation: i64,
    /// Nodes that a user has opened since.
    pub(crate) opened: BTreeSet<NodeName>,
}

/// The assumption under which the action was planned does not hold any more, or the other side did not answer.
struct NotNow;

pub(crate) fn plan_now(sim: &Sim) -> Plan {
    plan(&sim.in_force, &view::world(sim))
}

impl Sim {
    pub(crate) fn observe(&mut self) {
        self.decide_in_force();
        let plan = plan_now(self);
        self.memory = plan.memory.clone();
        let mut actions = plan.actions;
        self.check_intentions(&actions);
        actions.reverse();
        self.execution =
            Some(Execution { actions, failed: None, generation: self.generation, opened: BTreeSet::new() });
    }

    /// Executes the next action of the plan, if there is one.
    pub(crate) fn execute(&mut self) -> bool {
        let Some(mut execution) = self.execution.take() else { return false };
        let Some(action) = execution.actions.pop() else { return false };
        if execution.failed.is_none_or(|stage| stage >= action.stage()) || action.stands_alone() {
            self.note(|| format!("  does: {action}"));
            self.excuse(&action, &execution.opened);
            if self.carry_out(&action, execution.generation).is_err() {
                self.note(|| "    which fails".to_owned());
                self.excused = None;
                execution.failed = execution.failed.or(action.is_needed().then(|| action.stage()));
            }
            self.writes += 1;
        }
        self.execution = Some(execution);
        true
    }

    /// A user may open a manually evacuated node in the moment in which it is removed; the operator cannot prevent that.
    fn excuse(&mut self, action: &Action, opened: &BTreeSet<NodeName>) {
        let Action::Remove(permit) = action else { return };
        let Some((pod, _)) = permit.pod().filter(|(pod, _)| self.kubernetes.pods.contains_key(*pod)) else { return };
        let excused = opened.contains(&view::node_name(self, pod));
        self.excused = excused.then(|| pod.to_owned());
    }

    fn carry_out(&mut self, action: &Action, generation: i64) -> Result<(), NotNow> {
        match action {
            Action::Create { manifest, .. } | Action::Apply { manifest, .. }
                if manifest.id.kind == Kind::Service && self.kubernetes.refuses_services =>
            {
                Err(NotNow)
            }
            Action::Create { manifest, .. } => {
                if self.kubernetes.objects.contains_key(&manifest.id) {
                    return Err(NotNow);
                }
                self.store(&manifest.id, Value::clone(&manifest.body));
                Ok(())
            }
            Action::Apply { manifest, on, .. } => {
                let live =
                    self.kubernetes.objects.get(&manifest.id).filter(|live| version(live) == *on).ok_or(NotNow)?;
                let mut body = Value::clone(&manifest.body);
                keep_annotations(&live.body, &mut body);
                self.store(&manifest.id, body);
                Ok(())
            }
            Action::Scale { set, from, to } => {
                if set.kind == Kind::StatefulSet && to < from {
                    if self.has_volumes(set) && !planted(Bug::RemakeWithVolumes) {
                        return Err(NotNow);
                    }
                    self.check_remade(set);
                }
                self.scale(set, *from, *to)
            }
            Action::Annotate { id, on, annotations, .. } => self.annotate(id, on, annotations),
            // Storage is not part of these histories, sets are not edited, and no identity is lost.
            Action::GrowVolume { .. } | Action::Adopt { .. } | Action::RestoreTemplate { .. } => Ok(()),
            Action::Delete { id, on, because } => self.delete(id, on, *because),
            Action::Call(call) => self.call(call, generation),
            Action::Remove(permit) => self.remove(permit),
        }
    }

    fn store(&mut self, id: &ObjectId, body: Value) {
        let version = self.kubernetes.next();
        let uid = self.kubernetes.objects.get(id).map_or_else(|| format!("object-{version}"), |live| live.uid.clone());
        let live = Live {
            uid,
            resource_version: version.to_string(),
            ownership: Ownership::Ours,
            body: Arc::new(body),
            terminating: false,
        };
        self.kubernetes.objects.insert(id.clone(), live);
    }

    fn scale(&mut self, set: &ObjectId, from: i32, to: i32) -> Result<(), NotNow> {
        let live = self.kubernetes.objects.get(set).ok_or(NotNow)?;
        if crate::kubernetes::replicas(live) != from {
            return Err(NotNow);
        }
        let mut body = Value::clone(&live.body);
        body["spec"]["replicas"] = to.into();
        self.store(set, body);
        if let Some(shrunk) = self.shrunk.as_mut().filter(|_| set.kind == Kind::ReplicaSet) {
            if to == 0 {
                // The smallest of several groups makes way for a core, and the others make up for it.
                *shrunk = BTreeSet::from([set.clone()]);
            } else if to < from {
                shrunk.insert(set.clone());
            } else if to > from && shrunk.contains(set) {
                self.violate(format!("{set} grows again although nobody wants more"));
            }
        }
        Ok(())
    }

    fn annotate(
        &mut self,
        id: &ObjectId,
        on: &ObjectVersion,
        annotations: &std::collections::BTreeMap<&'static str, Option<String>>,
    ) -> Result<(), NotNow> {
        if id.kind == Kind::Pod {
            let pod = self.kubernetes.pods.get(&id.name).ok_or(NotNow)?;
            if pod.uid != on.uid || pod.version.to_string() != on.resource_version {
                return Err(NotNow);
            }
            if annotations.contains_key("apps.emqx.io/evacuating") {
                self.adopt_evacuation(&id.name);
            }
            let next = self.kubernetes.next();
            let pod = self.kubernetes.pods.get_mut(&id.name).ok_or(NotNow)?;
            if let Some(mark) = annotations.get("apps.emqx.io/evacuating") {
                pod.marked = mark.is_some();
            }
            if let Some(cost) = annotations.get("controller.kubernetes.io/pod-deletion-cost") {
                pod.cost = cost.as_ref().and_then(|text| text.parse().ok()).unwrap_or_default();
            }
            pod.version = next;
            return Ok(());
        }
        let live = self.kubernetes.objects.get(id).ok_or(NotNow)?;
        if version(live) != *on {
            return Err(NotNow);
        }
        let mut body = Value::clone(&live.body);
        if let Some(Some(pod)) = annotations.get("apps.emqx.io/evacuating") {
            pods_of(pod).for_each(|pod| self.adopt_evacuation(pod));
        }
        for (key, value) in annotations {
            match value {
                Some(value) => body["metadata"]["annotations"][*key] = value.clone().into(),
                None => drop(body["metadata"]["annotations"].as_object_mut().and_then(|all| all.remove(*key))),
            }
        }
        self.store(id, body);
        Ok(())
    }

    /// From here on the operator's and a user's evacuation cannot be distinguished.
    fn adopt_evacuation(&mut self, pod: &str) {
        if !self.kubernetes.pods.contains_key(pod) {
            return;
        }
        let node = view::node_name(self, pod);
        if let Some(evacuation) = self.emqx.members.get_mut(&node).and_then(|member| member.evacuation.as_mut()) {
            evacuation.foreign = false;
            self.persist_evacuation(&node, Some(false));
        } else if self.persisted_evacuation(&node) == Some(true) {
            // It is down, and comes back closed.
            self.persist_evacuation(&node, Some(false));
        }
    }

    fn delete(&mut self, id: &ObjectId, on: &ObjectVersion, because: Reason) -> Result<(), NotNow> {
        if id.kind == Kind::PersistentVolumeClaim {
            let same = |claim: &&mut Claim| claim.uid == on.uid && claim.version.to_string() == on.resource_version;
            let claim = self.kubernetes.claims.get_mut(&id.name).filter(same).ok_or(NotNow)?;
            claim.terminating = true;
            self.check_claim_deleted(&id.name, because);
            return Ok(());
        }
        let same = |live: &&Live| live.uid == on.uid && (id.kind != Kind::StatefulSet || version(live) == *on);
        self.kubernetes.objects.get(id).filter(same).ok_or(NotNow)?;
        self.check_set_deleted(id);
        self.kubernetes.objects.remove(id);
        Ok(())
    }

    /// For which generation of the spec it was planned matters where a node is closed.
    fn call(&mut self, call: &Call, generation: i64) -> Result<(), NotNow> {
        if self.emqx.deaf {
            return Err(NotNow);
        }
        match call {
            Call::PutConfig { text, revision } => {
                if text.contains(BAD) {
                    self.config_refused = Some((revision.clone(), self.in_force.image.reference.clone()));
                    return Err(NotNow);
                }
            }
            Call::StartEvacuation { node, options } => {
                if generation != self.generation {
                    return Err(NotNow);
                }
                let open: BTreeSet<_> = self.emqx.open_but(node).into_iter().collect();
                let member = self.emqx.members.get_mut(node).filter(|member| member.running).ok_or(NotNow)?;
                if !options.targets.iter().all(|target| open.contains(target)) {
                    return Err(NotNow);
                }
                match &mut member.evacuation {
                    // A user was faster; EMQX says so, and from here on the evacuation counts as the operator's.
                    Some(evacuation) => evacuation.foreign = false,
                    none => {
                        let (targets, pace) = (options.targets.clone(), options.session_rate);
                        *none = Some(Evacuation { phase: Phase::Waiting, foreign: false, targets, pace });
                    }
                }
                self.persist_evacuation(node, Some(false));
            }
            Call::StopEvacuation { node, .. } => {
                let member = self.emqx.members.get_mut(node).filter(|member| member.running).ok_or(NotNow)?;
                if let Some(evacuation) = member.evacuation.take() {
                    self.check_stopped(node, evacuation.foreign);
                }
                self.persist_evacuation(node, None);
            }
            Call::PlaceShards { sites, .. } => {
                let up = self.sites_up();
                if sites.is_empty() || !sites.iter().all(|site| self.emqx.sites.contains_key(site)) {
                    return Err(NotNow);
                }
                self.check_placement(sites, &up);
                let copies = sites.len().min(3);
                for (number, shard) in self.emqx.shards.iter_mut().enumerate() {
                    shard.target = (0..copies).map(|copy| sites[(number + copy) % sites.len()].clone()).collect();
                }
            }
            Call::ForgetSite { site, .. } => {
                let holds = self.emqx.shards.iter().any(|s| s.replicas.contains(site) || s.target.contains(site));
                // Of a member that is down EMQX hopes that it comes back.
                let member = self.emqx.sites.get(site).is_some_and(|node| self.emqx.members.contains_key(node));
                if holds || member {
                    return Err(NotNow);
                }
                self.check_forgotten(site);
                self.emqx.sites.remove(site);
            }
            // No spec here has any.
            Call::LoadApiKeys { .. } => {}
            Call::ForceLeave { node } => {
                if self.emqx.members.get(node).is_some_and(|member| member.running) {
                    self.violate(format!("{node} was made to leave while it ran"));
                }
                self.emqx.members.remove(node);
            }
        }
        Ok(())
    }

    fn is_unmade(&self, set: &ObjectId, told: i32) -> bool {
        let mut pods = self.kubernetes.pods.iter().filter(|(_, pod)| pod.set == *set);
        match set.kind {
            Kind::StatefulSet => !pods.any(|(name, _)| *name == format!("{}-{}", set.name, told - 1)),
            _ => i32::try_from(pods.filter(|(_, pod)| !pod.terminating).count()).is_ok_and(|present| present < told),
        }
    }

    fn remove(&mut self, permit: &Permit) -> Result<(), NotNow> {
        if permit.generation() != self.generation && !planted(Bug::StaleSpec) {
            return Err(NotNow);
        }
        if let Some((name, on)) = permit.pod() {
            let pod = self.kubernetes.pods.get(name).ok_or(NotNow)?;
            let changed = pod.uid != on.uid || pod.version.to_string() != on.resource_version;
            if changed && !planted(Bug::StalePod) {
                return Err(NotNow);
            }
        }
        match permit.how() {
            How::Recreate => {
                let (name, _) = permit.pod().ok_or(NotNow)?;
                self.check_restart(name);
                self.end(name, "restarted");
                Ok(())
            }
            How::ScaleIn { set, from, to } => {
                if permit.pod().is_none() && !self.is_unmade(set, *from) {
                    return Err(NotNow);
                }
                self.scale(set, *from, *to)?;
                self.check_shrinking(set, permit.pod().map(|(pod, _)| pod));
                Ok(())
            }
        }
    }
}

fn pods_of(mark: &str) -> impl Iterator<Item = &str> {
    mark.split(',')
}

fn version(live: &Live) -> ObjectVersion {
    ObjectVersion { uid: live.uid.clone(), resource_version: live.resource_version.clone() }
}
