//! What the user wants: validated, defaulted, typed. A mistake in the spec ends here, with the path of the field.
//!
//! [`Desired::resolve`] is the only way in. No rule sees the resource itself, so no rule has to ask whether a field is
//! set, parses or contradicts another one.

mod api_keys;
mod api_tls;
mod config;
mod duplicates;
mod errors;
mod image;
mod last_good;
mod listeners;
mod names;
mod own_labels;
mod pools;
mod references;
mod role;
mod roots;
mod runtime_roots;
mod secret_refs;
mod services;
mod settings;
mod templates;

pub use api_keys::ApiKey;
pub(crate) use api_keys::digest_of_keys;
pub use config::Config;
pub(crate) use config::{canonical, digest};
pub use errors::{Mistake, MistakeKind, Mistakes};
pub use image::{Edition, Image, Version, version_of_image, version_of_text};
pub use last_good::{LastGood, RolledBack};
pub use listeners::{DashboardPorts, ListenerPort, Transport};
pub(crate) use names::DISTRIBUTION_PORT;
pub use names::{Names, NodeName, OPERATOR_API_KEY};
pub(crate) use pools::{API_KEYS_VOLUME, CONFIG_VOLUME};
pub use pools::{PoolSpec, VolumeSpec};
pub use references::{Reference, ReferenceKind, References, SecretData, references};
pub use role::Role;
pub use runtime_roots::RuntimeRoots;
pub use services::ServiceSpecs;
pub use templates::Templates;

use crate::build::Built;
use emqx_operator_api::annotation;
use emqx_operator_api::hub::{EMQX, UpdateStrategy};
use serde::Serialize;
use std::collections::BTreeMap;

/// A cluster as the user wants it.
#[derive(Clone, Debug, Serialize)]
pub struct Desired {
    pub names: Names,
    /// The resource that owns every child object.
    pub owner: Owner,
    /// The generation of the spec this was resolved from.
    pub generation: i64,
    /// Labels of the resource; they are repeated on Secrets and ConfigMaps.
    pub labels: BTreeMap<String, String>,
    /// The user paused the operator for this resource.
    pub paused: bool,
    pub image: Image,
    pub cores: PoolSpec,
    pub replicants: Option<PoolSpec>,
    pub volume: VolumeSpec,
    pub config: Config,
    pub api_keys: Vec<ApiKey>,
    /// The authorities that may have issued the certificate of the EMQX API, as PEM; without them any certificate is accepted.
    pub api_ca: Option<String>,
    pub services: ServiceSpecs,
    pub update_strategy: UpdateStrategy,
    /// How many empty sets of old templates are kept.
    pub history_limit: usize,
    /// The value of the annotation that requests a restart of all nodes.
    pub restart_requested_at: Option<String>,
    /// The upgrade that the user consents to, such as `5.10.4->6.2.2`.
    pub upgrade_consent: Option<String>,
    /// The fields that pods and configuration are created from.
    pub templates: Templates,
    /// These templates replace the templates of the spec, which were rolled back.
    pub rolled_back: Option<RolledBack>,
    /// References of the pods to objects that do not exist: the pods wait for them.
    pub missing: Vec<Reference>,
    #[serde(skip)]
    pub(crate) built: Built,
}

/// The resource that owns every child object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    pub name: String,
    pub uid: String,
}

impl Desired {
    /// Validates the resource and everything it refers to. All mistakes are reported, not just the first.
    pub fn resolve(cr: &EMQX, references: &References) -> Result<Desired, Mistakes> {
        let mut mistakes = Mistakes::default();
        let names = mistakes.collect(Names::resolve(cr));
        let image = mistakes.collect(Image::resolve(&cr.spec.image));
        let volume = mistakes.collect(pools::resolve_volume(&cr.spec.core_template.spec));
        let api_keys = mistakes.collect(api_keys::resolve(&cr.spec.bootstrap_api_keys, references));
        mistakes.collect(services::check(cr));
        mistakes.collect(former_fields(cr));
        let config = mistakes.collect(config::resolve(cr, references));
        mistakes.collect(pools::check(cr, names.as_ref()));
        let merged = mistakes.collect(duplicates::merged(&cr.spec));
        let serves_https = config.as_ref().is_none_or(|config| config.dashboard.https.is_some());
        let api_ca = mistakes.collect(api_tls::resolve(cr.spec.api_tls.as_ref(), serves_https, references));
        mistakes.finish()?;

        let everything = "every part that failed has left a mistake, so none failed";
        let merged = merged.expect(everything);
        let spec = merged.as_ref().unwrap_or(&cr.spec);
        let (cores, replicants) = pools::resolve(spec);
        Ok(Desired {
            names: names.expect(everything),
            owner: Owner {
                name: cr.metadata.name.clone().unwrap_or_default(),
                uid: cr.metadata.uid.clone().unwrap_or_default(),
            },
            generation: cr.metadata.generation.unwrap_or_default(),
            labels: cr.metadata.labels.clone().unwrap_or_default(),
            paused: is_paused(cr),
            image: image.expect(everything),
            cores,
            replicants,
            volume: volume.expect(everything),
            config: config.expect(everything),
            api_keys: api_keys.expect(everything),
            api_ca: api_ca.expect(everything),
            services: services::resolve(spec),
            update_strategy: cr.spec.update_strategy.clone(),
            history_limit: usize::try_from(cr.spec.revision_history_limit).unwrap_or(0),
            restart_requested_at: annotation_of(cr, annotation::RESTART_REQUESTED_AT),
            upgrade_consent: annotation_of(cr, annotation::UPGRADE_CONSENT),
            templates: Templates::of(cr),
            rolled_back: None,
            missing: references.missing_of_pods(cr),
            built: Built::default(),
        })
    }

    /// How many EMQX nodes there should be.
    pub fn nodes_wanted(&self) -> i32 {
        self.cores.replicas.saturating_add(self.replicants_wanted())
    }

    /// How many nodes of a role there should be.
    pub fn wanted(&self, role: Role) -> i32 {
        match role {
            Role::Core => self.cores.replicas,
            Role::Replicant => self.replicants_wanted(),
        }
    }

    /// How many replicants there should be.
    pub fn replicants_wanted(&self) -> i32 {
        self.replicants.as_ref().map_or(0, |pool| pool.replicas)
    }
}

/// Whether the user paused the operator for this resource: any value of the annotation but `false`.
pub fn is_paused(cr: &EMQX) -> bool {
    annotation_of(cr, annotation::PAUSED).is_some_and(|value| value != "false")
}

/// Fields of earlier API versions. Clients that do not validate would lose them, and with them what they ask for.
fn former_fields(cr: &EMQX) -> Result<(), Mistakes> {
    let config = cr.spec.config.as_ref();
    let data = "is of an earlier API version; write each root under spec.config.roots, such as {\"mqtt\": {\"max_packet_size\": \"2MB\"}}";
    let fields = [
        ("spec.config.data", config.is_some_and(|config| config.data.is_some()), data),
        (
            "spec.config.mode",
            config.is_some_and(|config| config.mode.is_some()),
            "is of an earlier API version; leave it out: a root in spec.config.roots is replaced as a whole",
        ),
        (
            "spec.coreTemplate.spec.volumeClaimTemplates",
            cr.spec.core_template.spec.volume_claim_templates.is_some(),
            "is of an earlier API version; its content goes under persistentVolumeClaimSpec",
        ),
    ];
    let mistakes = fields.into_iter().filter(|(_, given, _)| *given);
    Mistakes::from(mistakes.map(|(path, _, problem)| Mistake::invalid(path, problem)).collect::<Vec<_>>()).finish()
}

fn annotation_of(cr: &EMQX, key: &str) -> Option<String> {
    cr.metadata.annotations.as_ref()?.get(key).cloned()
}
