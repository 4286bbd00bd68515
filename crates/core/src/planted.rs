//! Bugs that are planted on purpose, one at a time, to see that the simulation catches them: `cargo xtask mutants`.
//!
//! Without the feature `planted-bugs`, which no release has, every question is answered with "no" at compile time. A bug
//! that is not caught is a gap in the simulation.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A bug, and what it does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Bug {
            pub const ALL: &[Bug] = &[$(Bug::$name,)+];

            pub fn name(self) -> &'static str {
                match self { $(Bug::$name => stringify!($name),)+ }
            }

            pub fn text(self) -> &'static str {
                match self { $(Bug::$name => concat!($($doc,)+),)+ }
            }
        }
    };
}

bugs! {
    /// Sessions are not checked before a node is removed.
    SkipSessions,
    /// "No sessions right now" is taken for "closed and empty".
    EmptyIsEnough,
    /// A node whose evacuation is still under way is taken for empty.
    UnderWayIsEmpty,
    /// Evacuations that cannot be read are taken for no evacuations.
    UnknownIsOff,
    /// Nodes are removed also when EMQX does not answer.
    BlindRemoval,
    /// A node that the list of EMQX lacks is taken for gone, although its pod is ready.
    MissingIsGone,
    /// A node that the list of EMQX calls stopped is taken for gone, although its container runs and has not restarted.
    StoppedIsGone,
    /// Shards are not checked before a core is removed for good.
    SkipShards,
    /// Old cores are removed before the new set beside them is complete.
    DiscardEarly,
    /// Sessions are moved to nodes of the set that is discarded, too.
    MoveToOld,
    /// A core set whose cores have volumes is deleted and created again when the spec asks for other volumes.
    RemakeWithVolumes,
    /// A set that is discarded is deleted while its last core is still being retired.
    DeleteSetEarly,
    /// A set that was discarded is kept with no pods.
    KeepEmptySet,
    /// Nodes are emptied while the Service still selects old nodes.
    SkipSwitch,
    /// A core is replaced while another core is leaving or starting.
    SkipOneAtATime,
    /// A set that has not carried out its last change of replicas is scaled in again.
    SkipSettled,
    /// The number of other nodes that serve is not checked.
    SkipSurvivors,
    /// One more core than allowed may be missing.
    OneMoreMissing,
    /// A ReplicaSet deletes another pod than the one that was checked.
    SkipChosen,
    /// The core that old replicants follow is replaced with the others.
    DropLastCore,
    /// A core that is scaled away is examined under the number above its own.
    WrongOrdinal,
    /// Nodes that were closed and stay are never opened again.
    NeverReopen,
    /// An evacuation continues when none of its recipients is left.
    KeepOutdatedEvacuation,
    /// Evacuations that the operator did not start are stopped.
    StopForeign,
    /// The annotation of an evacuated core is removed while the core restarts.
    ForgetMarkEarly,
    /// The ordinal of a core is used again while its node, site or volume is still known.
    ReuseNumberEarly,
    /// The volume of a retired core is deleted while its site is known.
    VolumeBeforeSite,
    /// The ordinals of cores are not recorded before scaling in, so that no core is retired.
    NoWatermark,
    /// A core that is down counts as one whose volume was lost.
    ForgetUnproven,
    /// Cores are still replaced while EMQX refuses the configuration that they would start with.
    RestartRefused,
    /// A crashed core is replaced although the wanted template does not start on other cores.
    RestartIntoFailure,
    /// No replicants are added while their cores are replaced.
    StopScaling,
    /// Where one replicant is surplus, several are evacuated.
    DrainTooMany,
    /// A refused request keeps nodes closed that are to be opened again.
    StopForAnything,
    /// A rollout is rolled back although its nodes serve.
    GiveUpWorking,
    /// Shards are placed on all existing cores, also on cores that are removed.
    PlaceOnLeaving,
    /// Shards are placed without waiting for the cores that stay.
    PlaceWithoutWaiting,
    /// One replicant more than wanted is created.
    OneTooMany,
    /// A plan prepares and removes at once.
    PrepareAndRemove,
    /// A plan removes all nodes with a permit, not one.
    TwoRemovals,
    /// A permit is used although the spec has changed since.
    StaleSpec,
    /// A permit is used although the pod has changed since.
    StalePod,
}

#[cfg(feature = "planted-bugs")]
static ACTIVE: std::sync::OnceLock<Bug> = std::sync::OnceLock::new();

/// Switches one on, for the life of the process.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Bug) {
    let _ = ACTIVE.set(bug);
}

/// Whether this bug is switched on.
#[inline]
pub fn planted(bug: Bug) -> bool {
    #[cfg(feature = "planted-bugs")]
    return ACTIVE.get() == Some(&bug);
    #[cfg(not(feature = "planted-bugs"))]
    {
        let _ = bug;
        false
    }
}
