//! The templates that last worked, and the rollout that was rolled back, in a Secret: the rollback lasts until the templates
//! change, also when the operator restarts.

use super::templates::Templates;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use emqx_operator_api::hub::EMQX;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The keys of the Secret.
const TEMPLATES: &str = "templates.json";
const ROLLED_BACK: &str = "rolled-back.json";

/// The content of the Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct LastGood {
    pub templates: Templates,
    pub rolled_back: Option<RolledBack>,
}

/// A rollout that was rolled back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The revision of the templates that did not work.
    pub revision: String,
    pub at: Timestamp,
    /// Why it made no progress.
    pub why: String,
}

impl LastGood {
    /// Reads the data of the Secret. Unreadable data counts as absent.
    pub fn read<'t>(entry: impl Fn(&str) -> Option<&'t [u8]>) -> Option<LastGood> {
        let templates = serde_json::from_slice(entry(TEMPLATES)?).ok()?;
        let rolled_back = entry(ROLLED_BACK).and_then(|text| serde_json::from_slice(text).ok());
        Some(LastGood { templates, rolled_back })
    }

    /// The same of an object as the API server gives it.
    pub fn read_body(body: &Value) -> Option<LastGood> {
        let entry = |key: &str| STANDARD.decode(body["data"][key].as_str()?).ok();
        let (templates, rolled_back) = (entry(TEMPLATES), entry(ROLLED_BACK));
        LastGood::read(|key| if key == TEMPLATES { templates.as_deref() } else { rolled_back.as_deref() })
    }

    /// Whether the object records a rollback.
    pub fn gives_up(body: &Value) -> bool {
        body["data"].get(ROLLED_BACK).is_some()
    }

    pub(crate) fn data(&self) -> BTreeMap<&'static str, String> {
        let text = |value: serde_json::Result<String>| STANDARD.encode(value.expect("templates are plain data"));
        let mut data = BTreeMap::from([(TEMPLATES, text(serde_json::to_string_pretty(&self.templates)))]);
        if let Some(rolled_back) = &self.rolled_back {
            data.insert(ROLLED_BACK, text(serde_json::to_string_pretty(rolled_back)));
        }
        data
    }

    /// The resource to reconcile in place of this one, if its templates were rolled back.
    pub fn instead_of(&self, cr: &EMQX) -> Option<(EMQX, RolledBack)> {
        let rolled_back = self.rolled_back.as_ref().filter(|_| cr.spec.update_strategy.rollback_on_failure)?;
        if Templates::of(cr).revision() != rolled_back.revision {
            return None;
        }
        Some((self.templates.put_into(cr)?, rolled_back.clone()))
    }
}
