//! The Kubernetes objects of the wanted cluster.
//!
//! One file per kind of object, each a function of [`Desired`] and, where Kubernetes forbids a change, of what exists.
//! Nothing here decides when an object is written; that is [`crate::lifecycle`].

mod additions;
mod budget;
mod built;
mod config_map;
mod core_set;
mod dashboard_ports;
mod labels;
mod last_good;
mod manifest;
mod pod_parts;
mod pod_template;
mod probes;
mod replicant_set;
mod revision;
mod secrets;
mod services;
mod wanted;

pub(crate) use additions::API_KEYS_PATH;
pub use budget::budget;
pub(crate) use built::Built;
pub use config_map::{BASE, config_map, config_secret, with_file};
pub use core_set::{CoreSet, claim_templates, core_set, core_template, volumes_asked_for};
pub use labels::{pod_labels, selector};
pub use last_good::last_good;
pub use manifest::{Differences, Manifest, differences, in_sync, set_annotation, set_replicas};
pub use pod_template::Template;
pub use replicant_set::{ReplicantSet, replicant_set};
pub use secrets::{api_key_secret, cookie_secret};
pub use services::{dashboard, headless, listeners};
pub use wanted::Wanted;
