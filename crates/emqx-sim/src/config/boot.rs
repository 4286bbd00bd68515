//! From layers to the configuration a node boots with: defaults < base < cluster < main < environment.

use super::Config;
use super::check::{self, Problem};
use super::environment;
use super::hocon::{self, SyntaxError};
use super::profile::Profile;
use super::schema::Schema;
use super::value::merge_maps;
use serde_json::{Map, Value};
use thiserror::Error;

/// The texts of the layers; a missing file is an empty text.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// `etc/base.hocon`
    pub base: String,
    /// `data/configs/cluster.hocon`
    pub cluster: String,
    /// `etc/emqx.conf`
    pub main: String,
    /// All variables of the process; those of others are ignored.
    pub environment: Vec<(String, String)>,
}

/// Why a node cannot start; it logs this and exits with 1.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BootError {
    #[error("failed to read {layer}: {source}")]
    Syntax { layer: &'static str, source: SyntaxError },
    #[error("failed to check root {root} of the configuration: {}", shown(problems))]
    Invalid { root: String, problems: Vec<Problem> },
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.to_json().to_string()).collect::<Vec<_>>().join(", ")
}

impl Config {
    /// Reads all layers. The second value holds warnings to log.
    pub fn boot(profile: Profile, layers: &Layers) -> Result<(Self, Vec<String>), BootError> {
        let schema = Schema::of(profile);
        let stored = merge_maps(read("base.hocon", &layers.base)?, read("cluster.hocon", &layers.cluster)?);
        let mut given = merge_maps(stored.clone(), read("emqx.conf", &layers.main)?);
        let mut warnings = drop_unknown(schema, &mut given);
        let variables = layers.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (settings, more) = environment::settings(schema, variables);
        warnings.extend(more);
        for setting in settings {
            setting.apply(&mut given);
        }
        let effective = fill_all(schema, &given)?;
        Ok((Self { profile, schema, effective, stored }, warnings))
    }
}

fn read(layer: &'static str, text: &str) -> Result<Map<String, Value>, BootError> {
    hocon::parse(text).map_err(|source| BootError::Syntax { layer, source })
}

fn drop_unknown(schema: &Schema, given: &mut Map<String, Value>) -> Vec<String> {
    let unknown: Vec<String> = given.keys().filter(|root| !schema.has_root(root)).cloned().collect();
    unknown
        .into_iter()
        .map(|root| {
            given.remove(&root);
            format!("config_key_not_recognized: {root}")
        })
        .collect()
}

fn fill_all(schema: &Schema, given: &Map<String, Value>) -> Result<Map<String, Value>, BootError> {
    let roots = schema.known.keys().filter(|root| given.contains_key(*root) || schema.defaults.contains_key(*root));
    roots
        .map(|root| match check::fill(schema, root, given.get(root)) {
            Ok(value) => Ok((root.clone(), value)),
            Err(problems) => Err(BootError::Invalid { root: root.clone(), problems }),
        })
        .collect()
}
