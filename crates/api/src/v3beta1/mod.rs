//! `apps.emqx.io/v3beta1`: the stored version.

mod defaults;
mod spec;
mod status;
mod template;

pub use defaults::{DEFAULT_CLUSTER_DOMAIN, DEFAULT_REVISION_HISTORY_LIMIT, persistent_volume_claim_spec};
pub use spec::{
    ApiTls, BootstrapApiKey, CaSecretRef, Config, EMQX, EMQXSpec, EvacuationStrategy, EvacuationType, KeyRef,
    ReplicantRollout, SecretRef, ServiceMetadata, ServiceTemplate, UpdateStrategy, UpdateStrategyType,
};
pub use status::{
    ConfigStatus, CoreNodesStatus, Database, DsReplication, EMQXStatus, EmqxNode, NodeEvacuation, ReplicantNodesStatus,
};
pub use template::{
    CoreTemplate, CoreTemplateSpec, NodeTemplateSpec, PodDisruptionBudgetSpec, PodMetadata, ReplicantTemplate,
    ReplicantTemplateSpec, VolumeRetention, VolumeRetentionPolicy,
};
