//! `tls.crt` and `tls.key` in a folder, as cert-manager and Kubernetes fill it. Looked at often: a mounted Secret changes
//! without a trace that could be watched on every file system.

use super::{CertificateError, certified};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(10);

pub struct Files {
    folder: PathBuf,
    /// The contents that were taken last.
    taken: Option<(Vec<u8>, Vec<u8>)>,
}

impl Files {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), taken: None }
    }

    pub fn next(&mut self) -> Result<(Option<CertifiedKey>, Duration), CertificateError> {
        let found = (self.read("tls.crt")?, self.read("tls.key")?);
        if self.taken.as_ref() == Some(&found) {
            return Ok((None, INTERVAL));
        }
        let fresh = certified(&self.folder.display().to_string(), &found.0, &found.1)?;
        self.taken = Some(found);
        Ok((Some(fresh), INTERVAL))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, CertificateError> {
        let path = self.folder.join(name);
        std::fs::read(&path).map_err(|error| CertificateError::File(path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::Files;
    use std::path::Path;

    fn write(folder: &Path, file: &str, text: &str) {
        std::fs::write(folder.join(file), text).unwrap();
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_pair_is_taken_once_and_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path());
        assert!(files.next().unwrap_err().to_string().contains("tls.crt"));
        for _ in 0..2 {
            let (certificate, key) = pair();
            write(folder.path(), "tls.crt", &certificate);
            write(folder.path(), "tls.key", &key);
            assert!(files.next().unwrap().0.is_some());
            assert!(files.next().unwrap().0.is_none());
        }
    }

    #[test]
    fn a_pair_that_is_half_written_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path());
        let (certificate, key) = pair();
        write(folder.path(), "tls.crt", &certificate);
        write(folder.path(), "tls.key", "");
        assert!(files.next().unwrap_err().to_string().contains("private key"));
        write(folder.path(), "tls.key", &pair().1);
        assert!(files.next().unwrap_err().to_string().contains("do not belong together"));
        write(folder.path(), "tls.key", &key);
        assert!(files.next().unwrap().0.is_some());
    }
}
