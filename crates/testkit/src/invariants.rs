//! What must never happen, checked where it would.

use crate::kubernetes::{Claim, Pod, State, ordinal, replicas, template};
use crate::sim::Sim;
use crate::view::node_name;
use emqx_operator_core::desired::{NodeName, Role};
use emqx_operator_core::reason::{Reason, Severity};
use emqx_operator_core::world::{Kind, ObjectId};
use std::collections::BTreeSet;

impl Sim {
    pub(crate) fn violate(&mut self, what: String) {
        self.note(|| format!("VIOLATED: {what}"));
        self.violation.get_or_insert(what);
    }

    /// A pod ends because the operator wanted it to: its sessions must be elsewhere, and it must not hold shards when it
    /// goes for good.
    pub(crate) fn check_leaving(&mut self, pod: &str, why: &str) {
        let node = node_name(self, pod);
        let Some(member) = self.emqx.members.get(&node).filter(|member| member.running) else { return };
        let elsewhere = self.emqx.open_but(&node).iter().any(|other| self.is_ready(other));
        // A node that a user closed after the set was scaled in is unready, and so is deleted first: Kubernetes chooses, and the
        // operator cannot prevent it in time.
        let chosen = member.evacuation.as_ref().is_some_and(|evacuation| evacuation.foreign);
        let elsewhere = elsewhere && !(chosen && member.role == Role::Replicant);
        // No client is led to a node that has never served, but a user may evacuate another node into it, which the operator
        // cannot see in time.
        let given = !self.kubernetes.pods[pod].was_ready && member.was_given;
        let elsewhere = elsewhere && !given && self.excused.as_deref() != Some(pod);
        if self.evacuates && member.sessions > 0 && elsewhere {
            let text =
                format!("{pod} was {why} with {} sessions, {} of them connected", member.sessions, member.connected);
            self.violate(text);
        }
        if why == "scaled in" {
            self.check_shrunk(pod, &node);
        }
    }

    fn is_ready(&self, node: &NodeName) -> bool {
        self.kubernetes.pods.iter().any(|(name, pod)| pod.ready && node_name(self, name) == *node)
    }

    fn check_shrunk(&mut self, pod: &str, node: &NodeName) {
        let held = self.emqx.shards.iter().filter(|shard| {
            let here = |site: &&String| self.emqx.sites.get(*site) == Some(node);
            shard.replicas.iter().chain(&shard.target).any(|site| here(&site))
        });
        let held = held.count();
        if self.spec.durable && held > 0 {
            self.violate(format!("{pod} was scaled in with {held} shards"));
        }
    }

    /// A node restarts: it must be an old one, enough others must serve, and no replicant may lose its last core.
    pub(crate) fn check_restart(&mut self, name: &str) {
        let pod = &self.kubernetes.pods[name];
        if pod.revision == self.revision_of(&pod.set) {
            self.violate(format!("{name} was restarted although it is up to date"));
            return;
        }
        if !pod.ready {
            return;
        }
        if self.refuses_config() {
            self.violate(format!("{name} was restarted with configuration that EMQX refuses"));
            return;
        }
        let tag = pod.tag.clone();
        let cores = || self.kubernetes.pods.iter().filter(|(other, pod)| pod.role == Role::Core && *other != name);
        let serving = cores().filter(|(_, pod)| pod.ready && !pod.terminating).count();
        let needed = usize::try_from(self.spec.cores - 1).unwrap_or(0);
        // One may have broken since the plan was made; two are a plan that did not look.
        let broken = self.broken_since_observation;
        if serving + broken < needed {
            self.violate(format!("{name} was restarted while only {serving} of {needed} other cores served"));
            return;
        }
        let upstream = cores().any(|(_, pod)| pod.tag == tag && pod.state == State::Running && !pod.terminating);
        let followers = self.kubernetes.pods.values().filter(|pod| {
            pod.role == Role::Replicant
                && pod.was_ready
                && pod.tag == tag
                && pod.state == State::Running
                && !pod.terminating
        });
        let followers = followers.count();
        if !upstream && followers > 0 && broken == 0 && self.spec.replicants > 0 {
            self.violate(format!("{name} was restarted under {followers} replicants that have no other core"));
        }
    }

    /// A core with a new volume: EMQX may not remember an old site under its name.
    pub(crate) fn check_fresh_number(&mut self, claim: &str, pod: &str) {
        let node = self.desired.names.core_node(pod);
        if self.emqx.sites.values().any(|other| *other == node) || self.emqx.members.contains_key(&node) {
            self.violate(format!("{claim} is new while EMQX still knows {node}"));
        }
    }

    pub(crate) fn check_claim_deleted(&mut self, claim: &str, because: Reason) {
        let claim = &self.kubernetes.claims[claim];
        let (site, name) = (claim.site.clone(), format!("{}-{}", claim.set, claim.ordinal));
        let holds = self.emqx.shards.iter().any(|shard| shard.replicas.contains(&site) || shard.target.contains(&site));
        let pod = self.kubernetes.pods.contains_key(&name);
        if claim.bound && because == Reason::RemakingCoreSet {
            self.violate(format!("the claim of {name} was deleted although it has a volume"));
            return;
        }
        if (self.spec.durable && holds) || pod {
            self.violate(format!("the volume of {name} was deleted while it was in use"));
        }
    }

    /// A core set is recreated: its cores may have no data.
    pub(crate) fn check_remade(&mut self, set: &ObjectId) {
        if self.has_volumes(set) {
            self.violate(format!("{set} was to be made anew although its cores have volumes"));
        }
    }

    pub(crate) fn has_volumes(&self, set: &ObjectId) -> bool {
        self.kubernetes.claims.values().any(|claim| claim.set == set.name && claim.bound)
    }

    /// A site may be forgotten when no core can come back with it.
    pub(crate) fn check_forgotten(&mut self, site: &str) {
        let mut kept = self.kubernetes.claims.values().filter(|claim| claim.site == site && !claim.terminating);
        if kept.any(|claim| self.kubernetes.pods.contains_key(&format!("{}-{}", claim.set, claim.ordinal))) {
            self.violate(format!("{site} was forgotten while its volume is in use"));
        }
    }

    pub(crate) fn check_stopped(&mut self, node: &NodeName, foreign: bool) {
        if foreign {
            self.violate(format!("the evacuation of {node} by somebody else was stopped"));
        }
    }

    pub(crate) fn check_placement(&mut self, sites: &[String], up: &BTreeSet<String>) {
        if let Some(down) = sites.iter().find(|site| !up.contains(*site)) {
            let recently = self.broken_since_observation > 0;
            if !recently {
                self.violate(format!("shards were placed on {down}, which is not up"));
            }
        }
    }

    /// After every event: shards have a copy, and no more than one core leaves by our hand.
    pub(crate) fn check(&mut self) {
        if self.spec.durable && self.emqx.shards.iter().any(|shard| shard.replicas.is_empty()) {
            self.violate("a shard has no copy left".to_owned());
        }
        let leaving =
            self.kubernetes.pods.values().filter(|pod| pod.role == Role::Core && pod.terminating && pod.was_ready);
        let leaving = leaving.count();
        if leaving > 1 {
            self.violate(format!("{leaving} cores leave at once"));
        }
        // Histories never ask for more than two at once. Nodes that were closed when the spec changed may still be closed.
        for (role, limit) in [(Role::Core, 1), (Role::Replicant, 2)] {
            let closed = self.closed(role);
            let inherited = self.closed_at_edit.entry(role.as_str()).or_default();
            *inherited = closed.min(*inherited);
            if closed > limit.max(*inherited) {
                self.violate(format!("{closed} {} nodes are closed at once", role.as_str()));
            }
        }
    }

    /// Nodes that we have closed. A core that is to go anyway does not count.
    fn closed(&self, role: Role) -> usize {
        let surplus = |node: &NodeName| {
            let pod = node.0.trim_start_matches("emqx@").split('.').next().unwrap_or_default();
            let discarded = || self.set_of(node).is_some_and(|set| self.replaced_by(&set).is_some());
            role == Role::Core && (ordinal(pod) >= self.spec.cores || discarded())
        };
        let closed = self.emqx.members.iter().filter(|(node, member)| {
            let ours = member.evacuation.as_ref().is_some_and(|evacuation| !evacuation.foreign);
            member.role == role && ours && !surplus(node)
        });
        // A core that was closed when it went down comes back closed.
        let kept_closed = self.kubernetes.claims.values().filter(|claim| claim.evacuation == Some(false));
        let down = kept_closed.filter(|claim| {
            let node = self.desired.names.core_node(&format!("{}-{}", claim.set, claim.ordinal));
            let counted = self.emqx.members.get(&node).is_some_and(|member| member.evacuation.is_some());
            let set = ObjectId { kind: Kind::StatefulSet, name: claim.set.clone() };
            let told = self.kubernetes.objects.get(&set).map_or(0, replicas);
            let stays = claim.ordinal < told.min(self.spec.cores) && self.replaced_by(&set).is_none();
            role == Role::Core && !counted && stays
        });
        closed.count() + down.count()
    }

    /// The spec has changed.
    pub(crate) fn edited(&mut self) {
        for role in [Role::Core, Role::Replicant] {
            let closed = self.closed(role);
            self.closed_at_edit.insert(role.as_str(), closed);
        }
    }

    fn revision_of(&self, set: &ObjectId) -> String {
        self.kubernetes.objects.get(set).map(|live| template(live).0).unwrap_or_default()
    }

    /// The operator has nothing to do but what is refused.
    pub(crate) fn is_idle(&self) -> bool {
        crate::operator::plan_now(self).actions.iter().all(|action| !action.is_needed())
    }

    /// As many replicants serve as the spec wants, unless there is none to begin with, no core that could be asked, or one of
    /// them has lost the last core of its version.
    pub(crate) fn is_scaled(&self) -> bool {
        let serving = |role| self.kubernetes.pods.values().filter(move |pod| pod.role == role && pod.ready);
        let replicants = serving(Role::Replicant).count();
        let hangs = |pod: &Pod| pod.role == Role::Replicant && !serving(Role::Core).any(|core| core.tag == pod.tag);
        let hopeless = serving(Role::Core).next().is_none() || self.kubernetes.pods.values().any(hangs);
        replicants == 0 || hopeless || i32::try_from(replicants) == Ok(self.spec.replicants)
    }

    pub(crate) fn not_scaled(&mut self) {
        let plan = crate::operator::plan_now(self);
        self.violate(format!("the replicants that still serve are not as many as wanted:\n{plan}"));
    }

    /// After enough time: no node is closed, also if other steps are impossible.
    pub(crate) fn check_open(&mut self) {
        let closed = self.emqx.members.iter().find(|(_, member)| member.evacuation.is_some());
        if let Some((node, _)) = closed {
            let plan = crate::operator::plan_now(self);
            self.violate(format!("{node} stays closed while something is refused:\n{plan}"));
        }
    }

    /// Without failures and after enough time: the cluster is what the spec says, open, and nothing is left to do.
    pub(crate) fn not_converged(&self) -> Option<String> {
        let plan = crate::operator::plan_now(self);
        if !plan.is_empty() {
            return Some(format!("the plan is not empty:\n{plan}"));
        }
        if plan.holds.iter().any(|hold| hold.reason.severity() == Severity::Progress) {
            let holds: Vec<_> = plan.holds.iter().map(|hold| format!("{} {}", hold.subject, hold.detail)).collect();
            return Some(format!("holds without cause: {}", holds.join("; ")));
        }
        let sets: Vec<_> = self.sets().into_iter().filter(|id| id.kind == Kind::StatefulSet).collect();
        if sets.len() != 1 {
            return Some(format!("there are {} core sets", sets.len()));
        }
        let gone = |claim: &Claim| claim.ordinal >= self.spec.cores || claim.set != sets[0].name;
        if let Some((name, _)) = self.kubernetes.claims.iter().find(|(_, claim)| gone(claim)) {
            return Some(format!("{name} is left of a core that went for good"));
        }
        let closed = self.emqx.members.iter().find(|(_, member)| member.evacuation.is_some());
        if let Some((node, _)) = closed {
            return Some(format!("{node} is still closed"));
        }
        if !plan.report.is_ready() {
            return Some(format!("it is not ready: {:?}", plan.report.conditions.first()));
        }
        let count = |role| self.kubernetes.pods.values().filter(|pod| pod.role == role && pod.ready).count();
        let counts = (count(Role::Core), count(Role::Replicant));
        let wanted = (self.spec.cores, self.spec.replicants);
        let same = i32::try_from(counts.0) == Ok(wanted.0) && i32::try_from(counts.1) == Ok(wanted.1);
        (!same).then(|| format!("{counts:?} nodes serve, {wanted:?} are wanted"))
    }
}
