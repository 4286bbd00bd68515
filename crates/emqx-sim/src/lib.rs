//! A stand-in for EMQX brokers.

pub mod config;
