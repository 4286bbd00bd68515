//! The objects of all clusters, found by the cluster they belong to.
//!
//! Watches fill it, and so do the answers to our own writes: without them a reconcile that runs before the watch has
//! reported a write would write again. An answer may come late, though: events of the watch since then are newer, and an object
//! that the watch reported as deleted stays deleted.

use emqx_operator_api::label;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Namespace and name of an EMQX resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

impl Key {
    /// The key of objects that belong to no cluster.
    pub fn unowned(namespace: &str) -> Key {
        Key { namespace: namespace.to_owned(), name: String::new() }
    }

    pub fn is_unowned(&self) -> bool {
        self.name.is_empty()
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

type Named<K> = BTreeMap<String, Arc<K>>;

/// All objects of one kind, by cluster and name. Objects of no cluster have a key without a name.
pub struct Index<K> {
    objects: RwLock<BTreeMap<Key, Named<K>>>,
    /// By namespace of the watch: the resource version up to which the watch has reported all events.
    newest: RwLock<BTreeMap<Option<String>, u64>>,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { objects: RwLock::default(), newest: RwLock::default() }
    }
}

/// The objects that a restarted watch has listed so far.
pub struct Listing<K> {
    /// The namespace of the watch; `None` for all.
    pub scope: Option<String>,
    found: Vec<Arc<K>>,
}

impl<K> Listing<K> {
    pub fn new(scope: Option<String>) -> Self {
        Self { scope, found: Vec::new() }
    }
}

impl<K: ResourceExt> Index<K> {
    /// The objects of one cluster, sorted by name.
    pub fn of(&self, key: &Key) -> Vec<Arc<K>> {
        self.objects.read().get(key).map(|objects| objects.values().cloned().collect()).unwrap_or_default()
    }

    /// One object of a cluster.
    pub fn named(&self, key: &Key, name: &str) -> Option<Arc<K>> {
        self.objects.read().get(key)?.get(name).cloned()
    }

    /// All objects of a namespace, of any owner.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let objects = self.objects.read();
        let all = in_namespace(&objects, namespace).flat_map(|(_, named)| named.values().cloned());
        all.collect()
    }

    /// Takes in an event of a watch, and returns the clusters that it concerns.
    pub fn apply(&self, event: Event<K>, listing: &mut Listing<K>) -> Vec<Key> {
        self.note(&event, listing);
        match event {
            Event::Apply(object) => self.put(Arc::new(object)),
            Event::Delete(object) => self.remove(&object),
            Event::Init => {
                listing.found.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                listing.found.push(Arc::new(object));
                Vec::new()
            }
            Event::InitDone => self.replace(listing),
        }
    }

    /// Watches report events in the order of resource versions.
    fn note(&self, event: &Event<K>, listing: &Listing<K>) {
        let seen = match event {
            Event::Apply(object) | Event::Delete(object) => version(object),
            Event::InitDone => listing.found.iter().filter_map(|object| version(object.as_ref())).max(),
            Event::Init | Event::InitApply(_) => None,
        };
        let mut newest = self.newest.write();
        let newest = newest.entry(listing.scope.clone()).or_default();
        *newest = seen.unwrap_or_default().max(*newest);
    }

    /// Takes in the answer to a write, unless the watch has reported this or a later state of the object.
    pub fn learn(&self, object: Arc<K>) {
        let of_scope = |scope: Option<String>| self.newest.read().get(&scope).copied().unwrap_or_default();
        let newest = of_scope(None).max(of_scope(object.namespace()));
        if version(object.as_ref()).is_none_or(|version| version > newest) {
            self.put(object);
        }
    }

    /// Takes in an object unless the index has a newer version. An object whose labels name another cluster now leaves the former
    /// cluster.
    fn put(&self, object: Arc<K>) -> Vec<Key> {
        let Some(key) = key_of(object.as_ref()) else { return Vec::new() };
        let name = object.name_any();
        let mut objects = self.objects.write();
        let holder = holder(&objects, &key, &name);
        let known = holder.as_ref().and_then(|holder| objects.get(holder)?.get(&name));
        if known.is_some_and(|known| version(known.as_ref()) > version(object.as_ref())) {
            return vec![key];
        }
        let left = holder.filter(|holder| *holder != key);
        if let Some(left) = &left {
            take(&mut objects, left, &name);
        }
        objects.entry(key.clone()).or_default().insert(name, object);
        left.into_iter().chain([key]).collect()
    }

    /// Removes an object from the cluster that held it: its labels may have changed with its deletion.
    fn remove(&self, object: &K) -> Vec<Key> {
        let Some(key) = key_of(object) else { return Vec::new() };
        let name = object.name_any();
        let mut objects = self.objects.write();
        match holder(&objects, &key, &name) {
            Some(holder) => {
                take(&mut objects, &holder, &name);
                vec![holder]
            }
            None => vec![key],
        }
    }

    fn replace(&self, listing: &mut Listing<K>) -> Vec<Key> {
        let mut objects = self.objects.write();
        let in_scope = |key: &Key| listing.scope.as_ref().is_none_or(|namespace| *namespace == key.namespace);
        let mut touched: Vec<_> = objects.keys().filter(|key| in_scope(key)).cloned().collect();
        objects.retain(|key, _| !in_scope(key));
        for object in listing.found.drain(..) {
            let Some(key) = key_of(object.as_ref()) else { continue };
            objects.entry(key.clone()).or_default().insert(object.name_any(), object);
            touched.push(key);
        }
        touched.sort();
        touched.dedup();
        touched
    }
}

/// The cluster that holds an object; usually the cluster that its labels name.
fn holder<K>(objects: &BTreeMap<Key, Named<K>>, key: &Key, name: &str) -> Option<Key> {
    let has = |named: &Named<K>| named.contains_key(name);
    if objects.get(key).is_some_and(has) {
        return Some(key.clone());
    }
    in_namespace(objects, &key.namespace).find(|(_, named)| has(named)).map(|(holder, _)| holder.clone())
}

fn in_namespace<'o, K>(
    objects: &'o BTreeMap<Key, Named<K>>,
    namespace: &str,
) -> impl Iterator<Item = (&'o Key, &'o Named<K>)> {
    let own = namespace.to_owned();
    objects.range(Key::unowned(namespace)..).take_while(move |(key, _)| key.namespace == own)
}

fn take<K>(objects: &mut BTreeMap<Key, Named<K>>, key: &Key, name: &str) {
    if let Some(named) = objects.get_mut(key) {
        named.remove(name);
        if named.is_empty() {
            objects.remove(key);
        }
    }
}

fn key_of<K: ResourceExt>(object: &K) -> Option<Key> {
    let namespace = object.namespace()?;
    match object.labels().get(label::INSTANCE) {
        Some(name) => Some(Key { namespace, name: name.clone() }),
        None => Some(Key::unowned(&namespace)),
    }
}

/// Resource versions are numbers in every API server that runs; where one is not, what comes last counts.
fn version<K: ResourceExt>(object: &K) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Index, Key, Listing};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    fn object(namespace: &str, instance: &str, name: &str, version: &str) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name, "resourceVersion": version,
            "labels": {"apps.emqx.io/instance": instance}}}))
        .unwrap()
    }

    fn key(namespace: &str, name: &str) -> Key {
        Key { namespace: namespace.into(), name: name.into() }
    }

    fn versions(index: &Index<ConfigMap>, key: &Key) -> Vec<String> {
        index.of(key).iter().map(|object| object.metadata.resource_version.clone().unwrap()).collect()
    }

    #[test]
    fn an_older_object_does_not_replace_a_newer_one() {
        let index = Index::default();
        index.put(object("ns", "a", "x", "10").into());
        index.put(object("ns", "a", "x", "9").into());
        assert_eq!(versions(&index, &key("ns", "a")), ["10"]);
    }

    /// The answer to a deletion may come after the watch has reported the deletion.
    #[test]
    fn a_late_answer_does_not_bring_back_what_is_gone() {
        let index = Index::default();
        let mut listing = Listing::new(None);
        index.apply(Event::Apply(object("ns", "a", "x", "10")), &mut listing);
        index.apply(Event::Delete(object("ns", "a", "x", "12")), &mut listing);
        index.learn(object("ns", "a", "x", "11").into());
        assert!(index.of(&key("ns", "a")).is_empty());
        index.learn(object("ns", "a", "x", "13").into());
        assert_eq!(versions(&index, &key("ns", "a")), ["13"], "a new one of the same name");
    }

    /// A watch of one namespace says nothing about another.
    #[test]
    fn an_answer_is_held_against_the_watch_of_its_namespace() {
        let index = Index::default();
        index.apply(Event::Apply(object("one", "a", "x", "20")), &mut Listing::new(Some("one".into())));
        index.learn(object("two", "b", "y", "15").into());
        assert_eq!(versions(&index, &key("two", "b")), ["15"]);
    }

    /// A user changes a label, or takes it away: the object leaves one cluster and belongs to another one, or to none.
    #[test]
    fn an_object_whose_labels_change_leaves_its_cluster() {
        let index = Index::default();
        let mut listing = Listing::new(None);
        let (a, b, unowned) = (key("ns", "a"), key("ns", "b"), key("ns", ""));
        index.apply(Event::Apply(object("ns", "a", "x", "1")), &mut listing);
        assert_eq!(index.apply(Event::Apply(object("ns", "b", "x", "2")), &mut listing), [a.clone(), b.clone()]);
        assert!(index.of(&a).is_empty());
        assert_eq!(versions(&index, &b), ["2"]);
        let mut without = object("ns", "b", "x", "3");
        without.metadata.labels = None;
        assert_eq!(index.apply(Event::Apply(without.clone()), &mut listing), [b.clone(), unowned.clone()]);
        assert_eq!((index.of(&b).len(), index.in_namespace("ns").len()), (0, 1));
        index.apply(Event::Apply(object("ns", "b", "x", "4")), &mut listing);
        without.metadata.resource_version = Some("5".into());
        assert_eq!(index.apply(Event::Delete(without), &mut listing), std::slice::from_ref(&b));
        assert!(index.in_namespace("ns").is_empty());
        index.apply(Event::Apply(object("other", "a", "x", "6")), &mut listing);
        index.apply(Event::Apply(object("ns", "b", "x", "7")), &mut listing);
        assert_eq!(index.in_namespace("other").len(), 1, "the same name in another namespace is another object");
    }

    #[test]
    fn a_new_listing_replaces_its_namespace_and_no_other() {
        let index = Index::default();
        index.put(object("one", "a", "x", "1").into());
        index.put(object("two", "b", "y", "1").into());
        let mut listing = Listing::new(Some("one".into()));
        index.apply(Event::Init, &mut listing);
        index.apply(Event::InitApply(object("one", "c", "z", "2")), &mut listing);
        let touched = index.apply(Event::InitDone, &mut listing);
        assert_eq!(touched, [key("one", "a"), key("one", "c")]);
        assert!(index.of(&key("one", "a")).is_empty());
        assert_eq!(versions(&index, &key("two", "b")), ["1"]);
    }
}
