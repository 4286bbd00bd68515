//! The data directory of a node: what survives a restart, and what is gone with the volume.
//! One file per fact; an absent file is the state of a new volume.

use crate::cluster_state::ClusterState;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Volume {
    path: PathBuf,
}

/// What a node remembers of its cluster, as its database does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memory {
    pub state: ClusterState,
    /// Cores that were running when this one was last seen running: it may not start without one of them.
    pub running_peers: Vec<String>,
}

impl Volume {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Kept by node name: a renamed node starts without memory.
    fn memory_file(&self, node: &str) -> PathBuf {
        self.path.join("mnesia").join(node).join("memory.json")
    }

    pub fn memory(&self, node: &str) -> Option<Memory> {
        serde_json::from_slice(&std::fs::read(self.memory_file(node)).ok()?).ok()
    }

    pub fn remember(&self, node: &str, memory: &Memory) -> io::Result<()> {
        write(&self.memory_file(node), &serde_json::to_vec(memory)?)
    }

    /// The site of this volume, generated at first use.
    pub fn site(&self) -> io::Result<String> {
        let file = self.path.join("emqx_ds_builtin_site.eterm");
        if let Ok(text) = std::fs::read_to_string(&file) {
            return Ok(text.trim().trim_matches(['<', '>', '"', '.']).to_owned());
        }
        let site = format!("{:016X}", rand::random::<u64>());
        self.set_site(&site)?;
        Ok(site)
    }

    pub fn set_site(&self, site: &str) -> io::Result<()> {
        write(&self.path.join("emqx_ds_builtin_site.eterm"), format!("<<\"{site}\">>.\n").as_bytes())
    }

    fn evacuation_file(&self) -> PathBuf {
        self.path.join(".evacuation")
    }

    /// None without evacuation, an empty text for an unreadable file.
    pub fn evacuation(&self) -> Option<String> {
        let file = self.evacuation_file();
        file.exists().then(|| std::fs::read_to_string(file).unwrap_or_default())
    }

    pub fn save_evacuation(&self, text: Option<&str>) -> io::Result<()> {
        match text {
            Some(text) => write(&self.evacuation_file(), text.as_bytes()),
            None => match std::fs::remove_file(self.evacuation_file()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }

    pub fn backups(&self) -> PathBuf {
        self.path.join("backup")
    }

    /// The volume is lost; the next start finds a new one.
    pub fn lose(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
        Ok(())
    }
}

fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, bytes)?;
    std::fs::rename(fresh, file)
}
