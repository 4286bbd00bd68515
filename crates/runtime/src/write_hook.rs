//! Test hook, called before and after every write. Tests stop the operator there.

use futures::future::BoxFuture;
use std::fmt::Debug;

/// Whether the write is about to be sent, or was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

/// Called before and after every write to Kubernetes or EMQX. The reconcile continues when the future resolves.
pub trait WriteHook: Debug + Send + Sync {
    fn called<'a>(&'a self, moment: Moment, write: &'a str) -> BoxFuture<'a, ()>;
}
