// SPDX-License-Identifier: GPL-2.0

//! The questions, by their numbers in `Documentation/selftests/twin-guesses.rst`, and how the host
//! answers them.

use crate::{
    function::{names, Function, CAP_EXP, CAP_PM, EXT_CAP_ACS},
    tree::Tree,
};
use acc_vfio_user::Result;
use hisi_acc_hw::{
    reg::{Function as Own, Reg},
    regs, Engine, Generation,
};
use std::{fmt::Write, fs};

/// A question that the host answers.
pub struct Question {
    /// Its number in the documentation.
    pub number: u32,
    pub text: &'static str,
    answer: fn(&Found<'_>, &mut String),
}

/// Questions that need writes, work or another machine, and why.
pub const BY_HAND: &[(u32, &str)] = &[
    (1, "needs a migration of a VF that was used before"),
    (2, "needs a request whose output is shorter than its buffer"),
    (3, "needs a VF of V5 whose guest can be stopped"),
    (4, "needs a message of the PF, by a reset of it"),
    (12, "the VFT is read by writing registers of the PF"),
];

/// Questions that the host answers.
pub const QUESTIONS: &[Question] = &[
    Question {
        number: 5,
        text: "PCIe type, the port above, ACS",
        answer: |found, text| found.each(text, topology),
    },
    Question {
        number: 6,
        text: "IOMMU group",
        answer: |found, text| found.each(text, group),
    },
    Question {
        number: 7,
        text: "NoSoftRst",
        answer: |found, text| found.each(text, no_soft_reset),
    },
    Question {
        number: 8,
        text: "revision",
        answer: |found, text| found.each(text, revision),
    },
    Question {
        number: 9,
        text: "dirty bits of the IOMMU",
        answer: dirty_bits,
    },
    Question {
        number: 10,
        text: "QM_MIG_REGION_SEL of PFs",
        answer: |found, text| found.of(text, false, select),
    },
    Question {
        number: 11,
        text: "QM_PAGE_SIZE of unused VFs",
        answer: |found, text| found.unused(text, |vf| register(vf, regs::QM_PAGE_SIZE)),
    },
    Question {
        number: 13,
        text: "QM_VF_STATE of unused VFs",
        answer: |found, text| found.unused(text, |vf| register(vf, regs::QM_VF_STATE)),
    },
    Question {
        number: 14,
        text: "interrupt masks of unused VFs: EQ, AEQ, messages",
        answer: |found, text| found.unused(text, masks),
    },
    Question {
        number: 15,
        text: "sizes of BARs",
        answer: |found, text| found.each(text, bars),
    },
    Question {
        number: 16,
        text: "QM_CAP_VF of unused VFs (bit 12: runtime power management)",
        answer: |found, text| found.unused(text, |vf| register(vf, QM_CAP_VF)),
    },
    Question {
        number: 17,
        text: "kernel",
        answer: kernel,
    },
];

/// `QM_CAP_VF` of qm.c
const QM_CAP_VF: Reg<Own> = Reg::at(0x3100);
/// Options of the kernel that matter.
const OPTIONS: [&str; 7] = [
    "CONFIG_ARM64_4K_PAGES",
    "CONFIG_ARM64_64K_PAGES",
    "CONFIG_IOMMUFD",
    "CONFIG_IO_STRICT_DEVMEM",
    "CONFIG_RUST",
    "CONFIG_VFIO_PCI",
    "CONFIG_HISI_ACC_VFIO_PCI",
];
/// How many VFs of a PF are shown. The others are alike.
const VFS_SHOWN: usize = 2;

/// What was found.
struct Found<'a> {
    tree: &'a Tree,
    functions: Vec<(Engine, bool, Function)>,
}

impl Found<'_> {
    /// Answers for each function: all PFs, and the first VFs of each engine.
    fn each(&self, text: &mut String, answer: impl Fn(&Function) -> String) {
        self.of(text, false, &answer);
        self.of(text, true, &answer);
    }

    /// Answers for the PFs, or for the first VFs.
    fn of(&self, text: &mut String, vfs: bool, answer: impl Fn(&Function) -> String) {
        self.some(text, vfs, |_| true, answer);
    }

    /// Answers for the first VFs that no driver has: nobody but this program touches them.
    fn unused(&self, text: &mut String, answer: impl Fn(&Function) -> String) {
        self.some(text, true, |vf| vf.link("driver").is_none(), answer);
    }

    fn some(
        &self,
        text: &mut String,
        vfs: bool,
        which: impl Fn(&Function) -> bool,
        answer: impl Fn(&Function) -> String,
    ) {
        let mut any = false;
        for engine in Engine::ALL {
            let all = self
                .functions
                .iter()
                .filter(|(e, is_vf, function)| *e == engine && *is_vf == vfs && which(function));
            let limit = if vfs { VFS_SHOWN } else { usize::MAX };
            for (_, _, function) in all.take(limit) {
                let kind = if vfs { "VF" } else { "PF" };
                let name = engine.descriptor().name;
                let answer = answer(function);
                let _ = writeln!(text, "   {name} {kind} {}: {answer}", function.address);
                any = true;
            }
        }
        if !any {
            let _ = writeln!(text, "   no such {}", if vfs { "VF" } else { "PF" });
        }
    }
}

/// Names a PCIe type (`PCI_EXP_TYPE_*`).
fn type_of(function: &Function) -> String {
    let flags = function
        .capability(CAP_EXP)
        .and_then(|at| function.config(at));
    match flags.map(|flags| (flags >> 20) & 0xf) {
        Some(0) => "Endpoint".to_owned(),
        Some(4) => "Root Port".to_owned(),
        Some(5) => "Upstream Port".to_owned(),
        Some(6) => "Downstream Port".to_owned(),
        Some(7) => "PCIe to PCI Bridge".to_owned(),
        Some(9) => "Root Complex Integrated Endpoint".to_owned(),
        Some(other) => format!("type {other:#x}"),
        None => "unknown type (not root?)".to_owned(),
    }
}

fn topology(function: &Function) -> String {
    let own = type_of(function);
    let Some(above) = function.parent() else {
        return format!("{own}, on the root bus");
    };
    let port = Function {
        path: function.path.with_file_name(&above),
        address: above,
    };
    // PCI_ACS_CTRL is in the upper half of the word behind the head.
    let acs = port
        .extended_capability(EXT_CAP_ACS)
        .and_then(|at| port.config(at + 4));
    let acs = match acs {
        Some(word) => format!(
            "ACS capability {:#x} control {:#x}",
            word & 0xffff,
            word >> 16
        ),
        None => "no ACS".to_owned(),
    };
    format!("{own}, below {} ({}, {acs})", port.address, type_of(&port))
}

fn group(function: &Function) -> String {
    let number = function.link("iommu_group").unwrap_or_default();
    match function.group() {
        None => "no IOMMU group".to_owned(),
        Some(all) if all == [function.address.clone()] => format!("{number}, alone"),
        Some(all) => format!("{number}, with {}", all.join(" ")),
    }
}

fn no_soft_reset(function: &Function) -> String {
    let ctrl = function
        .capability(CAP_PM)
        .and_then(|at| function.config(at + 4));
    match ctrl {
        None => "no PM capability".to_owned(),
        Some(ctrl) if ctrl & (1 << 3) != 0 => format!("NoSoftRst+ D{}", ctrl & 3),
        Some(ctrl) => format!("NoSoftRst- D{}", ctrl & 3),
    }
}

fn revision(function: &Function) -> String {
    let revision = function.id("revision").unwrap_or_default();
    let known = u8::try_from(revision)
        .ok()
        .and_then(Generation::of_revision);
    let what = match known {
        Some(row) if row.layout().migration.is_some() => "can migrate",
        Some(_) => "cannot migrate",
        None => "unknown",
    };
    format!("{revision:#04x}, {what}")
}

/// arm-smmu-v3 says in the log what it found; the features of the IOMMU are in no file.
fn dirty_bits(found: &Found<'_>, text: &mut String) {
    let iommus = names(&found.tree.path("sys/class/iommu"));
    for name in &iommus {
        let idr0 = found
            .tree
            .read(&format!("sys/class/iommu/{name}/arm-smmu-v3/idr0"));
        let _ = writeln!(text, "   {name} {}", idr0.unwrap_or_default());
    }
    if iommus.is_empty() {
        let _ = writeln!(text, "   no IOMMU");
    }
    let _ = writeln!(text, "   please add: dmesg | grep -i smmu");
}

fn select(pf: &Function) -> String {
    register(pf, regs::QM_MIG_REGION_SEL)
}

fn register<S>(function: &Function, reg: Reg<S>) -> String {
    match function.register(reg) {
        Some(value) => format!("{value:#x}"),
        None => "not readable".to_owned(),
    }
}

fn masks(vf: &Function) -> String {
    let regs = [
        regs::QM_VF_EQ_INT_MASK,
        regs::QM_VF_AEQ_INT_MASK,
        regs::QM_IFC_INT_MASK,
    ];
    regs.map(|reg| register(vf, reg)).join(" ")
}

fn bars(function: &Function) -> String {
    let bars = function.bars().into_iter();
    bars.map(|(n, size)| format!("BAR{n} {size:#x}"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn kernel(found: &Found<'_>, text: &mut String) {
    let release = found
        .tree
        .read("proc/sys/kernel/osrelease")
        .unwrap_or_default();
    let _ = writeln!(text, "   release {release}");
    // SAFETY: Reads a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let _ = writeln!(text, "   page size {page}");
    let line = found.tree.read("proc/cmdline").unwrap_or_default();
    let words = line
        .split_whitespace()
        .filter(|word| word.contains("iommu") || word.contains("smmu") || word.contains("vfio"));
    for word in words {
        let _ = writeln!(text, "   {word}");
    }
    match found.tree.read(&format!("boot/config-{release}")) {
        None => {
            let _ = writeln!(text, "   its options are not in /boot");
        }
        Some(config) => {
            for option in OPTIONS {
                let line = config.lines().find(|line| {
                    line.strip_prefix(option)
                        .is_some_and(|rest| rest.starts_with('='))
                });
                let _ = writeln!(
                    text,
                    "   {}",
                    line.unwrap_or(&format!("{option} is not set"))
                );
            }
        }
    }
}

/// Resets a VF that no driver has, and shows its registers before and after.
fn reset(found: &Found<'_>, address: &str, text: &mut String) -> Result<()> {
    let all = found.functions.iter();
    let vf = all
        .filter(|(_, is_vf, _)| *is_vf)
        .map(|(_, _, vf)| vf)
        .find(|vf| vf.address == address)
        .ok_or_else(|| format!("{address} is no VF of an accelerator"))?;
    if let Some(driver) = vf.link("driver") {
        return Err(format!("{address} has a driver: {driver}").into());
    }
    let show = |text: &mut String, when: &str| {
        let state = register(vf, regs::QM_VF_STATE);
        let (page, masks) = (register(vf, regs::QM_PAGE_SIZE), masks(vf));
        let _ = writeln!(
            text,
            "   {when}: state {state} page size {page} masks {masks}"
        );
    };
    let _ = writeln!(text, "\nReset of {address}");
    show(text, "before");
    fs::write(vf.path.join("reset"), "1").map_err(|e| format!("{address}: reset: {e}"))?;
    show(text, "after");
    Ok(())
}

/// Asks all questions, and resets a VF if one is named.
pub fn report(tree: &Tree, unused_vf: Option<&str>) -> Result<String> {
    let found = Found {
        tree,
        functions: tree.accelerators()?,
    };
    let mut text = "hw-report: HiSilicon accelerators on this host\n".to_owned();
    if found.functions.is_empty() {
        text += "There is none.\n";
    }
    for question in QUESTIONS {
        let _ = writeln!(text, "\n{}. {}", question.number, question.text);
        (question.answer)(&found, &mut text);
    }
    text += "\nNot asked here:\n";
    for (number, why) in BY_HAND {
        let _ = writeln!(text, "{number}. {why}");
    }
    if let Some(address) = unused_vf {
        reset(&found, address, &mut text)?;
    }
    Ok(text)
}
