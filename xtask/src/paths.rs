//! Where things are: the checkout, and the cache outside of it.

use std::path::{Path, PathBuf};

/// The checkout that this command was built from.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// What is kept between runs and checkouts.
pub(crate) fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    base.unwrap_or_else(home).join("emqx-operator")
}

/// What belongs to the running local clusters.
pub(crate) fn clusters() -> PathBuf {
    cache().join("clusters")
}
