//! The CustomResourceDefinitions as they are shipped.

use crate::v3beta1;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps,
};
use kube::CustomResourceExt;
use serde_json::json;

/// Every CRD that the operator ships, with the file name it has in `config/crd/bases`.
pub fn all_crds() -> Vec<(&'static str, CustomResourceDefinition)> {
    vec![("apps.emqx.io_emqxes.yaml", emqx_crd())]
}

/// The CRD of kind EMQX.
pub fn emqx_crd() -> CustomResourceDefinition {
    let mut crd = v3beta1::EMQX::crd();
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            join_lines(schema);
            count_replicants(schema);
        }
    }
    crd
}

/// The API server refuses `kubectl scale` and autoscalers with an error if the resource has no number of replicas.
fn count_replicants(schema: &mut JSONSchemaProps) {
    let spec = schema.properties.as_mut().and_then(|fields| fields.get_mut("spec"));
    let fields = spec.and_then(|spec| spec.properties.as_mut());
    if let Some(replicants) = fields.and_then(|fields| fields.get_mut("replicantTemplate")) {
        replicants.default = Some(JSON(json!({"spec": {"replicas": 0}})));
    }
}

/// Doc comments are wrapped for the reader of the source; `kubectl explain` wraps by itself.
fn join_lines(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description {
        *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
    schema.properties.iter_mut().flatten().for_each(|(_, property)| join_lines(property));
}
