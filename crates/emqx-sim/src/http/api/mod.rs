//! The operations, one file per family. A handler gets a checked call and gives a reply.

mod cluster;
mod configs;
mod data;
mod keys;
mod license;
mod monitoring;
mod rebalance;
mod status;
mod storage;

use super::routes::Operation as O;
use super::{Context, Reply};

pub(super) async fn handle(operation: O, ctx: &Context<'_>) -> Reply {
    match operation {
        O::Status => status::status(ctx),
        O::Login => keys::login(ctx).await,
        O::Logout => Reply::empty(204),
        O::Users => keys::users(ctx),
        O::Keys => keys::list(ctx),
        O::AddKey => keys::add(ctx).await,
        O::Key => keys::show(ctx),
        O::ChangeKey => keys::change(ctx).await,
        O::DeleteKey => keys::delete(ctx).await,
        O::Nodes => cluster::nodes(ctx).await,
        O::Node => cluster::node(ctx).await,
        O::NodeStats => cluster::node_stats(ctx).await,
        O::Stats => cluster::stats(ctx).await,
        O::Cluster => cluster::cluster(ctx).await,
        O::Topology => cluster::topology(ctx).await,
        O::Invite => cluster::invite(ctx).await,
        O::ForceLeave => cluster::force_leave(ctx).await,
        O::Available => rebalance::available(ctx),
        O::LocalStatus => rebalance::local(ctx).await,
        O::GlobalStatus => rebalance::global(ctx).await,
        O::EvictionStatus => rebalance::eviction(ctx),
        O::StartEvacuation => rebalance::start_evacuation(ctx).await,
        O::StopEvacuation => rebalance::stop_evacuation(ctx).await,
        O::StartRebalance => rebalance::start_rebalance(ctx).await,
        O::StopRebalance => rebalance::stop_rebalance(ctx).await,
        O::Configs => configs::get(ctx).await,
        O::PutConfigs => configs::put(ctx).await,
        O::ZoneConfig => ctx.node.config().get_global_zone().into(),
        O::RootConfig => ctx.node.config().get_root(ctx.part(0)).into(),
        O::PutRootConfig => configs::put_root(ctx).await,
        O::Listeners => configs::listeners(ctx).await,
        O::AddListener => configs::put_listener(ctx, None).await,
        O::ListenersStatus => configs::listeners_status(ctx).await,
        O::Listener => configs::listener(ctx),
        O::PutListener => configs::put_listener(ctx, Some(ctx.part(0))).await,
        O::DeleteListener => configs::delete_listener(ctx).await,
        O::Gateways => configs::gateways(ctx),
        O::PutGateway => configs::put_gateway(ctx).await,
        O::EnableGateway => configs::enable_gateway(ctx).await,
        O::GatewayListeners => ctx.node.config().get_gateway_listeners(ctx.part(0), &ctx.node.name).into(),
        O::Sites => storage::sites(ctx),
        O::Site => storage::site(ctx).await,
        O::ForgetSite => storage::forget(ctx).await,
        O::Storages => storage::storages(ctx),
        O::Storage => storage::storage(ctx).await,
        O::Replicas => storage::replicas(ctx),
        O::PutReplicas => storage::put_replicas(ctx).await,
        O::AddReplica => storage::add_replica(ctx).await,
        O::RemoveReplica => storage::remove_replica(ctx).await,
        O::License => license::show(ctx),
        O::PutLicense => license::put(ctx).await,
        O::LicenseSetting => license::setting(ctx),
        O::Metrics => monitoring::metrics(ctx).await,
        O::Alarms => monitoring::empty_page(ctx),
        O::SessionsCount => monitoring::sessions_count(ctx).await,
        O::Clients => monitoring::empty_page(ctx),
        O::Plugins | O::Namespaces => Reply::json(&serde_json::json!([])),
        O::Export => data::export(ctx),
        O::Backups => data::list(ctx).await,
        O::Upload => data::upload(ctx),
        O::Download => data::download(ctx).await,
        O::DeleteBackup => data::delete(ctx).await,
        O::Import => data::import(ctx).await,
    }
}
