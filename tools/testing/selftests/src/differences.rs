// SPDX-License-Identifier: GPL-2.0

//! The differences from the kernel's C driver (hisi_acc_vfio_pci of Linux 7.2): the only list of
//! them. A case in the list that shows no difference fails, and so does a case that shows one and
//! is not in the list. The table in `Documentation/admin-guide/c-driver.rst` is generated from the
//! list (`acc-selftest differences`).
//!
//! D1 to D16 were found by reading the C driver, the others by the cases.

use acc_case::Case;
use acc_vfio_user::{vfio::state, Driver, Result};

/// Something in which the two differ.
pub struct Difference {
    pub id: &'static str,
    /// What it is about
    pub what: &'static str,
    /// What the C driver does
    pub c: &'static str,
    /// What ours does
    pub here: &'static str,
    /// The cases that show it: `SUITE.CASE`, or `SUITE.CASE:v3` for that generation only
    pub shown: &'static [(&'static str, How)],
}

/// How it shows with the C driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The case fails with this message, compared as a whole. `#` stands for a number that may
    /// differ.
    Fails(&'static str),
    /// The same, and its guest is good for nothing afterwards
    Hangs(&'static str),
    /// The kernel complains with these words, and the guest may end of it
    Splat(&'static str),
    /// The kernel's debug flavour does; in the plain one nothing is to be seen
    DebugSplat(&'static str),
    /// The case expects another value of it: one of those below
    Value,
    /// The case is of ours alone: with the C driver it would not show, or not each time
    Ours,
}

use How::{DebugSplat, Fails, Hangs, Ours, Splat, Value};

/// All of them.
pub const ALL: &[Difference] = &[
    Difference {
        id: "D1",
        what: "`VFIO_DEVICE_IOEVENTFD` into the hidden half",
        c: "passes it on: userspace writes migration registers",
        here: "EINVAL; nothing is written",
        shown: &[(
            "hidden.ioeventfd:v3",
            Fails("11 were taken, the hidden half saw 0 reads and 3 writes"),
        )],
    },
    Difference {
        id: "D2",
        what: "A stream that `write()` has refused",
        c: "loads it. The queue number of the stream is the number of doorbells that are rung, up \
            to 2^32",
        here: "EINVAL at `RESUMING -> STOP`, too; no register is written",
        shown: &[
            (
                "migration.refused_stream",
                Fails("major version: RESUMING -> STOP has errno 0"),
            ),
            (
                "migration.refused_stream_runs",
                Hangs("RESUMING -> RUNNING does not end"),
            ),
        ],
    },
    Difference {
        id: "D3",
        what: "The second stream of one open",
        c: "checks nothing",
        here: "checks it as the first one",
        shown: &[(
            "migration.second_resume",
            Fails("the second, bad stream: errno 0, then 0"),
        )],
    },
    Difference {
        id: "D4",
        what: "A migration file that outlives its device",
        c: "uses freed memory of the device",
        here: "ENODEV",
        shown: &[
            (
                "migration.fd_outlives_device",
                DebugSplat("KASAN: slab-use-after-free"),
            ),
            ("lifetime.fd_outlives_module", Ours),
        ],
    },
    Difference {
        id: "D5",
        what: "Reading into the mapped BAR, a reset and a state change at the same time",
        c: "takes its locks in a cycle: all three hang",
        here: "holds no lock during accesses to memory of userspace",
        shown: &[("reset.threads", Splat("blocked for more than"))],
    },
    Difference {
        id: "D6",
        what: "`STOP -> STOP_COPY` that fails",
        c: "leaks an open file each time",
        here: "leaks nothing",
        shown: &[("lifetime.save_fails", Fails("# files are left open"))],
    },
    Difference {
        id: "D7",
        what: "A stop that fails after PAUSE",
        c: "leaves the VF paused and reports RUNNING",
        here: "the stop succeeds, the file fails (EIO), and `STOP_COPY -> RUNNING` starts the VF \
            again",
        shown: &[
            ("fault.ras_stops", Fails("# jobs do not come back")),
            ("fault.engine_stops", Fails("zip: # jobs do not come back")),
            ("fault.write_back_stops", Fails("# jobs do not come back")),
        ],
    },
    Difference {
        id: "D8",
        what: "The same failure from PRE_COPY",
        c: "`PRE_COPY -> RUNNING` does not start the VF either",
        here: "as D7",
        shown: &[("fault.ras_stops_precopy", Fails("# jobs do not come back"))],
    },
    Difference {
        id: "D9",
        what: "Contents of a stream",
        c: "checks nothing; a load that fails leaves a mixture of two states",
        here: "checks the whole stream before it writes a register, in `write()`; a load that fails \
            leaves a VF that is reset",
        shown: &[
            (
                "migration.bad_stream",
                Fails("EQE address: RESUMING -> STOP has errno 0"),
            ),
            ("fault.load_refused", Fails("the state is 4")),
            ("stream.fuzz", Ours),
        ],
    },
    Difference {
        id: "D10",
        what: "Errno of a stream for another device, and of a stream that is too long",
        c: "EFAULT, ENOMEM",
        here: "EINVAL, ENOSPC",
        shown: &[("migration.wrong_device", Value), ("stream.writes", Value)],
    },
    Difference {
        id: "D11",
        what: "BAR2 if the core cannot map it",
        c: "reports it as mappable",
        here:
            "reports what the core says, and no mapping if a page is larger than the visible half",
        shown: &[("pages.mapped", Fails("BAR2 is mappable, and mmap has errno 22"))],
    },
    Difference {
        id: "D12",
        what: "Close and reset at the same time",
        c: "both end the files, without a lock",
        here: "one runs after the other",
        shown: &[("lifetime.close_and_reset", Ours)],
    },
    Difference {
        id: "D13",
        what: "`migf_data` in debugfs during a migration",
        c: "reads it without a lock",
        here: "shows either the old or the new stream",
        shown: &[("debugfs.while_migrating", Ours)],
    },
    Difference {
        id: "D14",
        what: "P2P states",
        c: "has none: QEMU refuses a guest with two VFs",
        here: "has them",
        shown: &[
            ("p2p.flags", Fails("zip: flags 0x5")),
            ("qemu.two_vfs", Value),
            ("p2p.two_vfs", Ours),
        ],
    },
    Difference {
        id: "D15",
        what: "A VF that shares its IOMMU group with other devices",
        c: "offers migration",
        here: "offers none, and a warning names the other devices",
        shown: &[(
            "topology.shared_group",
            Fails("there is a /sys/kernel/debug/vfio/0000:02:00.1/migration"),
        )],
    },
    Difference {
        id: "D16",
        what: "Dirty tracking",
        c: "has none",
        here: "tracks in the driver if the IOMMU cannot",
        shown: &[("dirty.uapi", Ours), ("dirty.ways_in", Ours)],
    },
    Difference {
        id: "D17",
        what: "A function that is not a VF: it is bound, and opened, which resets it",
        c: "dereferences a NULL pointer, since there is no PF",
        here: "treats it as a plain vfio-pci device",
        shown: &[
            (
                "topology.pf",
                Splat("Unable to handle kernel NULL pointer dereference"),
            ),
            (
                "topology.foreign",
                Splat("Unable to handle kernel NULL pointer dereference"),
            ),
        ],
    },
    Difference {
        id: "D18",
        what: "`dev_data` in debugfs while the guest works",
        c: "gives commands through the mailbox of the guest",
        here: "leaves out the values that need commands",
        shown: &[("hidden.debugfs", Fails("# commands to a VF at work"))],
    },
    Difference {
        id: "D19",
        what: "A source that is to run again after STOP",
        c: "does not start it (as far as the model shows)",
        here: "starts it",
        shown: &[("migration.source_goes_on", Fails("# jobs do not come back"))],
    },
    Difference {
        id: "D20",
        what: "End of the data in PRE_COPY",
        c: "returns 0, as at the end of the stream",
        here: "returns ENOMSG, as the uAPI demands",
        shown: &[("stream.precopy_end", Value)],
    },
    Difference {
        id: "D21",
        what: "Where a stream is refused that cannot be loaded",
        c: "at `RESUMING -> STOP`, when the source has been told that all is well",
        here: "`write()` of the last byte judges the stream and loads it: the source goes on",
        shown: &[("fault.load_fails", Ours)],
    },
    Difference {
        id: "D22",
        what: "A reset of the PF, which destroys the state of its VFs",
        c: "does not notice it: saves state that no longer exists, and reports STOP",
        here: "the state is ERROR until the VF is reset, the file returns ENODEV; in PRE_COPY only \
            the transfer fails",
        shown: &[
            ("reset.pf", Fails("in STOP: the state afterwards is STOP")),
            (
                "reset.pf_controller",
                Fails("in STOP: the state afterwards is STOP"),
            ),
        ],
    },
    Difference {
        id: "D23",
        what: "What `dev_data` and `cmd_state` in debugfs show",
        c: "no match data and no addresses; \"driver load: 1\" until the VF was saved; ETIMEDOUT \
            if no guest driver has set the VF up",
        here: "all that would be saved; EINVAL if no guest driver has set the VF up",
        shown: &[("debugfs.files", Value)],
    },
    Difference {
        id: "D24",
        what: "V5: the doorbells of EQ and AEQ that are rung when a VF is saved",
        c: "writes them to registers of the next function: the mask of its AEQ changes, and \
            pending interrupts of this VF are not raised again",
        here: "rings them",
        shown: &[
            ("hidden.other_vf:v5", Fails("# accesses of registers of another function; the mask of its AEQ changes")),
            (
                "migration.interrupt_carried:v5",
                Fails("0 doorbells of the EQ and 0 of the AEQ are rung, and # interrupts raised, while the source is saved"),
            ),
        ],
    },
    Difference {
        id: "D25",
        what: "A reset of the PF that has begun, while the PF still waits for its VFs",
        c: "begins migrations, and saves VFs with the PF's message: on the target no PF says that \
            the reset is done",
        here: "EBUSY; a save fails the file",
        shown: &[("reset.pf_begins", Ours)],
    },
    Difference {
        id: "D26",
        what: "The queues of a VF, which the PF's table has",
        c: "takes an entry without its valid bit for one queue. Reads the table for each save, \
            without a lock against the PF's driver",
        here: "refuses such an entry (EIO). Reads the table when the VF is opened",
        shown: &[("fault.vft", Ours)],
    },
    Difference {
        id: "D27",
        what: "A VF that no guest driver has set up",
        c: "pauses it and never starts it: a later guest driver works only if its set-up ends the \
            pause",
        here: "does not pause it",
        shown: &[("guess.stays_paused", Ours)],
    },
    Difference {
        id: "D28",
        what: "`migf_data` in debugfs once the VF is closed",
        c: "shows the stream of its last user",
        here: "EAGAIN: a stream is the state of a guest",
        shown: &[("debugfs.files", Value)],
    },
];

/// A number in which they differ.
#[derive(Clone, Copy)]
pub struct Number {
    ours: i32,
    c: i32,
}

impl Number {
    pub fn of(self, driver: Driver) -> i32 {
        match driver {
            Driver::Rust => self.ours,
            Driver::C => self.c,
        }
    }
}

/// D10: of a stream that is not for this device
pub const NOT_MATCHING: Number = Number {
    ours: libc::EINVAL,
    c: libc::EFAULT,
};

/// D10: of one that is too long
pub const TOO_LONG: Number = Number {
    ours: libc::ENOSPC,
    c: libc::ENOMEM,
};

/// D21: of a `write()` of the last byte of a stream that no hardware gives
pub const BAD_STATE: Number = Number {
    ours: libc::EINVAL,
    c: 0,
};

/// D20: of a read where all has been read, in PRE_COPY
pub const PRECOPY_END: Number = Number {
    ours: libc::ENOMSG,
    c: 0,
};

/// D23: of a file of debugfs that shows a VF which its driver has not set up
pub const NOT_SET_UP: Number = Number {
    ours: libc::EINVAL,
    c: libc::ETIMEDOUT,
};

/// D14: the states there are.
pub fn states(driver: Driver) -> &'static [u32] {
    use state::*;
    match driver {
        Driver::Rust => &[
            RUNNING,
            RUNNING_P2P,
            STOP,
            STOP_COPY,
            RESUMING,
            PRE_COPY,
            PRE_COPY_P2P,
        ],
        Driver::C => &[RUNNING, STOP, STOP_COPY, RESUMING, PRE_COPY],
    }
}

/// What is expected of a case, by its whole name: the number of the difference, and how it shows.
pub fn of(name: &str) -> Option<(&'static str, How)> {
    let mut parts = name.split(':');
    let case = parts.next()?;
    if parts.next() != Some("c") {
        return None;
    }
    let generation = parts.next().unwrap_or("v3");
    ALL.iter().find_map(|difference| {
        difference.shown.iter().find_map(|(shown, how)| {
            let (shown, of) = shown.split_once(':').unwrap_or((shown, generation));
            (shown == case && of == generation).then_some((difference.id, *how))
        })
    })
}

/// Adds what the harness has to know of a case that is expected to differ.
pub fn adapt(case: &mut Case) {
    let Some((_, how)) = of(&case.name) else {
        return;
    };
    if let Hangs(_) | Splat(_) | DebugSplat(_) = how {
        case.needs.fresh = true;
        case.lethal = true;
    }
    if let Splat(words) | DebugSplat(words) = how {
        case.splat = Some(words.to_owned());
    }
    if let DebugSplat(_) = how {
        case.flavour = Some("debug".to_owned());
    }
}

/// What a result comes to: one that differs as is expected is as good as one that does not where
/// nothing is, and that alone.
pub fn judge(name: &str, result: Result<String>) -> Result<String> {
    let Some((id, how)) = of(name) else {
        return result;
    };
    let (Fails(words) | Hangs(words)) = how else {
        return result;
    };
    match result {
        Ok(_) => Err(format!(
            "it does not differ any more ({id}): it was to fail and say \"{words}\""
        )
        .into()),
        Err(e) => match e.to_string() {
            text if says(&text, words) => {
                Ok(format!("{id}: {}", text.lines().next().unwrap_or_default()))
            }
            text => Err(format!("it was to say \"{words}\" ({id}), not:\n{text}").into()),
        },
    }
}

/// Returns whether a text is these words. `#` stands for a number: decimal digits, or `0x` and
/// hexadecimal ones.
fn says(text: &str, words: &str) -> bool {
    let Some((before, behind)) = words.split_once('#') else {
        return text == words;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    let (rest, digit): (&str, fn(&char) -> bool) = match rest.strip_prefix("0x") {
        Some(rest) => (rest, char::is_ascii_hexdigit),
        None => (rest, char::is_ascii_digit),
    };
    let after = rest.trim_start_matches(|c: char| digit(&c));
    after.len() < rest.len() && says(after, behind)
}

/// Returns the table of `Documentation/admin-guide/c-driver.rst`.
pub fn table() -> String {
    let mut text = ".. list-table::\n   :header-rows: 1\n\n".to_owned();
    row(
        &mut text,
        ["", "subject", "the C driver", "this driver", "case"],
    );
    for difference in ALL {
        let cases: Vec<String> = difference
            .shown
            .iter()
            .map(|(case, how)| {
                let case = case.split(':').next().unwrap_or_default();
                let ours = if *how == Ours { "\\*" } else { "" };
                format!("`{case}`{ours}")
            })
            .collect();
        row(
            &mut text,
            [
                difference.id,
                difference.what,
                difference.c,
                difference.here,
                &cases.join(", "),
            ],
        );
    }
    text
}

/// Appends a row of a list table. Code is between two backquotes there.
fn row(text: &mut String, cells: [&str; 5]) {
    for (n, cell) in cells.iter().enumerate() {
        let line = format!(
            "   {} - {}",
            if n == 0 { '*' } else { ' ' },
            cell.replace('`', "``")
        );
        *text += line.trim_end();
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `acc-selftest differences` prints what has to be there.
    #[test]
    fn documentation_has_the_table() {
        let document = include_str!("../../../../Documentation/admin-guide/c-driver.rst");
        assert!(document.contains(&table()), "it lacks:\n{}", table());
    }

    #[test]
    fn cases_are_there() {
        let all = crate::registry::all();
        let names: Vec<&str> = all.iter().map(|entry| entry.case.name.as_str()).collect();
        for difference in ALL {
            for (case, how) in difference.shown {
                let case = case.split(':').next().unwrap();
                let there = |name: &str| names.contains(&name);
                let with_c = there(&format!("{case}:c"));
                let ours = there(case) || there(&format!("{case}:rust"));
                assert!(ours, "{}: no {case}", difference.id);
                assert_eq!(with_c, *how != Ours, "{}: {case}", difference.id);
            }
        }
    }

    #[test]
    fn numbers_are_in_order() {
        for (n, difference) in (1..).zip(ALL) {
            assert_eq!(difference.id, format!("D{n}"));
        }
    }

    #[test]
    fn of_each_generation() {
        assert_eq!(of("hidden.ioeventfd:rust"), None);
        assert_eq!(of("hidden.ioeventfd:c:v5"), None);
        assert!(of("hidden.ioeventfd:c").is_some_and(|(id, _)| id == "D1"));
        assert!(of("hidden.debugfs:c:v5").is_some_and(|(id, _)| id == "D18"));
        assert_eq!(of("migration.idle:c"), None);
    }

    #[test]
    fn what_differs_is_expected() {
        let name = "migration.second_resume:c";
        let Some((_, Fails(words))) = of(name) else {
            panic!("{name} is expected to fail");
        };
        let said = words.replace('#', "7");
        let judged = judge(name, Err(said.as_str().into()));
        assert_eq!(judged.unwrap(), format!("D3: {said}"));
        assert!(judge(name, Ok(String::new())).is_err());
        assert!(judge(name, Err("another".into())).is_err());
        let ours = "migration.second_resume:rust";
        assert!(judge(ours, Err(said.as_str().into())).is_err());
        // All of it, and nothing more.
        for more in [
            format!("{said}0"),
            format!("{said}\nand another"),
            format!("before {said}"),
            said[1..].to_owned(),
        ] {
            assert!(judge(name, Err(more.as_str().into())).is_err(), "{more}");
        }
    }

    #[test]
    fn numbers_are_left_open() {
        assert!(says(
            "saw 0 reads and 12 writes",
            "saw 0 reads and # writes"
        ));
        assert!(says("flags 0x1f", "flags #"));
        assert!(!says(
            "saw 1 reads and 12 writes",
            "saw 0 reads and # writes"
        ));
        assert!(!says("saw 0 reads and  writes", "saw 0 reads and # writes"));
        assert!(!says(
            "saw 0 reads and -1 writes",
            "saw 0 reads and # writes"
        ));
        assert!(!says("flags 1f", "flags #"));
        assert!(!says("flags 0x", "flags #"));
    }
}
