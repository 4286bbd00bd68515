//! Everything around the pods: Services and PodDisruptionBudgets.

use crate::action::{Action, Stage};
use crate::build::{Wanted, budget, dashboard, headless, listeners};
use crate::desired::{Desired, PoolSpec, Role};
use crate::lifecycle::Part;
use crate::lifecycle::facts::listeners::{listeners_revision, listeners_role};
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::part;
use crate::reason::Reason;
use crate::world::World;

/// Where a budget of a user selects the same pods the operator makes none: Kubernetes evicts no pod that two budgets select.
fn disruption_budget(desired: &Desired, world: &World, role: Role, pool: Option<&PoolSpec>) -> Wanted {
    if world.other_budgets.iter().any(|other| other.role == role) {
        return match budget(desired, role, None) {
            Wanted::Absent { id, .. } => Wanted::Absent { id, because: Reason::BudgetOfUser },
            present @ Wanted::Present(_) => present,
        };
    }
    budget(desired, role, pool)
}

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let (desired, world) = (topology.desired, topology.world);
    let mut part = Part::default();
    part.ensure(world, headless(desired), Stage::Config);
    let replicants = desired.replicants.as_ref().filter(|pool| pool.replicas > 0);
    let wanted = [
        dashboard(desired),
        listeners(desired, listeners_role(desired, world), listeners_revision(topology)),
        disruption_budget(desired, world, Role::Core, Some(&desired.cores)),
        disruption_budget(desired, world, Role::Replicant, replicants),
    ];
    for wanted in wanted {
        match wanted {
            Wanted::Present(manifest) => part.ensure(world, manifest, Stage::Workload),
            Wanted::Absent { id, because } => {
                let ours = world.objects.get(&id).filter(|live| live.is_ours());
                part.actions.extend(ours.map(|live| Action::Delete { id, on: part::version(live), because }));
            }
        }
    }
    part
}
