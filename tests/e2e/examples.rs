//! Every file of `examples/` becomes Ready as it stands.

use crate::{READY, environment};
use emqx_operator_tests::cluster::{apply, documents, root};
use emqx_operator_tests::emqx;
use emqx_operator_tests::operator::Operator;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

async fn becomes_ready(example: &str) {
    let (client, namespace) = environment(example).await;
    let _operator = Operator::start(&[&namespace]);
    if example == "tls-listener" {
        tls_secret(&Api::namespaced(client.clone(), &namespace)).await;
    }
    for document in documents(&format!("examples/{example}.yaml")).unwrap() {
        apply(&client, Some(&namespace), &document).await.unwrap();
    }
    emqx::ready(&client, &namespace, "emqx", READY).await;
    emqx::delete(&client, &namespace, "emqx").await;
}

/// What the comment in the example tells the user to make.
pub(crate) async fn tls_secret(api: &Api<Secret>) {
    let made = rcgen::generate_simple_self_signed(["mqtt.example".to_owned()]).unwrap();
    let secret = json!({
        "metadata": {"name": "mqtt-tls"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": made.cert.pem(), "tls.key": made.signing_key.serialize_pem()},
    });
    api.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
}

macro_rules! examples {
    ($($test:ident $example:literal,)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                becomes_ready($example).await;
            }
        )+

        #[test]
        fn no_example_is_left_out() {
            let files = std::fs::read_dir(root().join("examples")).unwrap();
            let mut found: Vec<_> = files
                .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()))
                .collect();
            found.sort();
            assert_eq!(found, [$($example),+]);
        }
    };
}

examples! {
    config_roots_becomes_ready "config-roots",
    core_replicant_becomes_ready "core-replicant",
    custom_listeners_becomes_ready "custom-listeners",
    durable_sessions_becomes_ready "durable-sessions",
    many_replicants_becomes_ready "many-replicants",
    private_registry_becomes_ready "private-registry",
    scheduling_becomes_ready "scheduling",
    secrets_in_config_becomes_ready "secrets-in-config",
    services_becomes_ready "services",
    single_core_becomes_ready "single-core",
    tls_listener_becomes_ready "tls-listener",
}
