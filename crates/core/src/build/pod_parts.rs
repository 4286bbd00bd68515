//! Parts of pods that the template and the additions share.

use k8s_openapi::api::core::v1::{EnvVar, VolumeMount};

/// As it enters the revision. The quotes are for EMQX, which parses values of variables as HOCON.
pub(super) const API_KEYS_FILE: &str = "\"/opt/emqx/etc/bootstrap_api_keys\"";

/// Where cores find their first API keys.
pub(super) const API_KEYS_VARIABLE: &str = "EMQX_API_KEY__BOOTSTRAP_FILE";

/// The name of a core, as it was when the cores asked for the records of all ports. It enters the revision as it was.
pub(super) const CORE_HOST: &str = "$(POD_NAME).$(EMQX_CLUSTER__DNS__NAME)";

/// One file of a volume, in a folder of the image.
pub(super) fn file(volume: &str, path: &str, key: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        sub_path: Some(key.to_owned()),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

pub(super) fn variable(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), value_from: None }
}
