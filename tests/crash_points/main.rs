//! The operator is killed before every single write to Kubernetes or EMQX and after the last, and started again: the end is always
//! the same as without, with as many sessions, and nobody is removed who would not have been.

// A test that cannot go on panics; helpers of tests count as code otherwise.
#![allow(clippy::unwrap_used)]

mod end_state;
mod points;
mod scenario;

use scenario::Scenario;
use serde_json::json;

#[test]
fn create() {
    points::all(&Scenario { name: "create", before: None, after: scenario::spec("6.0.0", 2, 1), after_each: true });
}

#[test]
fn image_change() {
    let before = Some(scenario::spec("6.0.0", 2, 1));
    points::all(&Scenario { name: "image-change", before, after: scenario::spec("6.0.1", 2, 1), after_each: false });
}

#[test]
fn image_change_blue_green() {
    let blue_green = |version| {
        let mut spec = scenario::spec(version, 2, 1);
        spec["updateStrategy"]["type"] = json!("BlueGreen");
        spec
    };
    points::all(&Scenario {
        name: "blue-green",
        before: Some(blue_green("6.0.0")),
        after: blue_green("6.0.1"),
        after_each: false,
    });
}

#[test]
fn scale_in() {
    let before = Some(scenario::spec("6.0.0", 3, 2));
    points::all(&Scenario { name: "scale-in", before, after: scenario::spec("6.0.0", 2, 1), after_each: false });
}

/// Its shards move before it goes, and its site is forgotten.
#[test]
fn scale_in_durable() {
    let durable = |cores| {
        let mut spec = scenario::spec("6.0.0", cores, 0);
        spec["config"]["roots"]["durable_sessions"] = json!({"enable": true});
        spec
    };
    points::all(&Scenario { name: "scale-in-durable", before: Some(durable(3)), after: durable(2), after_each: false });
}

#[test]
fn scale_out() {
    let before = Some(scenario::spec("6.0.0", 2, 1));
    points::all(&Scenario { name: "scale-out", before, after: scenario::spec("6.0.0", 3, 2), after_each: false });
}

#[test]
fn deletion() {
    let before = Some(scenario::spec("6.0.0", 2, 1));
    points::all(&Scenario { name: "deletion", before, after: json!(null), after_each: false });
}
