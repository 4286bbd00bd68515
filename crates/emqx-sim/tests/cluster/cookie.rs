//! Over TCP, as pods talk: the cookie decides who belongs together.

use crate::{one_cluster, running};
use emqx_sim::clients::Synthetic;
use emqx_sim::config::Layers;
use emqx_sim::local::own_address;
use emqx_sim::node::{Node, Parts};
use emqx_sim::rpc::tcp::{self, Discovery, Remote};
use emqx_sim::rpc::{CallError, Peers as _, Phase, Request};
use emqx_sim::timings::Timings;
use emqx_sim::volume::Volume;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// A node on a loopback address of its own, with the cluster of the test as static seeds.
struct Cluster {
    seeds: Vec<String>,
    tasks: JoinSet<()>,
}

fn name(host: &str) -> String {
    format!("emqx@{host}")
}

fn remote(from: &str, cookie: &str, seeds: &[String]) -> Remote {
    Remote::new(from.to_owned(), cookie.to_owned(), Discovery::Static(seeds.to_vec())).unwrap()
}

impl Cluster {
    fn new(hosts: &[&str]) -> Self {
        Self { seeds: hosts.iter().map(|host| name(host)).collect(), tasks: JoinSet::new() }
    }

    fn start(&mut self, root: &Path, host: &str, cookie: &str) -> Arc<Node> {
        let folder = root.join(host);
        std::fs::create_dir_all(&folder).unwrap();
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = vec![
            set("EMQX_NODE__NAME", &name(host)),
            set("EMQX_NODE__COOKIE", cookie),
            set("EMQX_LICENSE__KEY", "evaluation"),
            set("EMQX_CLUSTER__DISCOVERY_STRATEGY", "static"),
        ];
        let node = Node::new(Parts {
            profile: "5.10.4-ee".parse().unwrap(),
            layers: Layers { environment, ..Layers::default() },
            etc: folder.clone(),
            volume: Volume::new(folder),
            clients: Arc::new(Synthetic::default()),
            peers: Arc::new(remote(&name(host), cookie, &self.seeds)),
            timings: Timings { discovery: Duration::from_millis(200), ..Timings::instant_boot() },
        })
        .unwrap();
        let address = SocketAddr::new(host.parse().unwrap(), tcp::port(&node.name));
        let (listening, cookie) = (node.clone(), cookie.to_owned());
        self.tasks.spawn(async move { tcp::serve(listening, cookie, address).await.unwrap() });
        let run = node.clone().run();
        self.tasks.spawn(async move { drop(run.await) });
        node
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cookie_is_refused() {
    let [first, second, stranger] = [(); 3].map(|()| own_address().ip().to_string());
    let (first, second, stranger) = (first.as_str(), second.as_str(), stranger.as_str());
    let root = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new(&[first, second, stranger]);
    let ours = [cluster.start(root.path(), first, "ours"), cluster.start(root.path(), second, "ours")];
    let theirs = cluster.start(root.path(), stranger, "theirs");
    one_cluster(&ours).await;
    theirs.reaches(Phase::Running).await;
    // Long enough for several rounds of discovery.
    tokio::time::sleep(Duration::from_secs(2)).await;
    one_cluster(&ours).await;
    assert_eq!(running(&theirs).await, BTreeSet::from([name(stranger)]));

    let caller = remote(&name(stranger), "theirs", &[]);
    let join = Request::Join { name: name(stranger), role: emqx_sim::cluster_state::Role::Core };
    assert_eq!(caller.call(&name(first), join).await.unwrap_err(), CallError::WrongCookie);
    assert!(!ours[0].cluster_state().members.contains_key(&name(stranger)));
}
