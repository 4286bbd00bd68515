//! Measures an operator on a control-plane cluster: see `emqx_operator_tests::bench`. `cargo xtask bench` runs it.

use anyhow::Context as _;
use clap::Parser;
use emqx_operator_tests::bench::Bench;
use emqx_operator_tests::cluster;
use emqx_operator_tests::fleet::Fleet;
use std::path::PathBuf;

/// Measures an operator and writes figures to files.
#[derive(Parser)]
struct Arguments {
    /// The operator's program.
    #[arg(long)]
    operator: PathBuf,
    /// Numbers of clusters, one run for each.
    #[arg(long, value_delimiter = ',', default_value = "10,100")]
    clusters: Vec<usize>,
    /// The folder for the figures.
    #[arg(long)]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { operator, clusters, out } = Arguments::parse();
    std::fs::create_dir_all(&out).with_context(|| format!("failed to make {}", out.display()))?;
    let client = cluster::admin().await?;
    let fleet = Fleet::start();
    let mut page = String::new();
    for clusters in clusters {
        let bench = Bench { operator: operator.clone(), clusters };
        let figures = bench.run(&client, &fleet, |text| eprintln!("  … {text}")).await?;
        std::fs::write(out.join(format!("{clusters}-clusters.json")), serde_json::to_string_pretty(&figures)?)?;
        println!("{figures}\n");
        page.push_str(&format!("{figures}\n\n"));
    }
    let file = out.join("figures.md");
    std::fs::write(&file, page).with_context(|| format!("failed to write {}", file.display()))?;
    println!("written to {}", out.display());
    Ok(())
}
