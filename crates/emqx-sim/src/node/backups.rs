//! Backup files of this node. An archive holds `cluster.hocon` as the broker exports it, in the gzip container that
//! tools look for.

use super::Node;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What a gzip file starts with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

impl Node {
    /// A name with a path in it names no backup.
    fn backup_file(&self, name: &str) -> Option<PathBuf> {
        let plain = !name.contains('/') && name.ends_with(".tar.gz");
        plain.then(|| self.volume.backups().join(name))
    }

    pub fn write_backup(&self, name: &str, bytes: &[u8]) -> Result<(), &'static str> {
        let file = self.backup_file(name).ok_or("bad_backup_name")?;
        if file.exists() {
            return Err("already_exists");
        }
        if !bytes.starts_with(&GZIP) {
            return Err("bad_archive");
        }
        std::fs::create_dir_all(self.volume.backups()).map_err(|_| "enoent")?;
        std::fs::write(file, bytes).map_err(|_| "eacces")
    }

    pub fn export(&self) -> Result<Value, &'static str> {
        let stamp = jiff::Timestamp::now().strftime("%Y-%m-%d-%H-%M-%S%.3f");
        let name = format!("emqx-export-{stamp}.tar.gz");
        let text = self.config().cluster_hocon();
        self.write_backup(&name, &[&GZIP[..], text.as_bytes()].concat())?;
        self.backup_info(&name).ok_or("enoent")
    }

    fn backup_info(&self, name: &str) -> Option<Value> {
        let meta = std::fs::metadata(self.backup_file(name)?).ok()?;
        let created = jiff::Timestamp::try_from(meta.modified().ok()?).ok()?;
        Some(json!({
            "filename": name, "node": self.name, "size": meta.len(),
            "created_at": created.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(), "created_at_sec": created.as_second(),
        }))
    }

    pub(super) fn backups(&self) -> Value {
        let entries = std::fs::read_dir(self.volume.backups()).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| self.backup_info(&name)).collect()
    }

    pub(super) fn read_backup(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.backup_file(name)?).ok()
    }

    pub(super) fn delete_backup(&self, name: &str) -> bool {
        self.backup_file(name).is_some_and(|file| std::fs::remove_file(file).is_ok())
    }
}
