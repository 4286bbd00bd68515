//! Somebody who is told of every write, before it is sent and after it was answered. Tests stop the operator there.

use futures::future::BoxFuture;
use std::fmt::Debug;

/// Which side of a write it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

/// Told of every write to Kubernetes or EMQX. The pass goes on when the future resolves.
pub trait Witness: Debug + Send + Sync {
    fn sees<'a>(&'a self, moment: Moment, write: &'a str) -> BoxFuture<'a, ()>;
}
