//! Every example renders to the objects that were reviewed, and to the revisions that were released.
//!
//! A diff in `golden/*.objects.yaml` is a change that users see: review it like code. A diff in `revisions.txt` restarts
//! every user's cluster when the operator is upgraded: it needs an ADR and an entry in the changelog.

mod support;

use emqx_operator_core::action::Action;
use emqx_operator_core::desired::Desired;
use emqx_operator_core::world::{FreshSecrets, KubernetesView, Reading, Why, World};
use emqx_operator_core::{Plan, plan};
use support::{Example, examples};

fn first_plan(example: &Example) -> Plan {
    let desired = Desired::resolve(&example.cr, &example.references)
        .unwrap_or_else(|mistakes| panic!("{}: {mistakes}", example.name));
    let fresh = FreshSecrets { cookie: "fresh-cookie".to_owned(), operator_secret: "fresh-secret".to_owned() };
    let now = "2026-01-01T00:00:00Z".parse().expect("a time");
    let nobody = Reading::Unavailable(Why::NobodyToAsk);
    let world = World::assemble(&desired, &KubernetesView::default(), nobody, fresh, now);
    plan(&desired, &world)
}

fn manifests(plan: &Plan) -> String {
    let manifests = plan.actions.iter().map(|action| match action.manifest() {
        Some(manifest) => {
            format!("# {action}\n{}", serde_yaml::to_string(manifest.body.as_ref()).expect("a manifest is plain data"))
        }
        None => format!("# {action}\n"),
    });
    manifests.collect::<Vec<_>>().join("---\n")
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn every_example_renders_to_the_reviewed_objects() {
    for example in examples() {
        let plan = first_plan(&example);
        settings().bind(|| insta::assert_snapshot!(format!("{}.objects", example.name), manifests(&plan)));
    }
}

#[test]
fn every_example_plans_and_reports_as_reviewed() {
    for example in examples() {
        let plan = first_plan(&example);
        let report = serde_yaml::to_string(&plan.report).expect("a report is plain data");
        settings().bind(|| insta::assert_snapshot!(format!("{}.plan", example.name), format!("{plan}\n\n{report}")));
    }
}

#[test]
fn no_example_restarts_when_the_operator_is_upgraded() {
    let mut lines = String::new();
    for example in examples() {
        let plan = first_plan(&example);
        for action in &plan.actions {
            let Some(manifest) = action.manifest() else { continue };
            let metadata = &manifest.body["spec"]["template"]["metadata"];
            let revision = metadata["annotations"]["apps.emqx.io/template-revision"]
                .as_str()
                .or_else(|| metadata["labels"]["apps.emqx.io/pod-template-hash"].as_str());
            if let Some(revision) = revision {
                lines.push_str(&format!("{} {} {revision}\n", example.name, manifest.id));
            }
        }
    }
    settings().bind(|| insta::assert_snapshot!("revisions", lines));
}

#[test]
fn the_same_arguments_give_the_same_plan() {
    for example in examples() {
        assert_eq!(first_plan(&example), first_plan(&example), "{}", example.name);
    }
}

/// What an action's Debug or Display shows may end up in a log.
#[test]
fn no_secret_is_printed() {
    let secrets = ["change-me-please", "change-me-too", "fresh-cookie", "fresh-secret"];
    for example in examples() {
        let plan = first_plan(&example);
        let desired = Desired::resolve(&example.cr, &example.references).expect("resolved above");
        let mut manifests = plan.actions.iter().filter_map(Action::manifest);
        let config_map = manifests.find(|manifest| manifest.body["kind"] == "ConfigMap");
        let config_map = config_map.map(|manifest| manifest.body.to_string());
        let debug = serde_json::to_string(&desired).expect("a dump is plain data");
        let printed =
            [format!("{plan:?}"), format!("{plan}"), format!("{desired:?}"), debug, config_map.expect("there is one")];
        for text in printed {
            for secret in secrets {
                assert!(!text.contains(secret), "{}: {secret} is in {text}", example.name);
            }
        }
    }
}
