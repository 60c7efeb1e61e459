// SPDX-License-Identifier: GPL-2.0

//! Where the two sequences differ, and why. `Documentation/driver-api/sequence.rst` is made of this
//! list (`acc-selftest sequence`).

use crate::sequence::difference::{Arc, Count, Difference, When};

/// The accesses that get the number of queues from the PF (`pf_qm_get_qp_num()`).
const VFT: &[&str] = &[
    "pf read QM_VFT_CFG_RDY",
    "pf write QM_VFT_CFG_OP_WR 0x1",
    "pf write QM_VFT_CFG_TYPE 0x0",
    "pf write QM_VFT_CFG 0x1",
    "pf write QM_VFT_CFG_RDY 0x0",
    "pf write QM_VFT_CFG_OP_ENABLE 0x1",
    "pf read QM_VFT_CFG_RDY",
    "pf read QM_VFT_CFG_DATA_L",
    "pf read QM_VFT_CFG_DATA_H",
];

/// The command with which the guest asked for its queues, once more.
const ANSWER_AGAIN: &[&str] = &["vf write mailbox SQC_VFT_V2 asks 0x0 0", "vf read mailbox"];

/// The read of whether the window is open.
const WINDOW: &[&str] = &["pf read QM_MIG_REGION_SEL"];

const DEVICE_ERROR: &[&str] = &["pf read QM_ABNORMAL_INT_STATUS", "pf read {engine}"];

/// All differences.
pub const ALL: &[Difference] = &[
    Difference {
        id: "S1",
        arcs: &[Arc::StopCopy],
        when: When::Untried,
        c: DEVICE_ERROR,
        ours: &["vf read QM_VF_STATE"],
        before: &["vf read mailbox"],
        why: "C gives its commands through hisi_qm_mb(), which first reads the error status of QM and \
              engine from the PF. This driver reads both after PAUSE, which C does as well. Before \
              PAUSE it reads whether the guest has a driver (S23).",
    },
    Difference {
        id: "S2",
        arcs: &[Arc::StopCopy],
        when: When::Answer,
        c: &[],
        ours: ANSWER_AGAIN,
        before: &["pf read QM_ABNORMAL_INT_STATUS"],
        why: "The mailbox held an answer that the guest may not have read yet. This driver gives the \
              command of the guest again after its own, so that the guest finds the answer if the \
              source goes on.",
    },
    Difference {
        id: "S3",
        arcs: &[Arc::StopCopy],
        when: When::Tried,
        c: &[
            "pf read QM_ABNORMAL_INT_STATUS",
            "pf read {engine}",
            "vf read mailbox",
        ],
        ours: &["vf read QM_VF_STATE"],
        before: &["vf write mailbox PAUSE_QM 0x0 0"],
        why: "As S1. This driver knows what stands in the mailbox, since PRE_COPY has looked and \
              the guest has not reached the mailbox since (S26).",
    },
    Difference {
        id: "S4",
        arcs: &[Arc::StopCopy],
        when: When::Always,
        c: &["vf read QM_VF_STATE"],
        ours: &[],
        before: &["vf read QM_VF_AEQ_INT_MASK", ""],
        why: "C reads while it saves whether the guest has a driver. This driver has read it when it \
              stopped the VF (S1), and reads it once more when all is read (S7).",
    },
    Difference {
        id: "S5",
        arcs: &[Arc::StopCopy],
        when: When::Driver,
        c: &["vf read mailbox"],
        ours: &[],
        before: &["vf write mailbox SQC_BT asks 0x0 0"],
        why: "As S3, after PAUSE.",
    },
    Difference {
        id: "S6",
        arcs: &[Arc::StopCopy],
        when: When::Answer,
        c: &[],
        ours: ANSWER_AGAIN,
        before: &["vf write doorbell EQ *", ""],
        why: "As S2, after SQC_BT and CQC_BT.",
    },
    Difference {
        id: "S7",
        arcs: &[Arc::StopCopy],
        when: When::Driver,
        c: &[],
        ours: &["vf read QM_VF_STATE"],
        before: &["vf write doorbell EQ *", ""],
        why: "This driver reads once more after the last register whether the guest has a driver. If \
              the VF was reset meanwhile, its state is not sent.",
    },
    Difference {
        id: "S8",
        arcs: &[Arc::StopCopy],
        when: When::DriverV5,
        c: &[
            "vf2 write QM_VF_AEQ_INT_SOURCE of 8 bytes *",
            "vf2 write QM_VF_AEQ_INT_SOURCE of 8 bytes *",
        ],
        ours: &["vf write doorbell EQ *", "vf write doorbell AEQ *"],
        before: &[""],
        why: "The doorbells of EQ and AEQ are at 0x2000, but each function has only 0x2000 bytes in \
              the window. The doorbells of C therefore reach the interrupt registers of the next \
              function (D24). This driver rings the doorbells in BAR2 of the VF.",
    },
    Difference {
        id: "S9",
        arcs: &[Arc::Resuming],
        when: When::Always,
        c: &[],
        ours: &["pf read QM_QUE_ISO_CFG_V"],
        before: &[""],
        why: "This driver gets the match data of the target when it makes the file, so that write() \
              compares them without a register. C gets them when the match data of the source have \
              come (S10, S11).",
    },
    Difference {
        id: "S10",
        arcs: &[Arc::Load],
        when: When::NoDriver,
        c: &[
            "vf read mailbox",
            "vf write mailbox SQC_VFT_V2 asks 0x0 0",
            "vf read mailbox",
            "pf read QM_QUE_ISO_CFG_V",
        ],
        ours: &[],
        before: &[""],
        why: "As S9. C asks the VF for the number of its queues, this driver has asked the PF (S24).",
    },
    Difference {
        id: "S11",
        arcs: &[Arc::Load],
        when: When::Driver,
        c: &["vf read mailbox", "vf write mailbox SQC_VFT_V2 asks 0x0 0"],
        ours: &[],
        before: &["vf read mailbox"],
        why: "C compares the match data in write(), and loads in RESUMING -> STOP. This driver judges \
              the whole stream once more when its last byte is written, and loads it then: an \
              error of write() still ends the migration, an error of RESUMING -> STOP comes too \
              late. C asks the VF for the number of its queues, this driver has asked the PF \
              (S24). Before it writes the first register, it reads the mailbox, which never holds \
              all ones: that shows whether registers can be reached.",
    },
    Difference {
        id: "S12",
        arcs: &[Arc::Resuming],
        when: When::Always,
        c: &[],
        ours: &[
            "vf read mailbox",
            "vf write mailbox SQC_VFT_V2 asks 0x0 0",
            "vf read mailbox",
        ],
        before: &[""],
        why: "This driver tries the registers and the mailbox of the target before the source stops. \
              C gives the same command in write().",
    },
    Difference {
        id: "S13",
        arcs: &[Arc::Load],
        when: When::Driver,
        c: &[
            "pf read QM_ABNORMAL_INT_STATUS",
            "pf read {engine}",
            "vf read mailbox",
        ],
        ours: &[],
        before: &["vf write mailbox SQC_BT *"],
        why: "As S1, for the command SQC_BT. C reads the mailbox before each command. This driver knows \
              from the last command (S25) that it is not busy.",
    },
    Difference {
        id: "S14",
        arcs: &[Arc::Load],
        when: When::Driver,
        c: &[
            "pf read QM_ABNORMAL_INT_STATUS",
            "pf read {engine}",
            "vf read mailbox",
        ],
        ours: &[],
        before: &["vf write mailbox CQC_BT *"],
        why: "As S13, for the command CQC_BT.",
    },
    Difference {
        id: "S15",
        arcs: &[Arc::Run],
        when: When::Driver,
        c: &["vf write QM_IFC_INT_SOURCE_V 0x1", "vf write QM_IFC_INT_MASK 0x0"],
        ours: &["vf read mailbox of 4 bytes"],
        before: &["vf write doorbell SQ 0 index 0 priority 1"],
        why: "C lets messages of the PF in, as it did when it loaded the state, and discards one that \
              came since. This driver does so only when it loads. It reads the mailbox to learn \
              whether the VF can be reached.",
    },
    Difference {
        id: "S16",
        arcs: &[Arc::PreCopy, Arc::StopCopy, Arc::Resuming],
        when: When::LeavesRunningV5,
        c: &[],
        ours: WINDOW,
        before: &[
            "pf read QM_QUE_ISO_CFG_V",
            "vf read mailbox",
            "pf read QM_ABNORMAL_INT_STATUS",
        ],
        why: "A reset of the PF may have closed the window. C reads whether it is open only when \
              userspace opens the VF.",
    },
    Difference {
        id: "S17",
        arcs: &[Arc::StopCopy],
        when: When::Driver,
        c: &["vf read mailbox"],
        ours: &[],
        before: &["vf write mailbox CQC_BT asks 0x0 0"],
        why: "As S13, for the command CQC_BT after SQC_BT.",
    },
    Difference {
        id: "S18",
        arcs: &[Arc::Load],
        when: When::DriverV5,
        c: &[],
        ours: WINDOW,
        before: &["vf read mailbox"],
        why: "As S16, before the first register is written.",
    },
    Difference {
        id: "S19",
        arcs: &[Arc::StopCopy, Arc::Load],
        when: When::DriverV5,
        c: &[],
        ours: WINDOW,
        before: &["vf read EQC word 0", "vf write EQC word 0 *"],
        why: "As S16, at the context itself.",
    },
    Difference {
        id: "S20",
        arcs: &[Arc::StopCopy, Arc::Load],
        when: When::DriverV5,
        c: &[],
        ours: WINDOW,
        before: &["vf read AEQC word 0", "vf write AEQC word 0 *"],
        why: "As S16, at the context itself.",
    },
    Difference {
        id: "S21",
        arcs: &[Arc::PreCopy],
        when: When::Always,
        c: &[],
        ours: &[
            "vf read QM_VF_STATE",
            "pf read QM_ABNORMAL_INT_STATUS",
            "pf read {engine}",
        ],
        before: &["pf read QM_QUE_ISO_CFG_V", "vf read mailbox"],
        why: "This driver refuses to begin if the VF sleeps or an error is pending. A refusal harms \
              nobody here. Later the guest may lose its VF.",
    },
    Difference {
        id: "S22",
        arcs: &[Arc::Run],
        when: When::Driver,
        c: &[],
        ours: &["vf write doorbell EQ *", "vf write doorbell AEQ *"],
        before: &[""],
        why: "Nobody knows whether an event queue that was loaded raises an interrupt before its \
              doorbell is rung (G9). This driver rings both doorbells on the target too, with the \
              heads of the stream. It does so when the VF is started: QEMU restores the MSI \
              configuration of the target after the load, and an interrupt without it is lost.",
    },
    Difference {
        id: "S23",
        arcs: &[Arc::StopCopy, Arc::Resuming],
        when: When::NotSetUp,
        c: &[
            "pf read QM_ABNORMAL_INT_STATUS",
            "pf read {engine}",
            "vf read mailbox",
            "vf write mailbox PAUSE_QM 0x0 0",
            "vf read mailbox",
        ],
        ours: &["vf read QM_VF_STATE"],
        before: &["pf read QM_ABNORMAL_INT_STATUS"],
        why: "C pauses a VF that no guest driver has set up, and never starts it again. That works \
              only if the set-up by a later guest driver ends the pause (G17). This driver does \
              not pause such a VF.",
    },
    Difference {
        id: "S24",
        arcs: &[Arc::PreCopy, Arc::StopCopy],
        when: When::Begins,
        c: VFT,
        ours: &[],
        before: &["pf read QM_QUE_ISO_CFG_V"],
        why: "The driver of the PF uses the same registers without a common lock. This driver reads \
              the VFT when userspace opens the VF, and again after the PF was stopped.",
    },
    Difference {
        id: "S25",
        arcs: &[Arc::Load],
        when: When::Driver,
        c: &["vf read mailbox"],
        ours: &["vf write mailbox PAUSE_QM 0x0 0", "vf read mailbox"],
        before: &["vf write QM_VF_AEQ_INT_MASK *"],
        why: "C has paused the target before RESUMING (S23). This driver does so when there is a state \
              to load. It has read before (S11) that the mailbox is not busy.",
    },
    Difference {
        id: "S26",
        arcs: &[Arc::PreCopy],
        when: When::Driver,
        c: &[],
        ours: &[
            "vf read mailbox",
            "vf write mailbox CQC_BT asks 0x0 0",
            "vf read mailbox",
        ],
        before: &["pf read QM_QUE_ISO_CFG_V"],
        why: "If the mailbox does not work, the VF cannot be paused, and userspace resets it. This \
              driver keeps the guest away from the mailbox and tries it. It waits for a command of \
              the guest's first. No driver in a guest gives CQC_BT to read, so dirty tracking \
              takes this one as the host's own.",
    },
    Difference {
        id: "S27",
        arcs: &[Arc::PreCopy],
        when: When::Answer,
        c: &[],
        ours: ANSWER_AGAIN,
        before: &["pf read QM_QUE_ISO_CFG_V"],
        why: "As S2, after the trial of the mailbox.",
    },
    Difference {
        id: "S28",
        arcs: &[Arc::Load],
        when: When::Driver,
        c: &["pf read QM_QUE_ISO_CFG_V"],
        ours: &[],
        before: &["vf write QM_VF_STATE 0x0"],
        why: "As S9.",
    },
    Difference {
        id: "S29",
        arcs: &[Arc::StopCopy],
        when: When::Driver,
        c: &["vf read QM_IFC_INT_SET_V"],
        ours: &[],
        before: &["vf read QM_PAGE_SIZE"],
        why: "Both read it when they stop the VF, and go on only if it is 0: no message to the PF is \
              pending. C reads it again for the stream. This driver writes that 0 into the stream.",
    },
    Difference {
        id: "S30",
        arcs: &[Arc::Load],
        when: When::Driver,
        c: &[
            "vf write QM_IFC_INT_SOURCE_V *",
            "vf write QM_IFC_INT_MASK *",
            "vf write QM_IFC_INT_SET_V 0x0",
        ],
        ours: &[],
        before: &["vf write QM_QUE_ISO_CFG_V *"],
        why: "C first writes the values of the stream, and at the end of the load those that let messages \
              of the PF in (qm_dev_cmd_init()). This driver writes only the latter. It \
              takes no stream with another value than 0 for QM_IFC_INT_SET_V, and 0 sends no message.",
    },
];

/// The way to the VF's registers on V5, see [`super::line::Way`].
pub const WAY: &str = "S31";
const WAY_WHY: &str =
    "On V5 C reaches all registers of the VF through the window in BAR2 of the PF. This driver uses \
     the window only for the contexts of EQ and AEQ, which the VF itself does not show.";

/// The accesses for an idle VF of the ZIP on V3, through PRE_COPY: to save it, and to make the
/// target run from RESUMING on (without S9 and S12). First those of C, then those of this driver.
pub const SAVE: [Count; 2] = [Count { pf: 14, vf: 36 }, Count { pf: 5, vf: 37 }];
pub const RESUME: [Count; 2] = [Count { pf: 5, vf: 36 }, Count { pf: 0, vf: 31 }];

/// How wide the documentation is.
const WIDTH: usize = 98;

/// Adds a paragraph of the definition of an entry.
fn paragraph(text: &mut String, words: &str) {
    let mut line = String::from("   ");
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            *text += &format!("{line}\n");
            line = String::from("   ");
        }
        line += " ";
        line += word;
    }
    *text += &format!("{line}\n\n");
}

/// The list as it stands in `Documentation/driver-api/sequence.rst`.
pub fn text() -> String {
    let mut text = String::new();
    for difference in ALL {
        let arcs: Vec<&str> = difference.arcs.iter().map(|arc| arc.name()).collect();
        let (arcs, when) = (arcs.join(", "), difference.when.name());
        text += &format!("{}\n    {arcs}; {when}::\n\n", difference.id);
        for (sign, lines) in [('-', difference.c), ('+', difference.ours)] {
            for line in lines {
                text += &format!("        {sign} {line}\n");
            }
        }
        text += "\n";
        paragraph(&mut text, difference.why);
    }
    text += &format!("{WAY}\n");
    paragraph(&mut text, WAY_WHY);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `acc-selftest sequence` prints what has to be there.
    #[test]
    fn documentation_has_the_list() {
        let documentation = include_str!("../../../../../Documentation/driver-api/sequence.rst");
        assert!(documentation.contains(&text()), "it lacks:\n{}", text());
    }

    #[test]
    fn numbers_are_in_order() {
        for (n, difference) in (1..).zip(ALL) {
            assert_eq!(difference.id, format!("S{n}"));
        }
        assert_eq!(WAY, format!("S{}", ALL.len() + 1));
    }
}
