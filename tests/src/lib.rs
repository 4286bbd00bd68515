//! What tests on a cluster have in common: the cluster, namespaces, resources, waiting, and counting requests.

pub mod audit;
pub mod bench;
pub mod cluster;
pub mod crd;
pub mod emqx;
pub mod fleet;
pub mod link;
pub mod operator;
pub mod reconciles;
pub mod wait;
