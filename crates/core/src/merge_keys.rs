//! Lists that Kubernetes treats as maps. Server-side apply fails as a whole, with 500, where two items of one list have the
//! same key.

/// Lists by the field that holds them, in objects and in specs, with the fields that are the key of an item.
const LISTS: [(&[&str], &[&str]); 6] = [
    (
        &[
            "containers",
            "initContainers",
            "extraContainers",
            "volumes",
            "extraVolumes",
            "env",
            "imagePullSecrets",
            "resourceClaims",
            "claims",
        ],
        &["name"],
    ),
    (&["volumeMounts", "extraVolumeMounts"], &["mountPath"]),
    (&["volumeDevices"], &["devicePath"]),
    (&["ownerReferences"], &["uid"]),
    // Of containers or of a Service.
    (&["ports"], &["containerPort", "port", "protocol"]),
    (&["topologySpreadConstraints"], &["topologyKey", "whenUnsatisfiable"]),
];

/// The keys that identify the items of a list; `None` for a list without keys.
pub(crate) fn merge_keys(list: &str) -> Option<&'static [&'static str]> {
    LISTS.iter().find(|(lists, _)| lists.contains(&list)).map(|(_, keys)| *keys)
}

/// Fields in which the items have to differ as well, if they have them.
pub(crate) fn unique_fields(list: &str) -> &'static [&'static str] {
    if list == "ports" { &["name"] } else { &[] }
}
