//! The decisions of the EMQX operator, and nothing else: no IO, no clock, no randomness, no logs.
//!
//! ```text
//! EMQX resource ──Desired::resolve──> Desired ─┐
//!                                              ├─plan──> Plan { actions, holds, report, wake }
//! objects, EMQX answers ──World::assemble──> World ─┘
//! ```
//!
//! Read in this order: [`plan`] (the entry point), then any rule in [`lifecycle`]; each is one file whose function
//! gets the desired state and the observed world. [`desired`] turns a spec into typed values and refuses mistakes with their
//! path; [`world`] is the snapshot, in which a missing answer is a [`world::Reading`] and never a zero; [`build`] says
//! what objects look like; [`status`] builds status and events; [`reason`] is their vocabulary. [`action`]
//! lists everything that the operator can do at all.
//!
//! No object is deleted because a list lacks it, no node is removed because EMQX did not answer, and no rule reads the status:
//! state that must survive is stored on the object it concerns.

// What integration tests and unit tests share names this crate as the former have to.
#[cfg(test)]
extern crate self as emqx_operator_core;

pub mod action;
pub mod adoption;
pub mod build;
pub mod desired;
pub mod lifecycle;
mod merge_keys;
mod plan;
pub mod planted;
pub mod quantity;
pub mod reason;
mod runbook;
pub mod status;
pub mod text;
pub mod world;

pub use plan::{Plan, plan};
