//! The only file access of this module: layers are read from, and the cluster layer is written to, given folders.

use super::boot::Layers;
use std::io;
use std::path::Path;

impl Layers {
    /// Reads `base.hocon` and `emqx.conf` below `etc` and `configs/cluster.hocon` below `data`. Only `emqx.conf` must
    /// exist: without it a broker does not start.
    pub fn load(etc: &Path, data: &Path, environment: Vec<(String, String)>) -> io::Result<Self> {
        Ok(Self {
            base: optional(&etc.join("base.hocon"))?,
            cluster: optional(&data.join("configs/cluster.hocon"))?,
            main: std::fs::read_to_string(etc.join("emqx.conf")).map_err(|error| named(&error, "etc/emqx.conf"))?,
            environment,
        })
    }
}

fn optional(path: &Path) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|error| named(&error, &path.display().to_string())),
    }
}

fn named(error: &io::Error, path: &str) -> io::Error {
    io::Error::new(error.kind(), format!("failed to read {path}: {error}"))
}

/// Writes `configs/cluster.hocon` below `data`; a reader sees the old or the new text, never half of it.
pub fn save_cluster_hocon(data: &Path, text: &str) -> io::Result<()> {
    let folder = data.join("configs");
    std::fs::create_dir_all(&folder)?;
    let fresh = folder.join("cluster.hocon.new");
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, folder.join("cluster.hocon"))
}
