//! Container images without a Docker engine: static binaries, packed into archives as `docker save` writes them.

mod archive;
mod start;

use crate::cluster::tools;
use crate::programs::{self, Profile};
use crate::{paths, progress, release};
use anyhow::Context as _;
use archive::{Image, Layer};
use clap::ValueEnum;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which images; all when none is named.
    #[arg(value_enum)]
    images: Vec<Which>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// The operator.
    Operator,
    /// The stand-in for EMQX, under the names of EMQX's images. For tests and the demo only.
    Sim,
    /// kube-rbac-proxy, under the name of its image: local clusters reach no registry.
    KubeRbacProxy,
}

/// Its package and program.
pub(crate) const OPERATOR: &str = "emqx-operator";

const KUBE_RBAC_PROXY: &str = "quay.io/brancz/kube-rbac-proxy:v0.19.1";

/// References of the stand-in, with the version and edition that it plays under each.
const SIMULATED: [(&str, &str, &str); 6] = [
    ("docker.io/emqx/emqx:5.8.9", "5.8.9", "ce"),
    ("docker.io/emqx/emqx-enterprise:5.8.9", "5.8.9", "ee"),
    ("docker.io/emqx/emqx:5.10.4", "5.10.4", "ee"),
    ("docker.io/emqx/emqx-enterprise:5.10.4", "5.10.4", "ee"),
    ("docker.io/emqx/emqx:6.0.0", "6.0.0", "ee"),
    ("registry.example/mirror/emqx:5.10.4", "5.10.4", "ee"),
];

/// Programs of busybox that containers and hooks call.
const APPLETS: [&str; 12] =
    ["sh", "sleep", "ls", "cat", "mkdir", "rm", "kill", "ps", "hostname", "env", "test", "nslookup"];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let all = [Which::Operator, Which::Sim, Which::KubeRbacProxy];
    let wanted = if arguments.images.is_empty() { &all[..] } else { &arguments.images };
    for which in wanted {
        for file in build(*which)? {
            println!("{} ({:.1} MB)", file.display(), std::fs::metadata(&file)?.len() as f64 / 1e6);
        }
        if *which == Which::Operator {
            let took = start::time(&programs::build(OPERATOR, Profile::Local)?)?;
            println!("the operator answers probes {:.0} ms after its start", took.as_secs_f64() * 1e3);
        }
    }
    Ok(())
}

/// The reference of the operator's image.
pub(crate) fn operator_reference() -> String {
    format!("docker.io/emqx/emqx-operator:{}", env!("CARGO_PKG_VERSION"))
}

/// Builds images and returns their archives.
pub(crate) fn build(which: Which) -> anyhow::Result<Vec<PathBuf>> {
    match which {
        Which::Operator => Ok(vec![operator(Profile::Local)?]),
        Which::Sim => simulated(),
        Which::KubeRbacProxy => Ok(vec![kube_rbac_proxy()?]),
    }
}

/// The image of the operator.
pub(crate) fn operator(profile: Profile) -> anyhow::Result<PathBuf> {
    let binary = programs::build(OPERATOR, profile)?;
    let mut layer = Layer::default();
    layer.file("emqx-operator", 0o755, 0, std::fs::read(binary)?);
    for (name, text) in release::notices()? {
        layer.file(&format!("licenses/{name}"), 0o644, 0, text.into_bytes());
    }
    let image = Image {
        references: vec![operator_reference()],
        layer,
        user: "65532:65532",
        entrypoint: vec!["/emqx-operator".to_owned()],
        ..Image::default()
    };
    image.write(&folder().join("emqx-operator.tar"))
}

fn kube_rbac_proxy() -> anyhow::Result<PathBuf> {
    let mut layer = Layer::default();
    layer.file("usr/local/bin/kube-rbac-proxy", 0o755, 0, std::fs::read(tools::kube_rbac_proxy()?)?);
    let image = Image {
        references: vec![KUBE_RBAC_PROXY.to_owned()],
        layer,
        user: "65532:65532",
        entrypoint: vec!["/usr/local/bin/kube-rbac-proxy".to_owned()],
        ..Image::default()
    };
    image.write(&folder().join("kube-rbac-proxy.tar"))
}

/// One archive per version: the binary plays what the environment of the image says.
fn simulated() -> anyhow::Result<Vec<PathBuf>> {
    let binary = std::fs::read(programs::build("emqx-sim", Profile::Local)?)?;
    let busybox = busybox()?;
    SIMULATED
        .iter()
        .map(|(reference, version, edition)| {
            let mut layer = Layer::default();
            layer.busybox(&busybox, &APPLETS);
            layer.file("opt/emqx/bin/emqx", 0o755, 0, binary.clone());
            layer.link("usr/bin/emqx", "/opt/emqx/bin/emqx");
            layer.link("usr/bin/docker-entrypoint.sh", "/opt/emqx/bin/emqx");
            layer.file("opt/emqx/etc/emqx.conf", 0o644, 1000, Vec::new());
            for folder in ["opt/emqx/data", "opt/emqx/log"] {
                layer.folder(folder, 0o755, 1000);
            }
            layer.folder("tmp", 0o1777, 0);
            let image = Image {
                references: vec![(*reference).to_owned()],
                layer,
                user: "1000:1000",
                working_folder: "/opt/emqx",
                entrypoint: vec!["/usr/bin/docker-entrypoint.sh".to_owned()],
                command: vec!["/opt/emqx/bin/emqx".to_owned(), "foreground".to_owned()],
                environment: vec![
                    "PATH=/opt/emqx/bin:/usr/local/bin:/usr/bin:/bin".to_owned(),
                    format!("EMQX_SIM_VERSION={version}"),
                    format!("EMQX_SIM_EDITION={edition}"),
                ],
            };
            image.write(&folder().join(format!("{}.tar", reference.replace(['/', ':'], "_"))))
        })
        .collect()
}

/// Debian's static busybox.
fn busybox() -> anyhow::Result<Vec<u8>> {
    let paths = ["/bin/busybox", "/usr/bin/busybox"];
    let found = paths.iter().find_map(|path| std::fs::read(path).ok());
    found.context("busybox is missing; install it with: sudo apt-get install --yes busybox-static")
}

/// An image of busybox that sleeps: for pause containers and helper pods of local clusters.
pub(crate) fn helper(reference: &str) -> anyhow::Result<PathBuf> {
    let mut layer = Layer::default();
    layer.busybox(&busybox()?, &APPLETS);
    let image = Image {
        references: vec![reference.to_owned()],
        layer,
        user: "0:0",
        entrypoint: ["/bin/sleep", "2147483647"].map(str::to_owned).to_vec(),
        environment: vec!["PATH=/bin".to_owned()],
        ..Image::default()
    };
    image.write(&folder().join("helper.tar"))
}

fn folder() -> PathBuf {
    paths::root().join("target/images")
}

/// Builds an image under a progress line.
pub(crate) fn build_with_progress(which: Which, label: &str) -> anyhow::Result<Vec<PathBuf>> {
    progress::step(label, || build(which))
}
