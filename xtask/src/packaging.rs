//! What the packaging tests need beside a cluster: rendered variants, images, and the programs that users have.

use crate::cluster::{self, State, packages, tools};
use crate::image::{self, Which};
use crate::{manifests, paths, progress};
use std::process::Command;

/// Loads the images, renders the variants, and tells the test program where things are.
pub(crate) fn prepare(state: &State, tests: &mut Command) -> anyhow::Result<()> {
    let archives = image::build(Which::KubeRbacProxy)?;
    progress::step("loading images of side-cars", || archives.iter().try_for_each(|a| cluster::load_image(state, a)))?;
    let rendered = paths::root().join("target/manifests");
    progress::step("rendering the manifests", || manifests::render(&rendered))?;
    tests.env("EMQX_TEST_MANIFESTS", rendered);
    tests.env("EMQX_TEST_HELM", tools::helm()?);
    tests.env("EMQX_TEST_PROMETHEUS", packages::prometheus()?);
    Ok(())
}
