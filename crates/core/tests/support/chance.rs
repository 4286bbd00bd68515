//! Choices that a test draws, and what they make of a document.

use serde_json::{Value, json};

/// Choices, one after the other. When there are no more every choice is the first one, so fewer mean less.
pub struct Choices {
    drawn: Vec<u32>,
    next: usize,
}

impl Choices {
    pub fn new(drawn: Vec<u32>) -> Self {
        Self { drawn, next: 0 }
    }

    /// One of so many.
    pub fn below(&mut self, many: usize) -> usize {
        let drawn = self.drawn.get(self.next).copied().unwrap_or_default();
        self.next += 1;
        usize::try_from(drawn).expect("it is small") % many.max(1)
    }

    pub fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    pub fn yes(&mut self) -> bool {
        self.below(2) == 1
    }
}

/// Changes a document in some places; a change after which it does not fit its type any more is taken back.
pub fn mutate(document: &Value, choices: &mut Choices, most: usize, fits: impl Fn(&Value) -> bool) -> Value {
    let mut document = document.clone();
    for _ in 0..choices.below(most + 1) {
        let mut changed = document.clone();
        change(&mut changed, choices);
        if fits(&changed) {
            document = changed;
        }
    }
    document
}

/// Fields on which decisions rest.
const TELLING: [&str; 28] = [
    "replicas",
    "annotations",
    "labels",
    "name",
    "uid",
    "ownerReferences",
    "conditions",
    "containerStatuses",
    "state",
    "lastState",
    "restartCount",
    "storage",
    "capacity",
    "phase",
    "podIP",
    "lastTransitionTime",
    "startedAt",
    "creationTimestamp",
    "deletionTimestamp",
    "observedGeneration",
    "generation",
    "minReadySeconds",
    "limits",
    "env",
    "ports",
    "roots",
    "updateStrategy",
    "data",
];

fn change(document: &mut Value, choices: &mut Choices) {
    let mut places = Vec::new();
    pointers(document, String::new(), &mut places);
    let telling: Vec<_> =
        places.iter().filter(|place| place.rsplit('/').any(|key| TELLING.contains(&key))).cloned().collect();
    let place = if telling.is_empty() || choices.yes() { choices.one(&places) } else { choices.one(&telling) };
    let other = choices.one(&places);
    let other = document.pointer(&other).cloned().unwrap_or_default();
    let Some(value) = document.pointer_mut(&place) else { return };
    match choices.below(6) {
        0 => *value = scalar(choices),
        1 => *value = other,
        2 => match value {
            Value::Array(items) if !items.is_empty() => {
                let copy = choices.one(items);
                (0..=choices.below(3)).for_each(|_| items.push(copy.clone()));
            }
            Value::Array(items) => items.push(other),
            Value::Object(fields) => {
                let key = text(choices);
                fields.insert(key, other);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => *value = scalar(choices),
        },
        3 => match value {
            Value::Object(fields) => {
                let (key, value) = field(choices);
                fields.insert(key.to_owned(), value);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                *value = scalar(choices);
            }
        },
        4 => match value {
            Value::Object(fields) => {
                let keys: Vec<_> = fields.keys().cloned().collect();
                if !keys.is_empty() {
                    fields.remove(&choices.one(&keys));
                }
            }
            Value::Array(items) => drop(items.pop()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => *value = Value::Null,
        },
        _ => match value {
            Value::Number(_) => *value = number(choices),
            Value::String(_) => *value = text(choices).into(),
            Value::Bool(on) => *on = !*on,
            Value::Null | Value::Array(_) | Value::Object(_) => *value = scalar(choices),
        },
    }
}

fn pointers(value: &Value, place: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                pointers(value, format!("{place}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                pointers(value, format!("{place}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found.push(place);
}

fn scalar(choices: &mut Choices) -> Value {
    match choices.below(5) {
        0 => text(choices).into(),
        1 => number(choices),
        2 => choices.one(&[json!(true), json!(false)]),
        3 => choices.one(&[json!({}), json!([]), json!([{}]), json!({"": {}})]),
        _ => Value::Null,
    }
}

fn number(choices: &mut Choices) -> Value {
    choices.one(&[
        json!(0),
        json!(1),
        json!(-1),
        json!(2),
        json!(3),
        json!(7),
        json!(1000),
        json!(1001),
        json!(65536),
        json!(1_000_000),
        json!(i32::MAX),
        json!(i32::MIN),
        json!(i32::MAX - 1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(1e300),
    ])
}

/// Texts that something is read off, or that stand in messages.
pub fn text(choices: &mut Choices) -> String {
    const TEXTS: [&str; 56] = [
        "",
        " ",
        "a",
        "-",
        "-0",
        "0",
        "1",
        "-1",
        "2147483647",
        "-2147483648",
        "99999999999999999999",
        "true",
        "false",
        "x=y",
        "iot-core-0,,x,",
        "a=b/c,=,/",
        "%",
        "0%",
        "50%",
        "101%",
        "999999999999999999999%",
        "-5%",
        "10000000000000000P",
        "1Ei",
        "9Ei",
        "107374182400",
        "1e999999999999",
        "-1n",
        "1.1.M",
        "3T",
        "\u{0}",
        "\n",
        "ключ",
        "😀",
        "e\u{301}",
        "/",
        "//",
        "/opt/emqx/data/",
        "[::]:1883",
        "::",
        "0.0.0.0:0",
        "127.0.0.1:1883",
        "host:1",
        "1883",
        "emqx/emqx:99999999999.1.1",
        "emqx/emqx:5.8@sha256:0",
        "emqx/emqx:6.0.0",
        "emqx/emqx:5.8.9",
        "0001-01-01T00:00:00Z",
        "9999-12-30T22:00:00Z",
        "2026-01-01T00:30:00Z",
        "core",
        "replicant",
        "iot-core-99999999999",
        "iot-core--1",
        "emqx",
    ];
    match choices.below(TEXTS.len() + 3) {
        0 => "x".repeat(5000),
        1 => "ß".repeat(700),
        2 => "9".repeat(400),
        other => TEXTS[other - 3].to_owned(),
    }
}

/// Fields and annotations that mean something, with odd values.
fn field(choices: &mut Choices) -> (&'static str, Value) {
    let name = choices.one(&[
        "replicas",
        "minReadySeconds",
        "maxSurge",
        "maxUnavailable",
        "externalIPs",
        "deletionTimestamp",
        "observedGeneration",
        "limits",
        "storage",
        "type",
        "name",
        "apps.emqx.io/evacuating",
        "apps.emqx.io/core-retirement-pod-ordinal-watermark",
        "apps.emqx.io/volume-sites",
        "apps.emqx.io/template-revision",
        "apps.emqx.io/pod-template-hash",
        "controller.kubernetes.io/pod-deletion-cost",
        "apps.emqx.io/applied",
        "apps.emqx.io/volumes-asked-for",
        "apps.emqx.io/db-role",
        "apps.emqx.io/runtime-config-revision",
        "apps.emqx.io/paused",
        "$secretRef",
        "message",
        "progressDeadlineSeconds",
        "waitTakeover",
        "connectionEvictionRate",
        "rollbackOnFailure",
        "reason",
        "status",
    ]);
    let value = match choices.below(4) {
        0 => scalar(choices),
        1 => number(choices),
        2 => text(choices).into(),
        _ => choices.one(&[
            json!(["192.0.2.1"]),
            json!({"memory": "10000000000000000P", "cpu": "-1"}),
            json!("BlueGreen"),
            json!("going"),
            json!(true),
            json!({"name": "a", "key": "b"}),
            json!("2026-01-01T00:00:00Z"),
            json!("False"),
            json!("Unschedulable"),
            json!("2147483647"),
        ]),
    };
    (name, value)
}
