//! Requests to the API server and to EMQX, by what was asked and how it ended.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerbLabels {
    verb: &'static str,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RestClientLabels {
    code: String,
    method: String,
}

fn code(code: Option<u16>) -> String {
    code.map_or_else(|| "none".to_owned(), |code| code.to_string())
}

/// Requests to the API server.
#[derive(Clone, Debug)]
pub struct KubernetesRequests {
    own: Family<VerbLabels, Counter>,
    compatible: Family<RestClientLabels, Counter>,
}

impl KubernetesRequests {
    pub fn new(registry: &mut Registry) -> Self {
        let requests = Self { own: Family::default(), compatible: Family::default() };
        let text = "Requests to the API server, by verb and by the code of the answer; none without an answer";
        super::own(registry).register("kubernetes_requests", text, requests.own.clone());
        let text = "Requests to the API server, by method and by the code of the answer";
        registry.register("rest_client_requests", text, requests.compatible.clone());
        requests
    }

    /// One request has ended.
    pub fn ended(&self, verb: &'static str, method: &str, answer: Option<u16>) {
        self.own.get_or_create(&VerbLabels { verb, code: code(answer) }).inc();
        let labels = RestClientLabels { code: code(answer), method: method.to_owned() };
        self.compatible.get_or_create(&labels).inc();
    }
}

/// Requests to EMQX nodes.
#[derive(Clone, Debug)]
pub struct EmqxRequests(Family<MethodLabels, Counter>);

impl EmqxRequests {
    pub fn new(registry: &mut Registry) -> Self {
        let requests = Family::default();
        let text = "Requests to the EMQX API, by method and by the code of the answer; none without an answer";
        super::own(registry).register("emqx_requests", text, requests.clone());
        Self(requests)
    }
}

impl emqx_client::Observer for EmqxRequests {
    fn ended(&self, method: &str, answer: Option<u16>) {
        self.0.get_or_create(&MethodLabels { method: method.to_owned(), code: code(answer) }).inc();
    }
}
