//! Invariants while one core set stands beside another.

use crate::kubernetes::{Pod, State, ordinal, replicas, template};
use crate::sim::Sim;
use crate::view::{self, created, marked, node_name};
use emqx_operator_api::label;
use emqx_operator_core::action::{Action, Call};
use emqx_operator_core::build::Manifest;
use emqx_operator_core::desired::{LastGood, NodeName, Role};
use emqx_operator_core::lifecycle::How;
use emqx_operator_core::world::{Kind, Live, ObjectId};

impl Sim {
    /// Whether the set has the template of the spec in force.
    fn is_new(&self, live: &Live) -> bool {
        let annotations = &live.body["spec"]["template"]["metadata"]["annotations"];
        self.is_wanted_tag(&template(live).1)
            && annotations["apps.emqx.io/restart-requested-at"].as_str()
                == self.in_force.restart_requested_at.as_deref()
    }

    fn is_wanted_tag(&self, tag: &str) -> bool {
        self.in_force.image.reference.strip_prefix("emqx/emqx:") == Some(tag)
    }

    /// The core set that replaces this set: it has the template of the spec; of several the oldest is the target.
    pub(crate) fn replaced_by(&self, set: &ObjectId) -> Option<ObjectId> {
        let of = |kind: Kind| self.kubernetes.objects.iter().filter(move |(id, _)| id.kind == kind);
        if of(set.kind).any(|(id, live)| id == set && self.is_new(live)) {
            return None;
        }
        let new = of(set.kind).filter(|(id, live)| *id != set && self.is_new(live));
        new.min_by_key(|(_, live)| created(live)).map(|(id, _)| id.clone())
    }

    fn ready_in(&self, set: &ObjectId) -> usize {
        self.kubernetes.pods.values().filter(|pod| pod.set == *set && pod.ready && !pod.terminating).count()
    }

    /// A set is scaled in. A set that is replaced may be scaled in only when the new set is complete.
    pub(crate) fn check_shrinking(&mut self, set: &ObjectId, pod: Option<&str>) {
        let Some(new) = self.replaced_by(set).filter(|_| set.kind == Kind::StatefulSet) else { return };
        let serves = |pod: &str| self.kubernetes.pods.get(pod).is_some_and(|pod| pod.ready);
        let serving = self.ready_in(&new) + self.broken_since_observation;
        let needed = usize::try_from(self.spec.cores).unwrap_or(0);
        if pod.is_some_and(serves) && serving < needed {
            self.violate(format!("{set} shrank while only {serving} of {needed} cores of {new} served"));
        }
    }

    pub(crate) fn check_set_deleted(&mut self, id: &ObjectId) {
        if id.kind != Kind::StatefulSet {
            return;
        }
        let pods = self.kubernetes.pods.values().filter(|pod| pod.set == *id).count();
        let claims = self.kubernetes.claims.values().filter(|claim| claim.set == id.name).count();
        let told = self.kubernetes.objects.get(id).map_or(0, replicas);
        if pods + claims > 0 || told > 0 {
            self.violate(format!("{id} was deleted with {told} replicas, {pods} pods and {claims} volumes"));
        }
    }

    /// What a plan is about to do, on the world that it was made of.
    pub(crate) fn check_intentions(&mut self, actions: &[Action]) {
        let record = self.desired.names.last_good();
        let gives_up = |action: &Action| {
            let given_up = |manifest: &Manifest| manifest.id.name == record && LastGood::gives_up(&manifest.body);
            action.manifest().is_some_and(given_up)
        };
        // A set with another image than the wanted one may have pods with that, from before or made meanwhile.
        let wanted = |pod: &Pod| {
            let has_image = |live: &Live| !self.is_wanted_tag(&template(live).1) && self.is_wanted_tag(&pod.tag);
            self.kubernetes.objects.get(&pod.set).is_some_and(|live| self.is_new(live) || has_image(live))
        };
        if actions.iter().any(gives_up) && !self.any_fails(wanted) {
            self.violate("a rollout was given up although all of its nodes came up".to_owned());
        }
        let grown = actions.iter().find_map(|action| match action {
            Action::Scale { set, from: 0, .. } if set.kind == Kind::ReplicaSet => self.replaced_by(set).and(Some(set)),
            _ => None,
        });
        if let Some(set) = grown {
            self.violate(format!("{set} has been emptied for the new one and grows again"));
        }
        let unclear = self.emqx.unlisted.is_some();
        let starts = actions.iter().filter_map(|action| match action {
            Action::Call(Call::StartEvacuation { node, options }) => Some((node.clone(), options.targets.clone())),
            _ => None,
        });
        // While a plan gives a set the wanted template, the target set cannot be determined here.
        let mut manifests = actions.iter().filter_map(Action::manifest);
        let retargets = manifests.any(|manifest| manifest.id.kind == Kind::StatefulSet);
        for (node, targets) in starts.filter(|_| !retargets).collect::<Vec<_>>() {
            let goes = |set: ObjectId| self.replaced_by(&set).is_some();
            let old = targets.iter().find(|target| self.set_of(target).is_some_and(goes));
            let unclear = unclear || (self.spec.replicants > 0 && self.has_too_many_old());
            if let Some(old) = old.filter(|_| !unclear && self.new_place_but(&node)) {
                self.violate(format!("sessions of {node} are to move to {old}, which is to go"));
            }
            self.check_switched(&node);
        }
        let mut removals = actions.iter().filter_map(|action| match action {
            Action::Remove(permit) if *permit.how() == How::Recreate => permit.pod(),
            _ => None,
        });
        if let Some((pod, _)) = removals.next().filter(|_| !retargets) {
            self.check_crashed(pod);
        }
    }

    /// One of these pods is not ready, and not because its node was closed, as far as EMQX reports it.
    fn any_fails(&self, wanted: impl Fn(&Pod) -> bool) -> bool {
        let world = view::world(self);
        let closed = |name: &str| world.nodes().any(|node| node.pod == name && node.evacuation.is_some());
        self.kubernetes.pods.iter().any(|(name, pod)| wanted(pod) && !pod.ready && !closed(name))
    }

    /// It has served, and comes back as it was; it must not become another one of those that do not come up.
    fn check_crashed(&mut self, name: &str) {
        let crashed = &self.kubernetes.pods[name];
        let wanted = self.kubernetes.objects.get(&crashed.set).map(|live| template(live).0);
        let broken = |pod: &Pod| pod.tag.ends_with("-broken");
        let mut others = self.kubernetes.pods.values().filter(|other| other.set == crashed.set && !other.terminating);
        let fails = others.any(|other| broken(other) && Some(&other.revision) == wanted.as_ref());
        if fails && crashed.was_ready && !broken(crashed) {
            self.violate(format!("{name} is restarted while the wanted template does not come up"));
        }
    }

    pub(crate) fn set_of(&self, node: &NodeName) -> Option<ObjectId> {
        let mut pods = self.kubernetes.pods.iter().filter(|(name, _)| node_name(self, name) == *node);
        pods.next().map(|(_, pod)| pod.set.clone())
    }

    /// Whether a node that stays could take sessions.
    fn new_place_but(&self, node: &NodeName) -> bool {
        // Of two core sets with the wanted template, it cannot be determined here which set stays.
        let new = self.kubernetes.objects.iter().filter(|(id, live)| id.kind == Kind::StatefulSet && self.is_new(live));
        let clear = new.count() < 2;
        self.kubernetes.pods.iter().filter(|(_, pod)| clear || pod.role == Role::Replicant).any(|(name, pod)| {
            let Some(set) = self.kubernetes.objects.get(&pod.set) else { return false };
            let other = node_name(self, name);
            let open = self.emqx.members.get(&other).is_some_and(|m| m.running && m.evacuation.is_none());
            let stays = self.is_new(set) && template(set).0 == pod.revision;
            let surplus = match pod.role {
                Role::Core => ordinal(name) >= self.spec.cores,
                Role::Replicant => self.spec.replicants == 0,
            };
            let marked = pod.marked || marked(set).contains(name);
            other != *node && open && pod.ready && !pod.terminating && stays && !surplus && !marked
        })
    }

    /// Fewer are wanted than there are old ones, so some go without replacement.
    fn has_too_many_old(&self) -> bool {
        let old = self.kubernetes.objects.iter().filter(|(id, live)| id.kind == Kind::ReplicaSet && !self.is_new(live));
        old.map(|(_, live)| replicas(live)).sum::<i32>() > self.spec.replicants
    }

    /// No client is disconnected from an old node while the Service may select another old node.
    fn check_switched(&mut self, node: &NodeName) {
        let Some(new) = self.set_of(node).and_then(|set| self.replaced_by(&set)) else { return };
        let role = if self.spec.replicants > 0 { Role::Replicant } else { Role::Core };
        let serves = |name: &str, pod: &Pod| pod.ready && pod.role == role && node_name(self, name) == *node;
        let same = self.kubernetes.pods.iter().any(|(name, pod)| serves(name, pod));
        // Without a new core no new replicant comes up, and old ones have to make way for the first.
        let sets =
            self.kubernetes.objects.iter().filter(|(id, live)| id.kind == Kind::StatefulSet && self.is_new(live));
        let home = sets.min_by_key(|(id, live)| (created(live), id.name.clone()));
        let lives = |pod: &Pod| home.is_some_and(|(id, live)| pod.set == *id && template(live).0 == pod.revision);
        let new_core = self.kubernetes.pods.values().any(|pod| !pod.terminating && lives(pod));
        let hash = hash_of(&new, role);
        let Some(hash) = hash.filter(|_| same && new_core && self.spec.blue_green) else { return };
        if role == Role::Replicant && self.has_too_many_old() {
            return;
        }
        let leads = self.led_to();
        // Without a Service no client is led to a node.
        if self.listeners().is_some() && leads.as_deref() != Some(hash) {
            self.violate(format!("{node} is to be emptied while the Service leads to {leads:?}, not only to {hash}"));
        }
    }

    fn listeners(&self) -> Option<&Live> {
        let id = ObjectId { kind: Kind::Service, name: self.desired.names.listeners_service() };
        self.kubernetes.objects.get(&id)
    }

    /// The set that the listeners Service leads to, if to one.
    pub(crate) fn led_to(&self) -> Option<String> {
        let service = self.listeners()?;
        service.body["spec"]["selector"][label::POD_TEMPLATE_HASH].as_str().map(str::to_owned)
    }

    /// Whether the Service leads to this pod.
    pub(crate) fn leads_to(&self, pod: &str, role: Role) -> bool {
        let pod = &self.kubernetes.pods[pod];
        let selected = self.led_to().is_none_or(|hash| hash_of(&pod.set, role) == Some(hash.as_str()));
        pod.role == role && pod.ready && pod.state == State::Running && selected
    }
}

/// The label of the pods of a set.
fn hash_of(set: &ObjectId, role: Role) -> Option<&str> {
    set.name.strip_prefix(if role == Role::Core { "iot-core-" } else { "iot-replicant-" })
}
