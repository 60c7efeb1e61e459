// SPDX-License-Identifier: GPL-2.0

//! Guesses, and what silicon might do instead.
//!
//! Where the in-tree drivers do not show what the hardware does, the model guesses, and G1 to G24
//! of `Documentation/selftests/twin-guesses.rst` say what. [`ROWS`] has the other behaviors that
//! the same drivers would live with. The order `guess G4:ready,G8:silent-kick` switches the model
//! to them, and so does the property `guess` of a PF; `guess default` switches it back. Each
//! resets the whole model.

use std::fmt;

/// One alternative, as it is ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    pub alternative: Alternative,
    /// `GUESS:WORD`
    pub name: &'static str,
    /// Only the property can choose it, since it changes what PCI shows of a function.
    pub at_start: bool,
}

macro_rules! at_start {
    () => {
        false
    };
    (start) => {
        true
    };
}

macro_rules! alternatives {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $($start:ident)?),+ $(,)?) => {
        /// What the hardware might do instead of what the model does by default.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Alternative {
            $($(#[$doc])* $variant,)+
        }

        /// All alternatives. The documentation and suite `guess` have one row for each.
        pub const ROWS: &[Row] = &[
            $(Row {
                alternative: Alternative::$variant,
                name: $name,
                at_start: at_start!($($start)?),
            },)+
        ];
    };
}

alternatives! {
    /// The interrupts of EQ and AEQ are not masked after a reset.
    EventsUnmasked = "G2:unmasked",
    /// The message interrupt is not masked after a reset.
    MessagesUnmasked = "G3:unmasked",
    /// The status of the message interrupt shows it only if it is not masked.
    MessageStatusMasked = "G3:status-masked",
    /// `QM_VF_STATE` reads READY after a reset.
    StateReady = "G4:ready",
    /// `QM_VF_STATE` keeps its value over a reset of the function.
    StateKept = "G4:kept",
    /// What is read of a counter of the QM is cleared.
    CountersClear = "G5:clears",
    /// A write-back takes time: `QM_CACHE_WB_DONE` reads 0 until it has ended.
    WriteBackLate = "G6:late",
    /// `QM_CACHE_WB_DONE` stays 0 if a table cannot be written.
    WriteBackStuck = "G6:stuck",
    /// A command that is written while another one is in progress replaces that one.
    CommandReplaces = "G7:replaces",
    /// A command that is written while another one is in progress makes that one fail.
    CommandFails = "G7:fails",
    /// A doorbell of an SQ or CQ ends a pause whatever its priority is.
    PlainUnpauses = "G8:plain-unpauses",
    /// A doorbell with priority ends the pause of its own queue only.
    EachQueue = "G8:each-queue",
    /// A doorbell with priority raises no interrupt for earlier events.
    SilentKick = "G8:silent-kick",
    /// A loaded context of an event queue raises an interrupt only for later events.
    SilentLoad = "G9:silent-load",
    /// A loaded context of an event queue raises no interrupt until its doorbell is rung.
    Unarmed = "G9:unarmed",
    /// The status of errors shows masked errors too.
    MaskedErrors = "G11:masked-shown",
    /// A reset of the PF keeps the VFT.
    VftKept = "G12:vft-kept",
    /// A reset of the PF keeps `QM_MIG_REGION_SEL`.
    SelKept = "G12:sel-kept",
    /// A reset of the PF keeps the state of its VFs.
    VfsKept = "G12:vfs-kept",
    /// An entry of the VFT that is not valid keeps the numbers of the entry before.
    OldNumber = "G13:old-number",
    /// The window of V5 reads garbage while it is not selected.
    WindowGarbage = "G14:garbage",
    /// A VF of V5 shows its migration registers in its own BAR2 while the window is not selected.
    OwnBar = "G14:own-bar",
    /// Reading a context that is not in the cache fetches it.
    ReadFetches = "G16:fetches",
    /// Writing the base of a table keeps the cached contexts.
    CacheKept = "G16:cache-kept",
    /// Setting up the EQ or AEQ does not end a pause.
    StaysPaused = "G17:stays-paused",
    /// `STOP_QP` and `FLUSH_QM` drop the requests that are queued.
    StopDrops = "G18:drops",
    /// `PAUSE_QM` waits for all requests that were fetched: up to [`FETCHED`] of them.
    PauseDrains = "G19:drains",
    /// `PAUSE_QM` is done before the request in the engine is written back.
    PauseEarly = "G19:early",
    /// An error stops all queues of the function.
    ErrorStopsAll = "G20:function",
    /// D3hot to D0 resets the function (`NoSoftRst-`).
    SoftReset = "G22:soft-reset",
    /// VFs support runtime power management (bit 12 of their capabilities).
    RuntimePm = "G22:runtime-pm",
    /// BAR2 of a VF has 128 KiB. The migration registers are where they always are.
    LargeBar2 = "G23:large-bar2" start,
    /// BAR4 of a VF has 16 pages of doorbells.
    SmallBar4 = "G23:small-bar4" start,
    /// The engine walks as many entries of an SGL as there is room for (`entry_length_in_sgl`).
    SglRoom = "SGL:room",
    /// The engine walks as many entries of a chain as its first list says (`entry_sum_in_chain`).
    SglChain = "SGL:chain",
    /// ZIP writes all of its output buffer, also behind what it produced.
    Speculative = "F1:speculative",
    /// On V5 a VF's own mailbox refuses `PAUSE_QM` and reads of the bases of tables: only the
    /// window takes them.
    WindowMailbox = "MB:window-only",
    /// A command that fails sets another bit of the status than bit 9.
    OtherStatus = "MB:other-status",
    /// A message that was read is gone: reading it again gives 0.
    ReadOnce = "MSG:read-once",
    /// The cache has room for [`CACHED`] fetched contexts of each kind.
    SmallCache = "CACHE:few",
}

/// How many requests an engine fetches ahead under [`Alternative::PauseDrains`].
pub const FETCHED: u32 = 16;
/// How many contexts of a table are cached under [`Alternative::SmallCache`].
pub const CACHED: usize = 4;
/// What a window reads under [`Alternative::WindowGarbage`].
pub const GARBAGE: u32 = 0xa5a5_5a5a;

/// Chosen alternatives.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Guesses(u64);

impl Guesses {
    const fn bit(alternative: Alternative) -> u64 {
        1 << alternative as u32
    }

    /// Returns whether an alternative is chosen.
    pub const fn has(self, alternative: Alternative) -> bool {
        self.0 & Self::bit(alternative) != 0
    }

    /// Reads names with commas between them, or `default` for none of them. Returns `None` if one
    /// is not understood.
    pub fn read(names: &str) -> Option<Self> {
        if names == "default" {
            return Some(Self::default());
        }
        names.split(',').try_fold(Self::default(), |chosen, name| {
            let row = ROWS.iter().find(|row| row.name == name)?;
            Some(Self(chosen.0 | Self::bit(row.alternative)))
        })
    }

    /// Returns these and those.
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Returns those of the chosen alternatives that only the property can choose.
    pub fn at_start(self) -> Self {
        let rows = ROWS.iter().filter(|row| row.at_start);
        Self(self.0 & rows.fold(0, |bits, row| bits | Self::bit(row.alternative)))
    }
}

impl fmt::Display for Guesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = ROWS.iter().filter(|row| self.has(row.alternative));
        let names: Vec<&str> = chosen.map(|row| row.name).collect();
        match names.as_slice() {
            [] => f.write_str("default"),
            names => f.write_str(&names.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_chooses_its_own() {
        for (n, row) in ROWS.iter().enumerate() {
            assert_eq!(row.alternative as usize, n);
            let one = Guesses::read(row.name).unwrap();
            assert_eq!(one.to_string(), row.name);
            let has: Vec<_> = ROWS.iter().filter(|r| one.has(r.alternative)).collect();
            assert_eq!(has, [row], "names are unique");
        }
        assert!(ROWS.len() <= 64);
        let two = Guesses::read("G8:silent-kick,G4:ready").unwrap();
        assert_eq!(two.to_string(), "G4:ready,G8:silent-kick");
        assert_eq!(Guesses::read("default"), Some(Guesses::default()));
        for bad in [
            "",
            "G4",
            "G4:ready,",
            "G4:ready default",
            "default,G4:ready",
        ] {
            assert_eq!(Guesses::read(bad), None, "{bad:?}");
        }
    }

    /// The documentation has one row for each alternative, in this order.
    #[test]
    fn the_documentation_has_all() {
        let text = include_str!("../../../../Documentation/selftests/twin-guesses.rst");
        let rows: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("   * - ``")?.strip_suffix("``"))
            .collect();
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(rows, names);
    }
}
