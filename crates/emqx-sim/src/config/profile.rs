//! Which EMQX a configuration belongs to: release and edition decide defaults and error forms.

use std::str::FromStr;

/// Open source or Enterprise; 5.9 and later exist as Enterprise only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    OpenSource,
    Enterprise,
}

/// The release whose behavior is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    pub version: (u32, u32, u32),
    pub edition: Edition,
}

impl Profile {
    pub fn new(version: (u32, u32, u32), edition: Edition) -> Self {
        Self { version, edition }
    }

    /// True from `major.minor` on.
    pub fn since(&self, major: u32, minor: u32) -> bool {
        (self.version.0, self.version.1) >= (major, minor)
    }

    /// The schema module named in answers of crashed requests.
    pub(super) fn schema_module(&self) -> &'static str {
        match self.edition {
            Edition::OpenSource => "emqx_conf_schema",
            Edition::Enterprise => "emqx_enterprise_schema",
        }
    }
}

/// `5.10.4` and `5.8.9-ee` are Enterprise, `5.8.9-ce` is open source.
impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("EMQX version {text:?} is not MAJOR.MINOR.PATCH with an optional -ce or -ee");
        let (numbers, edition) = match text.split_once('-') {
            None | Some((_, "ee")) => (text.trim_end_matches("-ee"), Edition::Enterprise),
            Some((numbers, "ce")) => (numbers, Edition::OpenSource),
            Some(_) => return Err(wrong()),
        };
        let parts: Vec<u32> = numbers.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        match parts[..] {
            [major, minor, patch] => Ok(Self::new((major, minor, patch), edition)),
            _ => Err(wrong()),
        }
    }
}
