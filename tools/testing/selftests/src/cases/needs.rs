// SPDX-License-Identifier: GPL-2.0

//! What the guest of a case has to be, and what its kernel may complain of.

use crate::{cases::debug::provoke as debug, differences};

/// What a case's guest is to be, by what its name begins with: attributes that the harness knows
/// (tools/harness/src/case.rs), a tab before each. All lines that fit are meant.
const NEEDS: &[(&str, &str)] = &[
    // The kernel's own tests judge the model, with a slow kernel too.
    ("twin.", "\tkernel=cryptomgr.notests=0"),
    // KUnit's suites run where they are asked for only.
    ("kunit.", "\tkernel=kunit.enable=1"),
    ("link.pf_unbind", SRIOV_UNLOCKED),
    ("lifetime.pf_unbind", SRIOV_UNLOCKED),
    ("lifetime.modules", SRIOV_UNLOCKED),
    // kmemleak finds at its guest's end what it shows: the files that the C driver leaves behind
    // (D6).
    ("lifetime.save_fails:c", "\tflavour="),
    // It takes a spinlock below the raw one of PCI configuration space.
    (
        "twin.aer_inject",
        "\tknown=BUG: Invalid wait context @ aer_inj_read_config+",
    ),
    // QEMU runs in the guest, and guests in that: with the kernel that the guest has, which with
    // KASAN is too much for an emulated machine in an emulated machine. The kernel's own tests of
    // the engines take long.
    (
        "qemu.",
        "\tnested\tmemory=3G\tflavour=\tkernel=cryptomgr.notests=1",
    ),
    // The device goes where nothing is mapped, as the case wants it to.
    ("fault.dma_unmapped", UNMAPPED),
    ("dirty.hostile_changing", UNMAPPED),
    ("dirty.hostile_descriptors", UNMAPPED),
    ("dirty.hostile_rings", UNMAPPED),
    ("dirty.hostile_unmapped", UNMAPPED),
    ("dirty.hostile_many_vfs", "\tvfs=63"),
    // Only that flavour fails on request.
    ("dirty.no_memory", "\tflavour=debug"),
    ("topology.integrated", "\ttopology=integrated"),
    ("topology.shared_group", "\ttopology=no-acs"),
    // It ends before the kernel's own tests of the engines would, which complain of that.
    (
        "topology.no_group",
        "\ttopology=no-iommu\tkernel=cryptomgr.notests=1",
    ),
    ("topology.v2", "\thw=2"),
    // The PF waits for its VFs, twice 40 s.
    ("reset.without_turn", "\tlong"),
    // Cases with the C driver that do not have it in their names.
    ("beside_c.", C_LOCK_CYCLE),
    // All threads hang, and the kernel is to say so sooner than elsewhere.
    (
        "reset.threads:c",
        "\tkernel=sysctl.kernel.hung_task_timeout_secs=10",
    ),
    // Two guests of 2 GiB in it.
    (
        "dirty.qemu_",
        "\tnested\tmemory=6G\tflavour=\tkernel=cryptomgr.notests=1",
    ),
    // Each spoils its guest, and these end it.
    ("debug.", "\tfresh\tflavour=debug"),
    ("debug.cfi", "\tlethal"),
    ("debug.hung_task", "\tlethal"),
    // A task that has left the kernel with a spinlock held: both are said, in both cases.
    ("debug.lockdep", ATOMIC),
    ("debug.atomic_sleep", ATOMIC),
    (
        "debug.atomic_sleep",
        "\tallow=WARNING: lock held when returning",
    ),
    // The module says what it leaks, and kmemleak how much it has found.
    ("debug.kmemleak", "\tallow=kmemleak:"),
    // KASAN taints the kernel.
    ("debug.kasan", "\tallow=Disabling lock debugging"),
];

/// pci_disable_sriov() by a PF's driver that is unbound: without pci_rescan_remove_lock.
const SRIOV_UNLOCKED: &str = "\tknown=WARNING: drivers/pci/remove.c: @ hisi_qm_sriov_disable+";

/// What the scheduler says of a task that holds a spinlock.
const ATOMIC: &str =
    "\tallow=BUG: scheduling while atomic\tallow=BUG: sleeping function called from invalid context";

/// What the SMMU says then: F_TRANSLATION.
const UNMAPPED: &str = "\tallow=smmuv3: event 0x10 received";

/// What lockdep says of the C driver, in whatever case it resets a VF after migration data went
/// through: it takes its state's lock below memory_lock when the VF is reset, and faults pages in,
/// which takes memory_lock, below that of its migration file, which is below the state's.
const C_LOCK_CYCLE: &str =
    "\tknown=WARNING: possible circular locking dependency @ hisi_acc_vf_pci_aer_reset_done+";

/// Suites that take long, and the cases of them that run where nobody asks for more.
const LONG: &[&str] = &["qemu.", "dirty.qemu_"];
const CHOSEN: &[&str] = &[
    "qemu.cancel_and_retry:rust",
    "qemu.iommufd_stopped:rust",
    "qemu.legacy_precopy:c",
    "qemu.legacy_precopy:rust",
    "qemu.libvirt_alias",
    "qemu.two_vfs:c",
    "qemu.two_vfs:rust",
];

/// What a case needs, as it stands behind its name in the list.
pub fn needs(name: &str) -> String {
    let mut needs: String = NEEDS
        .iter()
        .filter(|(begin, _)| name.starts_with(begin))
        .map(|(_, needs)| *needs)
        .collect();
    if name.split(':').nth(1) == Some("c") {
        needs += C_LOCK_CYCLE;
    }
    if let (_, Some(layout)) = super::split_generation(name) {
        needs += &format!("\thw={}", layout.number);
    }
    if LONG.iter().any(|suite| name.starts_with(suite)) && !CHOSEN.contains(&name) {
        needs += "\tlong";
    }
    needs += &differences::needs(name);
    if let Some(words) = debug::splat(name) {
        needs += &format!("\tsplat={words}");
    }
    needs
}
