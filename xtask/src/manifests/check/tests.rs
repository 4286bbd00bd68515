//! Broken shapes, each caught by the rule that is for it and by no other; and the shape that is right.

use super::check;
use crate::manifests::objects::Variant;
use crate::manifests::verbs::UsedVerbs;

const USED: &str = "
seen:
  watched:
    core/configmaps: [get]
  pods-exec:
    core/pods/exec: [get]
  leader-election:
    coordination.k8s.io/leases: [update]
  metrics-authentication:
    authentication.k8s.io/tokenreviews: [create]
";

/// An installation in which everything fits together, as small as it can be.
const SOUND: &str = include_str!("testdata/sound.yaml");
/// The shape of release 1.1.5 of the Go operator, in our own words: the Service points at the port of a side-car that is
/// not there, and the operator's metrics port is not declared.
const RELEASE_1_1_5: &str = include_str!("testdata/release-1.1.5.yaml");

/// Rules that find something, and what they say.
fn faults(text: &str) -> Vec<(&'static str, String)> {
    let variant = Variant::parse("test", text).unwrap();
    let used = UsedVerbs::parse(USED).unwrap();
    check(&variant, &used).into_iter().map(|fault| (fault.rule, fault.to_string())).collect()
}

/// The sound shape with one thing changed.
fn broken(from: &str, to: &str) -> Vec<(&'static str, String)> {
    assert!(SOUND.contains(from), "the sound shape has no {from:?}");
    faults(&SOUND.replace(from, to))
}

#[track_caller]
fn caught(faults: &[(&str, String)], rule: &str, says: &str) {
    assert!(
        faults.iter().any(|(by, text)| *by == rule && text.contains(says)),
        "{rule} does not say {says:?}: {faults:#?}"
    );
}

#[track_caller]
fn caught_by_one(faults: &[(&str, String)], rule: &str, says: &str) {
    caught(faults, rule, says);
    assert!(faults.iter().all(|(by, _)| *by == rule), "other rules speak, too: {faults:#?}");
}

#[test]
fn a_sound_installation_has_no_faults() {
    assert_eq!(faults(SOUND), []);
}

#[test]
fn the_metrics_service_of_release_1_1_5_is_caught() {
    let faults = faults(RELEASE_1_1_5);
    caught(
        &faults,
        "service-ports",
        "Service emqx-operator-system/emqx-operator-controller-manager-metrics-service: \
        spec.ports[0].targetPort: no container of Deployment emqx-operator-system/emqx-operator-controller-manager has \
        port https; name one that is declared: health (8081)",
    );
    caught(&faults, "listeners", "the container listens on 8080, which is not declared");
}

#[test]
fn a_target_port_by_a_wrong_number_is_caught() {
    caught_by_one(&broken("targetPort: metrics", "targetPort: 8443"), "service-ports", "has port 8443");
}

#[test]
fn a_service_port_without_a_target_is_its_own_target() {
    caught_by_one(
        &broken("    port: 8080\n    targetPort: metrics", "    port: 80"),
        "service-ports",
        "spec.ports[0].port: no container",
    );
}

#[test]
fn a_selector_that_finds_no_pods_is_caught() {
    let faults = broken("  selector: {control-plane: controller-manager}", "  selector: {control-plane: manager}");
    caught_by_one(&faults, "selectors", "selects no pods");
}

#[test]
fn an_empty_selector_is_caught() {
    caught_by_one(&broken("  selector: {control-plane: controller-manager}\n", ""), "selectors", "selects no pods");
}

#[test]
fn a_deployment_that_does_not_select_its_pods_is_caught() {
    let faults = broken("    matchLabels: {control-plane: controller-manager} # deployment", "    matchLabels: {a: b}");
    caught_by_one(&faults, "selectors", "is not its own pods' labels");
}

#[test]
fn a_monitor_of_a_port_that_the_service_lacks_is_caught() {
    caught_by_one(&broken("  - port: metrics # monitor", "  - port: https"), "monitors", "has no port called https");
}

#[test]
fn a_monitor_that_speaks_tls_to_plain_http_is_caught() {
    caught_by_one(&broken("scheme: http # monitor", "scheme: https"), "monitors", "served over http, not https");
}

#[test]
fn a_monitor_that_selects_no_service_is_caught() {
    caught_by_one(
        &broken("matchLabels: {service: metrics}", "matchLabels: {service: other}"),
        "selectors",
        "selects no Service",
    );
}

#[test]
fn a_policy_for_a_port_that_the_pods_lack_is_caught() {
    caught_by_one(&broken("port: 8080 # policy", "port: 8443"), "policies", "has no port 8443");
}

#[test]
fn a_service_account_that_is_not_there_is_caught() {
    let faults = broken("serviceAccountName: controller-manager", "serviceAccountName: manager");
    caught(&faults, "references", "there is no ServiceAccount emqx-operator-system/manager");
    caught(&faults, "rbac", "manager may not get core/configmaps in all namespaces");
}

#[test]
fn a_role_that_is_not_there_is_caught() {
    let faults = broken("name: manager-role # reference", "name: role");
    caught(&faults, "references", "roleRef.name: there is no ClusterRole role");
}

#[test]
fn a_secret_that_nobody_makes_is_caught() {
    let faults = broken("      volumes: []", "      volumes: [{name: a, secret: {secretName: cert}}]");
    caught_by_one(&faults, "references", "there is no Secret emqx-operator-system/cert");
}

#[test]
fn a_config_map_that_nobody_makes_is_caught() {
    let faults = broken("      volumes: []", "      volumes: [{name: a, configMap: {name: settings}}]");
    caught_by_one(&faults, "references", "there is no ConfigMap emqx-operator-system/settings");
}

#[test]
fn images_that_are_not_pinned_are_caught() {
    for image in ["registry:5000/proxy", "proxy:latest", "proxy:v1", "proxy"] {
        caught_by_one(&broken("registry:5000/proxy:v0.19.1", image), "images", "is not pinned");
    }
    let digest = format!("proxy@sha256:{}", "0".repeat(64));
    assert_eq!(broken("registry:5000/proxy:v0.19.1", &digest), []);
}

#[test]
fn an_operator_of_another_version_is_caught() {
    let faults = broken("registry:5000/proxy:v0.19.1", "ghcr.io/emqx/emqx-operator:2.2.29");
    caught_by_one(&faults, "images", "is not this version's image");
}

#[test]
fn a_verb_that_is_missing_is_caught() {
    caught_by_one(
        &broken("verbs: [get] # configmaps", "verbs: []"),
        "rbac",
        "may not get core/configmaps in all namespaces",
    );
}

#[test]
fn a_verb_that_is_never_used_is_caught() {
    let faults = broken("verbs: [get] # configmaps", "verbs: [get, deletecollection]");
    caught_by_one(&faults, "rbac", "the operator never does: deletecollection core/configmaps in all namespaces");
}

#[test]
fn a_star_is_more_than_is_used() {
    caught(&broken("verbs: [get] # configmaps", "verbs: ['*']"), "rbac", "never does: * core/configmaps");
}

#[test]
fn a_right_that_belongs_to_another_variant_is_caught() {
    let rule = "- {apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}\n- apiGroups: [\"\"] # first";
    let faults = broken("- apiGroups: [\"\"] # first", rule);
    caught_by_one(&faults, "rbac", "never does: create authentication.k8s.io/tokenreviews");
}

/// The sound shape with a ClusterRole of this name, bound to the operator, that gives these verbs on commands in pods.
fn with_commands(role: &str, verbs: &str) -> Vec<(&'static str, String)> {
    let head = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole";
    let subject = "{kind: ServiceAccount, name: controller-manager, namespace: emqx-operator-system}";
    faults(&format!(
        "{SOUND}---\n{head}\nmetadata: {{name: {role}}}\nrules:\n\
        - {{apiGroups: [\"\"], resources: [pods/exec], verbs: {verbs}}}\n\
        ---\n{head}Binding\nmetadata: {{name: commands}}\nroleRef: {{kind: ClusterRole, name: {role}}}\n\
        subjects: [{subject}]\n"
    ))
}

#[test]
fn commands_in_pods_are_granted_by_their_own_role() {
    assert_eq!(with_commands("emqx-operator-pods-exec-role", "[get]"), []);
}

#[test]
fn commands_in_pods_that_another_role_grants_are_caught() {
    caught_by_one(&with_commands("other-role", "[get]"), "rbac", "the operator never does: get core/pods/exec");
}

#[test]
fn a_role_for_commands_gives_what_they_need_and_no_more() {
    let faults = with_commands("pods-exec-role", "[create]");
    caught(&faults, "rbac", "may not get core/pods/exec in all namespaces");
    caught(&faults, "rbac", "the operator never does: create core/pods/exec");
}

#[test]
fn rights_everywhere_are_too_many_for_an_operator_of_one_namespace() {
    let faults = broken("        env: []", "        env: [{name: WATCH_NAMESPACE, value: team-a}]");
    caught(&faults, "rbac", "may not get core/configmaps in namespace team-a");
    caught(&faults, "rbac", "never does: get core/configmaps in all namespaces");
}

#[test]
fn two_ports_of_one_name_are_caught() {
    let faults =
        broken("        - {name: health, containerPort: 8081}", "        - {name: metrics, containerPort: 8081}");
    caught(&faults, "port-names", "another port is called metrics, too");
}

#[test]
fn a_port_that_nobody_listens_on_is_caught() {
    let faults = broken("--metrics-bind-address=:8080", "--metrics-bind-address=127.0.0.1:8080");
    caught_by_one(&faults, "listeners", "no flag of the container opens port 8080");
}

#[test]
fn a_probe_of_a_port_that_is_not_there_is_caught() {
    caught_by_one(&broken("port: health # probe", "port: probes"), "probes", "has no port probes");
}

#[test]
fn a_certificate_for_another_service_is_caught() {
    let faults = broken("- metrics.emqx-operator-system.svc", "- webhook.emqx-operator-system.svc");
    caught_by_one(&faults, "certificates", "is no Service here");
}

#[test]
fn an_object_that_is_there_twice_is_caught() {
    let twice =
        "kind: ServiceAccount\napiVersion: v1\nmetadata: {name: controller-manager, namespace: emqx-operator-system}\n";
    caught_by_one(&faults(&format!("{SOUND}---\n{twice}")), "unique", "the object is there twice");
}

#[test]
fn a_policy_for_what_no_crd_serves_is_caught() {
    for (from, to) in [
        ("apiVersions: [v3beta1]", "apiVersions: [v2beta1]"),
        ("resources: [emqxes]", "resources: [emqx]"),
        ("apiGroups: [apps.emqx.io]", "apiGroups: [emqx.io]"),
    ] {
        caught_by_one(&broken(from, to), "admission", "no CRD here serves");
    }
}

#[test]
fn a_policy_that_is_not_there_is_caught() {
    caught_by_one(
        &broken("policyName: tenants", "policyName: guests"),
        "references",
        "there is no ValidatingAdmission",
    );
    caught_by_one(&broken("paramRef: {name: settings-of-policy", "paramRef: {name: a"), "references", "no ConfigMap");
}

#[test]
fn a_namespace_on_what_has_none_is_caught() {
    let faults = broken("metadata: {name: tenants}", "metadata: {name: tenants, namespace: emqx-operator-system}");
    caught(&faults, "scopes", "the kind has no namespaces");
}
