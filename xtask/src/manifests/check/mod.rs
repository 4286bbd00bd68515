//! What must hold for every installation that we offer. One file per rule; each returns what is wrong, with the field
//! and the next step.

mod admission;
mod certificates;
mod images;
mod listeners;
mod monitors;
mod policies;
mod port_names;
mod probes;
mod rbac;
mod references;
mod scopes;
mod selectors;
mod service_ports;
#[cfg(test)]
mod tests;
mod unique;

use super::objects::{Object, Variant};
use super::verbs::UsedVerbs;
use std::fmt;

/// Something that would not work, or that is more than needed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    pub(crate) rule: &'static str,
    pub(crate) object: String,
    /// Path of the field inside the object.
    pub(crate) field: String,
    pub(crate) problem: String,
    pub(crate) next: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { rule, object, field, problem, next } = self;
        write!(f, "{object}: {field}: {problem}; {next} [{rule}]")
    }
}

type Rule = fn(&Variant) -> Vec<Fault>;

const RULES: [(&str, Rule); 13] = [
    ("unique", unique::check),
    ("selectors", selectors::check),
    ("service-ports", service_ports::check),
    ("port-names", port_names::check),
    ("listeners", listeners::check),
    ("probes", probes::check),
    ("monitors", monitors::check),
    ("policies", policies::check),
    ("references", references::check),
    ("certificates", certificates::check),
    ("images", images::check),
    ("scopes", scopes::check),
    ("admission", admission::check),
];

/// Everything that is wrong with a variant.
pub(crate) fn check(variant: &Variant, used: &UsedVerbs) -> Vec<Fault> {
    let named = |rule: &'static str, faults: Vec<Fault>| faults.into_iter().map(move |fault| Fault { rule, ..fault });
    let mut faults: Vec<_> = RULES.iter().flat_map(|(rule, check)| named(rule, check(variant))).collect();
    faults.extend(named("rbac", rbac::check(variant, used)));
    faults.sort();
    faults.dedup();
    faults
}

/// A fault of an object; the rule's name is filled in by the caller.
fn fault(object: &Object, field: impl Into<String>, problem: impl Into<String>, next: impl Into<String>) -> Fault {
    let (field, problem, next) = (field.into(), problem.into(), next.into());
    Fault { rule: "", object: object.describe(), field, problem, next }
}
