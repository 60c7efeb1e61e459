// SPDX-License-Identifier: GPL-2.0

//! The hardware generations: one row for each, with all that differs between them.
//!
//! A PF and its VFs are of the same generation. Sources: `enum qm_hw_ver` of `hisi_acc_qm.h`,
//! `hisi_acc_vf_qm_init()`, `vf_qm_state_save()` and `vf_qm_load_data()` of hisi_acc_vfio_pci.c,
//! and where a field names more.

use crate::{
    reg::{
        Function,
        MigrationWindow,
        Pf,
        Reg, //
    },
    regs, //
};

/// A hardware generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generation {
    /// Kunpeng 920 (`QM_HW_V2`).
    V2,
    /// Kunpeng 930, the first that migrates (`QM_HW_V3`).
    V3,
    /// The first that can have its migration registers in the PF (`QM_HW_V5`).
    V5,
}

/// How PF and VF exchange messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Messages {
    /// With the mailbox commands `QM_MB_CMD_SRC` and `_DST`.
    Mailbox,
    /// With registers (`QM_PF2VF_PF_W` and the like).
    Registers,
}

/// The facts about a generation.
pub struct Layout {
    /// The name, which tests of this generation have as a suffix.
    pub name: &'static str,
    /// The number in the name, as the device model has it in `hw=`.
    pub number: u32,
    /// The PCI revision, which is also the QM's version.
    pub revision: u8,
    /// Whether there are capability registers (`qm_cap_query_info` of `qm.c`).
    pub capabilities: bool,
    /// How PF and VF exchange messages (`qm_ping_single_vf()`).
    pub messages: Messages,
    /// Whether doorbells can be dropped (`qm_fun_db_ctrl()`, `qm_dev_db_ctrl()`).
    pub drops_doorbells: bool,
    /// The migration registers. `None`: VFs do not migrate.
    pub migration: Option<Migration>,
}

/// The migration registers, which alone show EQC and AEQC.
pub struct Migration {
    /// Where the part of a VF's BAR2 begins that only the host may reach, unless the window is
    /// selected.
    pub hidden_from: u32,
    /// The EQC in that part.
    pub eqc: Reg<Function>,
    /// The AEQC in that part.
    pub aeqc: Reg<Function>,
    /// The window in the PF's BAR2 that has these registers if it is selected. The VF's BAR2 then
    /// has nothing that must be hidden.
    pub window: Option<Window>,
}

/// The window in the PF's BAR2 through which the registers of all functions can be reached.
pub struct Window {
    /// The register that selects it ([`regs::MigRegionSel`]).
    pub select: Reg<Pf>,
    /// Where it begins.
    pub offset: u32,
    /// Its size for each function, in bytes. The PF is the first.
    pub size: u32,
    /// The number of functions that it has room for.
    pub functions: u32,
    /// The EQC.
    pub eqc: Reg<MigrationWindow>,
    /// The AEQC.
    pub aeqc: Reg<MigrationWindow>,
}

const V2: Layout = Layout {
    name: "v2",
    number: 2,
    revision: 0x21,
    capabilities: false,
    messages: Messages::Mailbox,
    drops_doorbells: false,
    migration: None,
};

const V3: Layout = Layout {
    name: "v3",
    number: 3,
    revision: 0x30,
    capabilities: true,
    messages: Messages::Mailbox,
    drops_doorbells: false,
    migration: Some(Migration {
        hidden_from: regs::QM_MIG_VF_BASE,
        eqc: regs::QM_EQC_VF_DW0,
        aeqc: regs::QM_AEQC_VF_DW0,
        window: None,
    }),
};

const V5: Layout = Layout {
    name: "v5",
    number: 5,
    revision: 0x51,
    capabilities: true,
    messages: Messages::Registers,
    drops_doorbells: true,
    migration: Some(Migration {
        hidden_from: regs::QM_MIG_VF_BASE,
        eqc: regs::QM_EQC_VF_DW0,
        aeqc: regs::QM_AEQC_VF_DW0,
        window: Some(Window {
            select: regs::QM_MIG_REGION_SEL,
            offset: regs::QM_MIG_REGION_OFFSET,
            size: regs::QM_MIG_REGION_SIZE,
            functions: 64,
            eqc: regs::QM_EQC_PF_DW0,
            aeqc: regs::QM_AEQC_PF_DW0,
        }),
    }),
};

impl Generation {
    /// All generations, the oldest first.
    pub const ALL: [Self; 3] = [Self::V2, Self::V3, Self::V5];

    /// Returns the row of the generation.
    pub const fn layout(self) -> &'static Layout {
        match self {
            Self::V2 => &V2,
            Self::V3 => &V3,
            Self::V5 => &V5,
        }
    }

    /// Returns the generation of hardware of version `version`. Hardware newer than all rows is
    /// taken for the newest, as the in-tree drivers do; older hardware than all rows is `None`.
    pub fn of_version(version: u32) -> Option<Self> {
        let is_older = |row: &Self| u32::from(row.layout().revision) <= version;
        Self::ALL.into_iter().rev().find(is_older)
    }

    /// Returns the generation with exactly this PCI revision.
    pub fn of_revision(revision: u8) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|row| row.layout().revision == revision)
    }

    /// Returns the generation with this [`Layout::number`].
    pub fn of_number(number: u32) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|row| row.layout().number == number)
    }

    /// Returns the generations that migrate, the oldest first.
    pub fn migrating() -> impl Iterator<Item = Self> {
        let all = Self::ALL.into_iter();
        all.filter(|row| row.layout().migration.is_some())
    }
}

impl Layout {
    /// Returns the window, if this generation has one.
    pub const fn window(&self) -> Option<&Window> {
        match &self.migration {
            Some(migration) => migration.window.as_ref(),
            None => None,
        }
    }
}

impl Window {
    /// Returns where the PF's BAR2 has a register of `function`; `None` for a register that is not
    /// in the function's part of the window.
    pub const fn at(&self, function: u32, reg: Reg<MigrationWindow>) -> Option<Reg<Pf>> {
        if function >= self.functions || reg.offset() >= self.size {
            return None;
        }
        let Some(part) = function.checked_mul(self.size) else {
            return None;
        };
        let Some(offset) = part.checked_add(reg.offset()) else {
            return None;
        };
        match self.offset.checked_add(offset) {
            Some(at) => Some(Reg::at(at)),
            None => None,
        }
    }

    /// Returns the function that the window shows at `offset` of the PF's BAR2, and the offset in
    /// the registers of that function.
    pub const fn function_at(&self, offset: u32) -> Option<(u32, u32)> {
        let Some(offset) = offset.checked_sub(self.offset) else {
            return None;
        };
        let (Some(function), Some(at)) =
            (offset.checked_div(self.size), offset.checked_rem(self.size))
        else {
            return None;
        };
        if function < self.functions {
            Some((function, at))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_has_the_newest_row_that_is_not_newer() {
        for (version, generation) in [
            (0, None),
            (0x20, None),
            (0x21, Some(Generation::V2)),
            (0x2f, Some(Generation::V2)),
            (0x30, Some(Generation::V3)),
            (0x50, Some(Generation::V3)),
            (0x51, Some(Generation::V5)),
            (u32::MAX, Some(Generation::V5)),
        ] {
            assert_eq!(Generation::of_version(version), generation, "{version:#x}");
        }
    }

    #[test]
    fn rows_differ() {
        for generation in Generation::ALL {
            let row = generation.layout();
            assert_eq!(Generation::of_revision(row.revision), Some(generation));
            assert_eq!(Generation::of_number(row.number), Some(generation));
            assert_eq!(
                Generation::of_version(row.revision.into()),
                Some(generation)
            );
            assert_eq!(row.name, format!("v{}", row.number));
            if let Some(migration) = &row.migration {
                assert!(migration.eqc.offset() >= migration.hidden_from);
                assert!(migration.aeqc.offset() >= migration.hidden_from);
            }
        }
        assert_eq!(Generation::of_revision(0x31), None);
        assert_eq!(Generation::of_number(4), None);
        let migrating: Vec<_> = Generation::migrating().collect();
        assert_eq!(migrating, [Generation::V3, Generation::V5]);
    }

    #[test]
    fn the_window_has_8_kib_for_each_function() {
        let window = Generation::V5.layout().window().unwrap();
        let at = |function, reg| window.at(function, reg).map(Reg::offset);
        assert_eq!(at(0, regs::QM_EQC_PF_DW0), Some(0x18_1c00));
        assert_eq!(at(2, regs::QM_AEQC_PF_DW0), Some(0x18_5c20));
        assert_eq!(at(1, Reg::at(0x1ffc)), Some(0x18_3ffc));
        assert_eq!(at(63, Reg::at(0x1ffc)), Some(0x1f_fffc));
        assert_eq!(at(64, Reg::at(0)), None);
        assert_eq!(at(1, Reg::at(0x2000)), None);
        assert_eq!(at(u32::MAX, Reg::at(0)), None);
        assert!(Generation::V3.layout().window().is_none());
        assert!(Generation::V2.layout().window().is_none());
    }

    #[test]
    fn the_window_shows_functions_and_nothing_else() {
        let window = Generation::V5.layout().window().unwrap();
        for (offset, shown) in [
            (0, None),
            (0x17_fffc, None),
            (0x18_0000, Some((0, 0))),
            (0x18_3ffc, Some((1, 0x1ffc))),
            (0x1f_fffc, Some((63, 0x1ffc))),
            (0x20_0000, None),
            (u32::MAX, None),
        ] {
            assert_eq!(window.function_at(offset), shown, "{offset:#x}");
        }
    }
}
