//! The operator: plans on a snapshot, and carries the plan out one action at a time, perhaps much later.

use crate::emqx::{Evacuation, Phase};
use crate::kubernetes::keep_annotations;
use crate::sim::Sim;
use crate::view;
use emqx_operator_core::action::{Action, Call, Stage, Version};
use emqx_operator_core::lifecycle::{How, Permit};
use emqx_operator_core::planted::{Bug, planted};
use emqx_operator_core::world::{Kind, Live, ObjectId, Ownership};
use emqx_operator_core::{Plan, plan};
use std::collections::BTreeSet;

/// A plan that is being carried out.
pub(crate) struct Pass {
    actions: Vec<Action>,
    failed: Option<Stage>,
}

/// The assumption under which the action was planned does not hold any more, or the other side did not answer.
struct NotNow;

pub(crate) fn plan_now(sim: &Sim) -> Plan {
    plan(&sim.desired, &view::world(sim))
}

impl Sim {
    pub(crate) fn observe(&mut self) {
        let plan = plan_now(self);
        let mut actions = plan.actions;
        self.check_intentions(&actions);
        actions.reverse();
        self.pass = Some(Pass { actions, failed: None });
    }

    /// Executes the next action of the plan, if there is one.
    pub(crate) fn execute(&mut self) -> bool {
        let Some(mut pass) = self.pass.take() else { return false };
        let Some(action) = pass.actions.pop() else { return false };
        // A failure stops later stages.
        if pass.failed.is_none_or(|stage| stage >= action.stage()) {
            self.note(|| format!("  does: {action}"));
            if self.carry_out(&action).is_err() {
                self.note(|| "    which fails".to_owned());
                pass.failed = Some(action.stage());
            }
            self.writes += 1;
        }
        self.pass = Some(pass);
        true
    }

    fn carry_out(&mut self, action: &Action) -> Result<(), NotNow> {
        match action {
            Action::Create(manifest) => {
                if !self.kubernetes.objects.contains_key(&manifest.id) {
                    self.store(&manifest.id, manifest.body.clone());
                }
                Ok(())
            }
            Action::Apply { manifest, on, .. } => {
                let live = self.kubernetes.objects.get(&manifest.id);
                if live.map(version) != on.clone() {
                    return Err(NotNow);
                }
                let mut body = manifest.body.clone();
                if let Some(live) = live {
                    keep_annotations(&live.body, &mut body);
                }
                self.store(&manifest.id, body);
                Ok(())
            }
            Action::Scale { set, from, to } => self.scale(set, *from, *to),
            Action::Annotate { id, on, annotations, .. } => self.annotate(id, on, annotations),
            // Storage is not part of these histories.
            Action::GrowVolume { .. } => Ok(()),
            Action::Delete { id, on, .. } => self.delete(id, on),
            Action::Call(call) => self.call(call),
            Action::Remove(permit) => self.remove(permit),
        }
    }

    fn store(&mut self, id: &ObjectId, body: serde_json::Value) {
        let version = self.kubernetes.next();
        let uid = self.kubernetes.objects.get(id).map_or_else(|| format!("object-{version}"), |live| live.uid.clone());
        let live =
            Live { uid, resource_version: version.to_string(), ownership: Ownership::Ours, body, terminating: false };
        self.kubernetes.objects.insert(id.clone(), live);
    }

    fn scale(&mut self, set: &ObjectId, from: i32, to: i32) -> Result<(), NotNow> {
        let live = self.kubernetes.objects.get(set).ok_or(NotNow)?;
        if crate::kubernetes::replicas(live) != from {
            return Err(NotNow);
        }
        let mut body = live.body.clone();
        body["spec"]["replicas"] = to.into();
        self.store(set, body);
        Ok(())
    }

    fn annotate(
        &mut self,
        id: &ObjectId,
        on: &Version,
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
        let mut body = live.body.clone();
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

    /// From here on nobody can tell who emptied it.
    fn adopt_evacuation(&mut self, pod: &str) {
        if !self.kubernetes.pods.contains_key(pod) {
            return;
        }
        let node = view::node_name(self, pod);
        if let Some(evacuation) = self.emqx.members.get_mut(&node).and_then(|member| member.evacuation.as_mut()) {
            evacuation.foreign = false;
            self.persist_evacuation(&node, Some(false));
        }
    }

    fn delete(&mut self, id: &ObjectId, on: &Version) -> Result<(), NotNow> {
        if id.kind == Kind::PersistentVolumeClaim {
            let claim = self.kubernetes.claims.get_mut(&id.name).filter(|claim| claim.uid == on.uid).ok_or(NotNow)?;
            claim.terminating = true;
            self.check_claim_deleted(&id.name);
            return Ok(());
        }
        let same = |live: &&Live| live.uid == on.uid && (id.kind != Kind::StatefulSet || version(live) == *on);
        self.kubernetes.objects.get(id).filter(same).ok_or(NotNow)?;
        self.check_set_deleted(id);
        self.kubernetes.objects.remove(id);
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Result<(), NotNow> {
        if self.emqx.deaf {
            return Err(NotNow);
        }
        match call {
            Call::PutConfig { .. } => {}
            Call::StartEvacuation { node, options } => {
                let open: BTreeSet<_> = self.emqx.open_but(node).into_iter().collect();
                let member = self.emqx.members.get_mut(node).filter(|member| member.running).ok_or(NotNow)?;
                if !options.targets.iter().all(|target| open.contains(target)) {
                    return Err(NotNow);
                }
                match &mut member.evacuation {
                    // Somebody was faster; EMQX says so, and from here on it is ours.
                    Some(evacuation) => evacuation.foreign = false,
                    none => {
                        let targets = options.targets.clone();
                        *none = Some(Evacuation { phase: Phase::Waiting, foreign: false, targets });
                    }
                }
                self.persist_evacuation(node, Some(false));
            }
            Call::StopEvacuation { node } => {
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
            Call::ForgetSite { site } => {
                let holds = self.emqx.shards.iter().any(|s| s.replicas.contains(site) || s.target.contains(site));
                if holds || self.sites_up().contains(site) {
                    return Err(NotNow);
                }
                self.emqx.sites.remove(site);
            }
            Call::ForceLeave { node } => {
                if self.emqx.members.get(node).is_some_and(|member| member.running) {
                    self.violate(format!("{node} was made to leave while it ran"));
                }
                self.emqx.members.remove(node);
            }
        }
        Ok(())
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
            How::Restart => {
                let (name, _) = permit.pod().ok_or(NotNow)?;
                self.check_restart(name);
                self.end(name, "restarted");
                Ok(())
            }
            How::Shrink { set, from, to } => {
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

fn version(live: &Live) -> Version {
    Version { uid: live.uid.clone(), resource_version: live.resource_version.clone() }
}
