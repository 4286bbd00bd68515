//! A typed client of the EMQX management API (`/api/v5`).
//!
//! This crate is the only place that knows EMQX's wire format and how it differs between versions; it knows no
//! Kubernetes. Answers are read tolerantly: fields may be missing, unknown ones are ignored. Errors tell apart what a
//! caller must treat differently, above all "no" from "no answer".
//!
//! [`Client::ask`] sends one request to one [`Endpoint`]. [`Client::ask_any`] tries several endpoints, each with its own
//! share of the time, and takes the first definite answer. Requests are values, one type per operation, in [`api`].

pub mod api;
mod candidates;
mod client;
mod endpoint;
mod error;
mod tls;

pub use candidates::{Answered, NoAnswer};
pub use client::Client;
pub use endpoint::{Credentials, Endpoint};
pub use error::Error;
