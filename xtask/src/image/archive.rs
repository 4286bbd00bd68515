//! Archives as `docker save` writes them. The same content gives the same bytes: entries are sorted and have no times.

use anyhow::Context as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// What an image consists of.
#[derive(Default)]
pub(super) struct Image {
    pub(super) references: Vec<String>,
    pub(super) layer: Layer,
    pub(super) user: &'static str,
    pub(super) working_folder: &'static str,
    pub(super) entrypoint: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<String>,
}

/// The files of an image, by path without a leading slash.
#[derive(Default)]
pub(super) struct Layer(BTreeMap<String, Entry>);

struct Entry {
    mode: u32,
    owner: u64,
    content: Content,
}

enum Content {
    File(Vec<u8>),
    Folder,
    Link(String),
}

impl Layer {
    pub(super) fn file(&mut self, path: &str, mode: u32, owner: u64, content: Vec<u8>) {
        self.add(path, Entry { mode, owner, content: Content::File(content) });
    }

    pub(super) fn folder(&mut self, path: &str, mode: u32, owner: u64) {
        self.add(path, Entry { mode, owner, content: Content::Folder });
    }

    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.add(path, Entry { mode: 0o777, owner: 0, content: Content::Link(target.to_owned()) });
    }

    pub(super) fn busybox(&mut self, binary: &[u8], applets: &[&str]) {
        self.file("bin/busybox", 0o755, 0, binary.to_vec());
        for applet in applets {
            self.link(&format!("bin/{applet}"), "/bin/busybox");
        }
    }

    fn add(&mut self, path: &str, entry: Entry) {
        for parent in Path::new(path).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            let folder = Entry { mode: 0o755, owner: 0, content: Content::Folder };
            self.0.entry(parent.display().to_string()).or_insert(folder);
        }
        self.0.insert(path.to_owned(), entry);
    }

    fn tar(&self) -> anyhow::Result<Vec<u8>> {
        let mut builder = Builder::new(Vec::new());
        for (path, entry) in &self.0 {
            let (kind, data): (_, &[u8]) = match &entry.content {
                Content::File(content) => (EntryType::Regular, content),
                Content::Folder => (EntryType::Directory, &[]),
                Content::Link(_) => (EntryType::Symlink, &[]),
            };
            let mut header = header(kind, entry.mode, entry.owner, data.len());
            if let Content::Link(target) = &entry.content {
                header.set_link_name(target)?;
            }
            builder.append_data(&mut header, path, data)?;
        }
        Ok(builder.into_inner()?)
    }
}

impl Image {
    /// Writes the archive and returns its path.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<PathBuf> {
        let layer = self.layer.tar()?;
        let config = serde_json::to_vec(&self.config(&layer))?;
        let config_name = format!("{}.json", hex::encode(Sha256::digest(&config)));
        let manifest = json!([{"Config": config_name, "RepoTags": self.references, "Layers": ["layer.tar"]}]);
        let mut archive = Builder::new(Vec::new());
        for (name, data) in
            [(config_name.as_str(), &config), ("layer.tar", &layer), ("manifest.json", &serde_json::to_vec(&manifest)?)]
        {
            archive.append_data(&mut header(EntryType::Regular, 0o644, 0, data.len()), name, data.as_slice())?;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, archive.into_inner()?).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path.to_path_buf())
    }

    fn config(&self, layer: &[u8]) -> serde_json::Value {
        json!({
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "User": self.user,
                "WorkingDir": if self.working_folder.is_empty() { "/" } else { self.working_folder },
                "Entrypoint": self.entrypoint,
                "Cmd": self.command,
                "Env": self.environment,
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex::encode(Sha256::digest(layer)))]},
        })
    }
}

fn header(kind: EntryType, mode: u32, owner: u64, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header.set_size(size as u64);
    header
}
