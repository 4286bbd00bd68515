//! The acceptance measure: brings the stand-in into each situation in which real brokers were recorded, makes the same
//! calls in the same order, and compares status, content type, and the shape of the body.
//!
//! `exceptions` lists what may differ, with the reason; anything else that differs fails.

// The whole crate is a test; clippy knows only functions marked as one.
#![allow(clippy::unwrap_used)]

mod exceptions;
mod recording;
mod scene;
mod shape;

use recording::Recording;
use scene::Scene;
use std::fmt::Write;

/// Scenarios in the order in which they were recorded; each starts where the one before ended.
const ORDER: [&str; 7] = ["read", "evacuate", "rebalance", "keys", "config", "ds", "stopped"];

async fn conforms(version: &str, situation: &str) {
    let mut scene = Scene::new(version, situation).await;
    let (mut failures, mut passed, mut excepted) = (String::new(), 0, 0);
    for scenario in ORDER {
        for recording in Recording::of(version, situation, scenario) {
            let reply = scene.play(&recording).await;
            match shape::difference(&recording, &reply) {
                None => passed += 1,
                Some(_) if exceptions::reason(version, situation, &recording.name).is_some() => excepted += 1,
                Some(difference) => writeln!(failures, "{}: {difference}", recording.name).unwrap(),
            }
        }
    }
    println!(
        "{version} {situation}: {passed} of {} calls conform, {excepted} excepted",
        recording::count(version, situation)
    );
    assert!(failures.is_empty(), "{version} {situation}:\n{failures}");
    assert_eq!(passed + excepted, recording::count(version, situation), "a recording belongs to no scenario");
}

#[tokio::test(start_paused = true)]
async fn open_source_5_8_single() {
    conforms("5.8.9-ce", "single").await;
}

#[tokio::test(start_paused = true)]
async fn enterprise_5_8_single() {
    conforms("5.8.9-ee", "single").await;
}

#[tokio::test(start_paused = true)]
async fn enterprise_5_8_cluster() {
    conforms("5.8.9-ee", "cluster").await;
}

#[tokio::test(start_paused = true)]
async fn enterprise_5_8_durable() {
    conforms("5.8.9-ee", "durable").await;
}

#[tokio::test(start_paused = true)]
async fn enterprise_5_10_single() {
    conforms("5.10.4", "single").await;
}

#[tokio::test(start_paused = true)]
async fn enterprise_5_10_cluster() {
    conforms("5.10.4", "cluster").await;
}

#[tokio::test(start_paused = true)]
async fn enterprise_5_10_durable() {
    conforms("5.10.4", "durable").await;
}
