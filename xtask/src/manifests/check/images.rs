//! Every image is pinned, and the operator's is the one of this version.

use super::{Fault, fault};
use crate::manifests::objects::{Variant, list};

/// Ends of the repositories that the operator is published in.
const OPERATOR: &str = "emqx/emqx-operator";
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let mut faults = Vec::new();
    for pod in variant.pods() {
        for kind in ["initContainers", "containers"] {
            for (index, container) in list(&pod.spec[kind]).iter().enumerate() {
                let image = container["image"].as_str().unwrap_or_default();
                if let Some((problem, next)) = wrong(image) {
                    faults.push(fault(pod.owner, format!("{}.{kind}[{index}].image", pod.path), problem, next));
                }
            }
        }
    }
    faults
}

fn wrong(image: &str) -> Option<(String, String)> {
    let (tagged, digest) = image.split_once('@').map_or((image, None), |(tagged, digest)| (tagged, Some(digest)));
    let name = tagged.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').map(|(_, tag)| tag);
    let repository = tag.and_then(|tag| tagged.strip_suffix(tag)?.strip_suffix(':')).unwrap_or(tagged);
    if repository.ends_with(OPERATOR) && tag.is_some_and(|tag| tag != VERSION) {
        return Some((format!("{image} is not this version's image"), format!("use {repository}:{VERSION}")));
    }
    if digest.is_some_and(|digest| digest.starts_with("sha256:")) {
        return None;
    }
    match tag {
        Some(tag) if tag.starts_with(|c: char| c.is_ascii_digit()) || is_version(tag) => None,
        _ => Some((format!("{image:?} is not pinned"), "add the tag of a version, or a digest".to_owned())),
    }
}

/// `v1.2`, but neither `latest` nor `v1`, which move.
fn is_version(tag: &str) -> bool {
    tag.strip_prefix('v').is_some_and(|rest| rest.contains('.') && rest.starts_with(|c: char| c.is_ascii_digit()))
}
