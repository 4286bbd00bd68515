//! Rendered manifests, as the rules look at them.

use anyhow::Context as _;
use serde::Deserialize as _;
use serde_json::Value;

/// What one installation consists of.
pub(crate) struct Variant {
    /// Its file, without the ending.
    pub(crate) name: String,
    pub(crate) objects: Vec<Object>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object(pub(crate) Value);

/// A pod template, or a pod itself.
#[derive(Clone, Copy)]
pub(crate) struct Pod<'a> {
    pub(crate) owner: &'a Object,
    pub(crate) labels: &'a Value,
    pub(crate) spec: &'a Value,
    /// Where the spec stands in the owner.
    pub(crate) path: &'static str,
}

impl Variant {
    pub(crate) fn parse(name: &str, text: &str) -> anyhow::Result<Variant> {
        let mut objects = Vec::new();
        for document in serde_yaml::Deserializer::from_str(text) {
            let value = Value::deserialize(document).with_context(|| format!("{name} is not YAML"))?;
            match value {
                Value::Null => {}
                value if value["items"].is_array() && value["kind"].as_str().is_some_and(|k| k.ends_with("List")) => {
                    objects.extend(value["items"].as_array().into_iter().flatten().cloned().map(Object));
                }
                value => objects.push(Object(value)),
            }
        }
        Ok(Variant { name: name.to_owned(), objects })
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind() == kind)
    }

    pub(crate) fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        let is_it = |o: &&Object| o.kind() == kind && o.namespace() == namespace && o.name() == name;
        self.objects.iter().find(is_it)
    }

    pub(crate) fn pods(&self) -> Vec<Pod<'_>> {
        self.objects.iter().filter_map(Pod::of).collect()
    }

    /// The pods of a namespace that a map of labels selects.
    pub(crate) fn selected(&self, namespace: &str, labels: &Value) -> Vec<Pod<'_>> {
        let mut pods = self.pods();
        pods.retain(|pod| pod.owner.namespace() == namespace && has_labels(pod.labels, labels));
        pods
    }
}

impl Object {
    pub(crate) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(crate) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// The text at a JSON pointer; empty when there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(crate) fn list(&self, pointer: &str) -> &[Value] {
        list(self.at(pointer))
    }

    /// `Service emqx-operator-system/metrics`.
    pub(crate) fn describe(&self) -> String {
        match self.namespace() {
            "" => format!("{} {}", self.kind(), self.name()),
            namespace => format!("{} {namespace}/{}", self.kind(), self.name()),
        }
    }
}

impl<'a> Pod<'a> {
    fn of(owner: &'a Object) -> Option<Pod<'a>> {
        let (labels, spec, path) = match owner.kind() {
            "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
                ("/spec/template/metadata/labels", "/spec/template/spec", "spec.template.spec")
            }
            "Pod" => ("/metadata/labels", "/spec", "spec"),
            _ => return None,
        };
        Some(Pod { owner, labels: owner.at(labels), spec: owner.at(spec), path })
    }

    pub(crate) fn containers(self) -> &'a [Value] {
        list(&self.spec["containers"])
    }

    /// Declared ports, each with its container.
    pub(crate) fn ports(self) -> impl Iterator<Item = (&'a Value, &'a Value)> {
        self.containers().iter().flat_map(|c| list(&c["ports"]).iter().map(move |port| (c, port)))
    }

    /// Whether a name or a number is a declared port.
    pub(crate) fn declares(self, port: &Value) -> bool {
        self.ports().any(|(_, declared)| match port {
            Value::String(name) => declared["name"] == name.as_str(),
            number => declared["containerPort"] == *number,
        })
    }

    /// What is declared, for messages: `metrics (8080), health (8081)`.
    pub(crate) fn declared(self) -> String {
        let ports = self.ports().map(|(_, port)| format!("{} ({})", shown(&port["name"]), port["containerPort"]));
        let ports: Vec<_> = ports.collect();
        if ports.is_empty() { "no port".to_owned() } else { ports.join(", ") }
    }

    /// The ServiceAccount that the pod runs as.
    pub(crate) fn service_account(self) -> &'a str {
        self.spec["serviceAccountName"].as_str().unwrap_or("default")
    }

    pub(crate) fn is_operator(self) -> bool {
        self.owner.kind() == "Deployment" && flag(self.containers(), "--health-probe-bind-address").is_some()
    }
}

/// What a flag of a container is set to; empty for a switch.
pub(crate) fn flag<'a>(containers: &'a [Value], name: &str) -> Option<&'a str> {
    let arguments = containers.iter().flat_map(|container| list(&container["args"]));
    arguments.filter_map(Value::as_str).find_map(|argument| match argument.split_once('=') {
        Some((flag, value)) => (flag == name).then_some(value),
        None => (argument == name).then_some(""),
    })
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether these labels are among those; nothing selects nothing.
pub(crate) fn has_labels(labels: &Value, selector: &Value) -> bool {
    let Some(wanted) = selector.as_object().filter(|wanted| !wanted.is_empty()) else { return false };
    wanted.iter().all(|(key, value)| labels[key] == *value)
}

/// A value without quotes around text.
pub(crate) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
