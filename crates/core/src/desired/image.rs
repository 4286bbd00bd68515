//! Version and edition of EMQX from the name of an image, before a broker answers.

use super::errors::{Mistake, Mistakes};
use crate::text::quoted;
use serde::Serialize;

/// Major, minor and patch.
pub type Version = (u16, u16, u16);

/// The version in the tag of an image, where the tag is one.
pub fn version_of_image(reference: &str) -> Option<Version> {
    split(reference).1.and_then(version_of_text)
}

/// An EMQX image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    pub reference: String,
    /// The version in the tag, where the tag is one; the first of a line such as `5.8`.
    pub version: Option<Version>,
    /// The edition, if repository and version determine it.
    pub edition: Option<Edition>,
}

/// Up to 5.8 there are two editions; from 5.9 on there is one, which calls itself Enterprise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Edition {
    OpenSource,
    Enterprise,
}

impl Image {
    pub(super) fn resolve(reference: &str) -> Result<Image, Mistakes> {
        let path = "spec.image";
        if reference.trim().is_empty() {
            return Err(Mistake::invalid(path, "is empty; name an EMQX image such as emqx/emqx:5.10.4").into());
        }
        if reference.chars().any(char::is_whitespace) {
            return Err(Mistake::invalid(path, format!("'{}' contains white space", quoted(reference))).into());
        }
        let (repository, tag) = split(reference);
        if repository.chars().any(|c| c.is_ascii_uppercase()) && !repository.contains(':') {
            return Err(
                Mistake::invalid(path, format!("'{}': repository names are lower case", quoted(reference))).into()
            );
        }
        let version = tag.and_then(version_of_text);
        Ok(Image { reference: reference.to_owned(), version, edition: edition(repository, version) })
    }

    /// Whether EMQX has the endpoint that answers 503 while a node is evacuated; `None` if the name does not say.
    pub fn has_availability_check(&self) -> Option<bool> {
        self.edition.map(|edition| edition == Edition::Enterprise)
    }
}

/// Repository and tag; a digest has no information.
fn split(reference: &str) -> (&str, Option<&str>) {
    let without_digest = reference.split('@').next().unwrap_or(reference);
    match without_digest.rsplit_once(':') {
        // A colon before the last slash belongs to the port of a registry.
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (without_digest, None),
    }
}

/// `5.10.4`, `v5.10.4`, `e5.8-rc.1`
pub fn version_of_text(tag: &str) -> Option<Version> {
    let digits = tag.strip_prefix(['v', 'e']).unwrap_or(tag);
    let mut parts = digits.split(['-', '+']).next()?.split('.').map(|part| part.parse().ok());
    match (parts.next()?, parts.next()?, parts.next()) {
        (Some(major), Some(minor), None) => Some((major, minor, 0)),
        (Some(major), Some(minor), Some(Some(patch))) => Some((major, minor, patch)),
        _ => None,
    }
}

fn edition(repository: &str, version: Option<Version>) -> Option<Edition> {
    let name = repository.rsplit('/').next()?;
    match (name, version) {
        (_, Some(version)) if version >= (5, 9, 0) => Some(Edition::Enterprise),
        ("emqx-enterprise" | "emqx-ee", _) => Some(Edition::Enterprise),
        ("emqx", Some(_)) => Some(Edition::OpenSource),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Edition, Image};

    fn edition(reference: &str) -> Option<Edition> {
        Image::resolve(reference).unwrap().edition
    }

    #[test]
    fn the_name_tells_the_edition_where_it_can() {
        assert_eq!(edition("emqx/emqx:5.8.9"), Some(Edition::OpenSource));
        assert_eq!(edition("emqx/emqx:5.8"), Some(Edition::OpenSource));
        assert_eq!(edition("emqx/emqx:5.10.4"), Some(Edition::Enterprise));
        assert_eq!(edition("emqx/emqx:5.10"), Some(Edition::Enterprise));
        assert_eq!(edition("emqx/emqx:5"), None);
        assert_eq!(edition("emqx/emqx-enterprise:5.8.9"), Some(Edition::Enterprise));
        assert_eq!(edition("emqx/emqx-enterprise:latest"), Some(Edition::Enterprise));
        assert_eq!(edition("registry.example:5000/mirror/emqx:6.0.0-rc.1"), Some(Edition::Enterprise));
        assert_eq!(edition("registry.example:5000/mirror/emqx"), None);
        assert_eq!(edition("emqx/emqx@sha256:0123"), None);
        assert_eq!(edition("registry.example/broker:prod"), None);
    }

    #[test]
    fn an_image_that_cannot_be_one_is_refused() {
        for reference in ["", "  ", "emqx/emqx: 5", "EMQX/emqx:5.10.4"] {
            assert!(Image::resolve(reference).is_err(), "{reference}");
        }
    }
}
