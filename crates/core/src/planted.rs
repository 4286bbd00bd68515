//! Bugs that are planted on purpose, one at a time, to see that the simulation catches them: `cargo xtask mutants`.
//!
//! Without the feature `planted-bugs`, which no release has, every question is answered with "no" at compile time. A bug
//! that is not caught is a report about the simulation.

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
    /// Sessions are not looked at before a node goes.
    SkipSessions,
    /// "No sessions right now" is taken for "closed and empty".
    EmptyIsEnough,
    /// A node whose evacuation is still under way is taken for empty.
    UnderWayIsEmpty,
    /// Evacuations that cannot be read are taken for none that EMQX knows.
    UnknownIsOff,
    /// When EMQX does not answer, removals go on.
    BlindRemoval,
    /// A node that the list of EMQX lacks is taken for gone, although its pod is ready.
    MissingIsGone,
    /// A node that the list of EMQX calls stopped is taken for gone, although its container runs and has not restarted.
    StoppedIsGone,
    /// Shards are not looked at before a core goes for good.
    SkipShards,
    /// Old cores go before the new set beside them is complete.
    DiscardEarly,
    /// Sessions are moved to nodes of the set that is discarded, too.
    MoveToOld,
    /// A core set whose cores have volumes is made anew when the spec asks for others.
    RemakeWithVolumes,
    /// A set that is discarded is deleted while its last core is still being retired.
    DeleteSetEarly,
    /// A set that was discarded stays as an empty one.
    KeepEmptySet,
    /// Nodes are emptied while the Service still leads to the old ones.
    SkipSwitch,
    /// Cores go while another one is on its way.
    SkipOneAtATime,
    /// A set that has not carried out the last decision is told to shrink again.
    SkipSettled,
    /// Nobody counts how many others serve.
    SkipSurvivors,
    /// One more core than allowed may be missing.
    OneMoreMissing,
    /// A ReplicaSet takes whom it likes, not the one that was examined.
    SkipChosen,
    /// The core that old replicants follow is replaced with the others.
    DropLastCore,
    /// A core that is scaled away is examined under the number above its own.
    WrongOrdinal,
    /// Nodes that were closed and stay are never opened again.
    NeverReopen,
    /// An evacuation goes on when none of its recipients is left.
    KeepOutdatedEvacuation,
    /// Evacuations that somebody else has started are stopped.
    StopForeign,
    /// The mark of a closed core is dropped while it restarts.
    ForgetMarkEarly,
    /// The number of a core is used again while its traces are still there.
    ReuseNumberEarly,
    /// The volume of a retired core is deleted while its site is known.
    VolumeBeforeSite,
    /// Numbers are not written down before they are taken away, so nothing is retired.
    NoWatermark,
    /// A core that is down counts as one whose volume was lost.
    ForgetUnproven,
    /// Cores go on to be replaced while EMQX refuses the configuration that they would start with.
    RestartRefused,
    /// A core that has crashed is replaced although the wanted template does not come up elsewhere.
    RestartIntoFailure,
    /// No replicants are added while their cores are replaced.
    StopScaling,
    /// Where one replicant too many is there, several are emptied.
    DrainTooMany,
    /// What was refused keeps nodes that are to be opened again from it.
    StopForAnything,
    /// Templates are given up although their nodes serve.
    GiveUpWorking,
    /// Shards are placed on the cores that are there, also on those that go.
    PlaceOnLeaving,
    /// Shards are placed without waiting for the cores that stay.
    PlaceWithoutWaiting,
    /// One replicant more than wanted is made.
    OneTooMany,
    /// A plan prepares and removes at once.
    PrepareAndRemove,
    /// A plan removes all who may go, not one.
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
