//! A typed client of the EMQX management API (`/api/v5`).
//!
//! This crate is the only place that knows EMQX's wire format and how it differs between versions; it knows no
//! Kubernetes. Answers are read tolerantly: fields may be missing, unknown ones are ignored. Errors tell apart what a
//! caller must treat differently, above all "no" from "no answer".
//!
//! [`Client::ask`] sends one request to one [`Endpoint`]. [`Client::ask_any`] asks several endpoints and takes the first
//! definite answer. [`Client::probe`] finds out whether an edition has a feature. Requests are values, one type per
//! operation, in [`api`]; the type says which credentials it needs.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `client` | one exchange: deadline, largest answer, pool |
//! | `text` | which part of a broker's texts users read |
//! | `failover`, `feature` | which endpoint to ask next, and what a missing answer means |
//! | `failure`, `redact`, `error` | from an error answer to an [`Error`] without secrets |
//! | `credentials`, `endpoint`, `tls` | endpoint, credentials, trusted authorities |
//! | `api/` | paths, bodies, answers |

pub mod api;
mod client;
mod credentials;
mod endpoint;
mod error;
mod failover;
mod failure;
mod feature;
mod redact;
mod text;
mod tls;

pub use client::{Client, Observer};
pub use credentials::{Authorize, Credentials, NoCredentials, Secret, Token};
pub use endpoint::Endpoint;
pub use error::{Error, Missing};
pub use failover::{Answered, NoAnswer};
pub use failure::{Code, Failure};
pub use feature::{Feature, Presence};
pub use redact::lacks_a_file;
pub use text::plain;
pub use tls::Trust;
