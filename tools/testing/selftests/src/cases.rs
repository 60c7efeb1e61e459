// SPDX-License-Identifier: GPL-2.0

//! The cases: which there are, and what they have in common.

mod aer;
mod answer;
mod arcs;
mod asleep;
mod backdoors;
mod bare;
mod beside_c;
mod bus;
mod debug;
mod dirty;
mod doors;
mod ends;
mod errors;
mod fault;
mod flr;
mod foreign;
mod fuzz;
mod groups;
mod hidden;
mod inflight;
mod iommufd;
mod kunit;
mod leaks;
mod ledger;
mod lifetime;
mod limit;
mod link;
mod load;
mod migration;
mod model;
mod modules;
mod needs;
mod notify;
mod p2p;
mod pair;
mod pause;
mod pending;
mod pf_reset;
pub mod qemu;
mod qos;
mod races;
mod ras;
mod reset;
mod sample;
mod sample_arcs;
mod seen;
#[cfg(test)]
mod slices;
mod stream;
mod topology;
mod tracked;
mod unseen;
mod upstream;
mod versions;

use crate::{
    host::{self, Accelerator, Function},
    memory::Memory,
    twin::Twin,
    vfio::{Device, Iommufd},
    Driver, Result,
};
use std::thread;

pub use dirty::victim;
pub use needs::needs;

/// A case: all it needs it sets up, and it leaves nothing behind.
type Case = fn() -> Result<()>;
type DriverCase = fn(Driver) -> Result<()>;

const PLAIN: &[(&str, Case)] = &[
    ("twin.zip_pf_probe", model::zip_pf_probe),
    ("twin.sec_pf_probe", model::sec_pf_probe),
    ("twin.hpre_pf_probe", model::hpre_pf_probe),
    ("twin.zip_selftest", model::zip_selftest),
    ("twin.sec_selftest", model::sec_selftest),
    ("twin.hpre_selftest", model::hpre_selftest),
    ("twin.sriov", model::sriov),
    ("twin.c_driver_migrates", model::c_driver_migrates),
    ("twin.qos", qos::qos),
    ("twin.dfx", qos::dfx),
    ("twin.ras_corrected", ras::corrected),
    ("twin.ras_reset", ras::reset),
    ("twin.flr_busy", flr::busy),
    ("twin.vf_flr", flr::vf),
    ("twin.pf_flr", flr::pf),
    ("twin.bus_master_off", bus::bus_master_off),
    ("twin.msi_masked", bus::msi_masked),
    ("twin.db_isolation", bus::db_isolation),
    ("twin.ledger", ledger::ledger),
    ("twin.aer", aer::aer),
    ("twin.aer_inject", aer::inject),
    ("migration.cross_c_to_rust", migration::cross_c_to_rust),
    ("migration.cross_rust_to_c", migration::cross_rust_to_c),
    ("migration.mailbox_answer", answer::state_changes),
    ("beside_c.accesses", beside_c::accesses),
    ("beside_c.streams", beside_c::streams),
    ("stream.fuzz", fuzz::fuzz),
    ("stream.refusals", limit::refusals),
    ("lifetime.fd_outlives_module", modules::fd_outlives_module),
    ("fault.mailbox_busy", fault::mailbox_busy),
    ("fault.mailbox_late", fault::mailbox_late),
    ("fault.pause_refused", fault::pause_refused),
    ("fault.save_refused", fault::save_refused),
    ("fault.write_back_stuck", fault::write_back_stuck),
    ("fault.ras_before_pause", errors::ras_before_pause),
    ("fault.ras_at_pause", errors::ras_at_pause),
    ("fault.ras_after_pause", errors::ras_after_pause),
    ("fault.engine_before_pause", errors::engine_before_pause),
    ("fault.engine_at_pause", errors::engine_at_pause),
    ("fault.engine_after_pause", errors::engine_after_pause),
    ("fault.message_pending", fault::message_pending),
    ("fault.interrupts", fault::interrupts),
    ("fault.slow_engine", fault::slow_engine),
    ("fault.dma_unmapped", fault::dma_unmapped),
    ("fault.gone", fault::gone),
    ("fault.asleep", asleep::fault),
    ("fault.pause_late", pause::late),
    ("fault.pause_stays", pause::stays),
    ("fault.load_fails", load::fails),
    ("fault.load_and_reset_fail", load::and_reset_fail),
    ("reset.pf_unseen", unseen::pf_unseen),
    ("reset.without_turn", unseen::without_turn),
    ("p2p.arcs", arcs::arcs),
    ("p2p.quiet", p2p::quiet),
    ("p2p.two_vfs", p2p::two_vfs),
    ("trace.events", seen::events),
    ("dirty.uapi", dirty::uapi),
    ("dirty.policy", dirty::policy),
    ("dirty.parameter", dirty::parameter),
    ("dirty.shown", dirty::shown),
    ("dirty.before_start", dirty::before_start),
    ("dirty.untaken", dirty::untaken),
    ("dirty.target_is_source", dirty::target_is_source),
    ("dirty.mailbox", dirty::mailbox),
    ("dirty.mailbox_answer", answer::while_logging),
    ("dirty.reset", dirty::reset),
    ("dirty.ways_in", dirty::ways_in),
    ("dirty.again", dirty::again),
    ("dirty.stopped", dirty::stopped),
    ("dirty.late_completions", dirty::late_completions),
    ("dirty.not_understood", dirty::not_understood),
    ("dirty.hostile_rings", dirty::rings),
    ("dirty.hostile_descriptors", dirty::descriptors),
    ("dirty.hostile_doorbells", dirty::doorbells),
    ("dirty.hostile_changing", dirty::changing),
    ("dirty.hostile_unmapped", dirty::unmapped),
    ("dirty.hostile_many_vfs", dirty::many_vfs),
    ("dirty.watched", dirty::watched),
    ("dirty.odd_before", dirty::odd_before),
    ("dirty.busy_mailbox", dirty::busy_mailbox),
    ("dirty.error_event", dirty::error_event),
    ("dirty.reset_and_doorbells", dirty::reset_and_doorbells),
    ("dirty.address_spaces", dirty::address_spaces),
    ("dirty.user_dies", dirty::user_dies),
    ("dirty.no_room", dirty::no_room),
    ("dirty.statistics", dirty::statistics),
    ("dirty.no_memory", dirty::no_memory),
    ("debugfs.while_migrating", seen::while_migrating),
    ("qemu.libvirt_alias", qemu::libvirt_alias),
    ("kunit.vfio_rs", kunit::vfio_rs),
    ("link.alias", link::alias),
    ("topology.no_link", topology::no_link),
    ("topology.no_group", groups::no_group),
    ("topology.v2", versions::v2),
    ("topology.window", versions::window),
    ("link.in_tree_vf", notify::in_tree_vf),
    ("link.pf_unbind", link::pf_unbind),
    ("link.pf_unbind_in_load", load::pf_unbind),
    ("link.module_unload", link::module_unload),
    ("sample.edu_migrates", sample::edu_migrates),
    ("sample.edu_states", sample::edu_states),
    ("sample.edu_bad_stream", sample::edu_bad_stream),
    ("sample.edu_reset", sample::edu_reset),
    ("sample.edu_hidden", sample::edu_hidden),
    ("sample.edu_only", foreign::edu_only),
    ("sample.edu_without_p2p", sample_arcs::without_p2p),
];

const BOTH: &[(&str, DriverCase)] = &[
    ("migration.busy_queue", migration::busy_queue),
    ("migration.sec", migration::sec),
    ("migration.hpre", migration::hpre),
    ("migration.idle", migration::idle),
    ("migration.no_guest_driver", migration::no_guest_driver),
    ("migration.back_and_forth", migration::back_and_forth),
    ("migration.without_precopy", migration::without_precopy),
    ("migration.wrong_device", migration::wrong_device),
    ("migration.v1_stream", migration::v1_stream),
    ("migration.refused_stream", migration::refused_stream),
    (
        "migration.refused_stream_runs",
        migration::refused_stream_runs,
    ),
    ("migration.newer_minor", migration::newer_minor),
    ("migration.bad_stream", migration::bad_stream),
    ("migration.second_resume", migration::second_resume),
    ("migration.source_goes_on", migration::source_goes_on),
    ("migration.precopy_cancel", migration::precopy_cancel),
    (
        "migration.fd_outlives_device",
        migration::fd_outlives_device,
    ),
    ("migration.reset_in_precopy", migration::reset_in_precopy),
    ("migration.interrupt_pending", pending::interrupt_pending),
    ("migration.error_pending", pending::error_pending),
    ("migration.all_queues", inflight::all_queues),
    ("migration.cq_full", inflight::cq_full),
    ("migration.events_wrapped", inflight::events_wrapped),
    ("migration.interrupt_carried", pending::interrupt_carried),
    ("reset.ioctl", reset::ioctl),
    ("reset.sysfs", reset::sysfs),
    ("reset.guest", reset::guest),
    ("reset.pf", pf_reset::function),
    ("reset.pf_controller", pf_reset::controller),
    ("reset.aer", pf_reset::aer),
    ("reset.in_change", races::in_change),
    ("reset.hot", reset::hot),
    ("reset.threads", races::threads),
    ("reset.interlock", reset::interlock),
    ("stream.reads", stream::reads),
    ("stream.writes", stream::writes),
    ("stream.two_readers", stream::two_readers),
    ("stream.signals", stream::signals),
    ("stream.user_fault", stream::user_fault),
    ("stream.not_a_file", ends::not_a_file),
    ("stream.precopy_info", ends::precopy),
    ("stream.precopy_end", ends::precopy_end),
    ("stream.closed", ends::closed),
    ("stream.duplicated", ends::duplicated),
    ("iommufd.hwpt", iommufd::hwpt),
    ("iommufd.detach", iommufd::detach),
    ("iommufd.container", iommufd::container),
    ("iommufd.second_open", iommufd::second_open),
    ("iommufd.passed_on", iommufd::passed_on),
    ("lifetime.unbind", lifetime::unbind),
    ("lifetime.numvfs", lifetime::numvfs),
    ("lifetime.pf_unbind", lifetime::pf_unbind),
    ("lifetime.modules", modules::modules_unload),
    ("lifetime.open_close", leaks::open_close),
    ("lifetime.save_fails", leaks::save_fails),
    ("fault.ras_stops", fault::ras_stops),
    ("fault.ras_stops_precopy", fault::ras_stops_precopy),
    ("fault.write_back_stops", fault::write_back_stops),
    ("fault.engine_stops", errors::engine_stops),
    ("fault.load_refused", fault::load_refused),
    ("p2p.flags", p2p::flags),
    ("debugfs.files", seen::files),
    ("topology.endpoint", topology::endpoint),
    ("topology.integrated", topology::integrated),
    ("topology.shared_group", groups::shared_group),
    ("topology.pf", topology::pf),
    ("topology.foreign", foreign::foreign),
    ("hidden.region_info", hidden::region_info),
    ("hidden.read_write", hidden::read_write),
    ("hidden.mmap", hidden::mmap),
    ("hidden.offsets", hidden::offsets),
    ("hidden.ioeventfd", doors::ioeventfd),
    ("hidden.dma_buf", doors::dma_buf),
    ("hidden.asleep", asleep::hidden),
    ("hidden.other_vf", beside_c::other_vf),
    ("hidden.hot_reset", backdoors::hot_reset),
    ("hidden.debugfs", backdoors::debugfs),
];

type RemarkCase = fn(Driver) -> Result<String>;

/// Cases for both drivers that have something to remark.
const REMARKS: &[(&str, RemarkCase)] = &[
    ("qemu.iommufd_stopped", qemu::iommufd_stopped),
    ("qemu.legacy_precopy", qemu::legacy_precopy),
    ("qemu.stop_copy_only", qemu::stop_copy_only),
    ("qemu.idle_guest", qemu::idle_guest),
    ("qemu.two_vfs", qemu::two_vfs),
];

/// The same for ours only.
const RUST_REMARKS: &[(&str, RemarkCase)] = &[
    ("lifetime.close_and_reset", races::close_and_reset),
    ("dirty.off_is_free", dirty::off_is_free),
    ("dirty.superset_zip", dirty::superset_zip),
    ("dirty.superset_sec", dirty::superset_sec),
    ("dirty.superset_hpre", dirty::superset_hpre),
    ("qemu.iommufd_two_vfs", qemu::iommufd_two_vfs),
    ("qemu.ping_pong", qemu::ping_pong),
    ("qemu.sec_vf", qemu::sec_vf),
    ("qemu.hpre_vf", qemu::hpre_vf),
    ("qemu.cancel_and_retry", qemu::cancel_and_retry),
    ("qemu.target_dies", qemu::target_dies),
    ("qemu.incompatible_target", qemu::incompatible_target),
    ("qemu.guest_reboot_between", qemu::guest_reboot_between),
    ("qemu.guest_driver_unloaded", qemu::guest_driver_unloaded),
];

/// Whether the driver tracks what its VFs write (`VFIO_DEVICE_FEATURE_DMA_LOGGING_START`): the cases
/// that are for that are not named before.
const DIRTY_TRACKING: bool = true;

/// The same for both, where it does.
const TRACKED: &[(&str, RemarkCase)] = &[
    ("qemu.iommufd_precopy", tracked::iommufd_precopy),
    ("dirty.qemu_precopy", tracked::qemu_precopy),
];

/// Fails with a message if a condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}
pub(crate) use ensure;

/// Suites whose cases run on accelerators of both generations: those of V5 with `:v5` behind the
/// name, in guests of their own.
const BOTH_GENERATIONS: &[&str] = &[
    "twin.",
    "migration.",
    "beside_c.",
    "hidden.",
    "topology.",
    "dirty.",
    "fault.",
    "reset.",
    "lifetime.",
    "link.",
    "stream.",
    "p2p.",
    "debugfs.",
];

/// Cases of these that run on V3 only: what differs between the generations plays no part in them.
const ON_V3: &[&str] = &[
    "dirty.qemu_",
    "dirty.hostile_many_vfs",
    "dirty.off_is_free",
    // It has a generation of its own.
    "topology.v2",
    // modinfo says the same in any guest.
    "link.alias",
    // All threads hang in the locks of the C driver. It takes a guest of its own, and 30 s.
    "reset.threads:c",
    // Each waits 10 s for jobs that do not come back. `fault.engine_stops:c` shows the same on V5.
    "fault.ras_stops:c",
    "fault.ras_stops_precopy:c",
    "fault.write_back_stops:c",
    // The mailbox is the VF's own on both generations, and the case waits for timeouts.
    "fault.mailbox_busy",
    // Files, module references and locks belong to the VFIO layer, which knows no generations. Each case
    // repeats the same many times.
    "debugfs.while_migrating",
    "lifetime.fd_outlives_module",
    "lifetime.modules",
    "lifetime.open_close",
    "lifetime.save_fails",
    // The arcs belong to the VFIO layer. `migration.` and `reset.` use the registers of V5.
    "p2p.arcs",
    // PCI reports an error of the PF. That changes no register.
    "reset.aer",
];

/// Whether a case runs on V5 too.
fn on_v5(name: &str) -> bool {
    let fits = |suites: &[&str]| suites.iter().any(|suite| name.starts_with(suite));
    fits(BOTH_GENERATIONS) && !fits(ON_V3)
}

/// The names of all cases; those that run with either driver have it behind a colon, and those of
/// V5 that.
pub fn names() -> Vec<String> {
    let plain = PLAIN.iter().map(|(name, _)| (*name).to_owned());
    let both = BOTH
        .iter()
        .map(|(name, _)| name)
        .chain(REMARKS.iter().map(|(name, _)| name))
        .chain(
            TRACKED
                .iter()
                .map(|(name, _)| name)
                .filter(|_| DIRTY_TRACKING),
        )
        .flat_map(|name| [format!("{name}:rust"), format!("{name}:c")]);
    let ours = RUST_REMARKS.iter().map(|(name, _)| format!("{name}:rust"));
    let either: Vec<String> = plain.chain(both).chain(ours).collect();
    let v5 = either.iter().filter(|name| on_v5(name));
    let v5: Vec<String> = v5.map(|name| format!("{name}:v5")).collect();
    either
        .into_iter()
        .chain(v5)
        .chain(upstream::names())
        .chain(debug::names())
        .collect()
}

/// A case. Where it passes, it may have something to remark.
type Found = Box<dyn Fn() -> Result<String>>;

/// A case by its name.
pub fn find(name: &str) -> Option<Found> {
    let Some(either) = name.strip_suffix(":v5") else {
        return find_either(name);
    };
    if !on_v5(either) {
        return None;
    }
    let case = find_either(either)?;
    Some(Box::new(move || {
        ensure!(host::is_v5()?, "the accelerators of this guest are not V5");
        case()
    }))
}

/// A case by its name without the generation.
fn find_either(name: &str) -> Option<Found> {
    if let Some((_, case)) = PLAIN.iter().find(|(n, _)| *n == name) {
        let case = *case;
        return Some(Box::new(move || case().map(|()| String::new())));
    }
    if let Some(case) = upstream::find(name) {
        return Some(Box::new(case));
    }
    if let Some(case) = debug::find(name) {
        return Some(Box::new(move || case().map(|()| String::new())));
    }
    let (name, driver) = name.split_once(':')?;
    let driver = match driver {
        "rust" => Driver::Rust,
        "c" => Driver::C,
        _ => return None,
    };
    let remarks = match driver {
        Driver::Rust => [REMARKS, TRACKED, RUST_REMARKS],
        Driver::C => [REMARKS, TRACKED, &[]],
    };
    if let Some((_, case)) = remarks.concat().iter().find(|(n, _)| *n == name) {
        let case = *case;
        return Some(Box::new(move || case(driver)));
    }
    let (_, case) = BOTH.iter().find(|(n, _)| *n == name)?;
    let case = *case;
    Some(Box::new(move || case(driver).map(|()| String::new())))
}

/// How many VFs the cases work with.
pub const VFS: usize = 8;

/// What most cases need: VFs bound to drivers, an address space, memory in it.
pub struct Bench {
    pub iommufd: Iommufd,
    pub memory: Memory,
    pub vfs: Vec<Function>,
    pub twin: Twin,
}

impl Bench {
    /// VF n of the ZIP is bound to `drivers[n]`.
    pub fn new(drivers: &[Driver]) -> Result<Self> {
        Self::of(host::ZIP, drivers)
    }

    /// VF n of an accelerator is bound to `drivers[n]`.
    pub fn of(accelerator: Accelerator, drivers: &[Driver]) -> Result<Self> {
        Self::with_memory(accelerator, drivers, 32 << 20)
    }

    /// The same, with so many bytes of memory.
    pub fn with_memory(
        accelerator: Accelerator,
        drivers: &[Driver],
        memory: usize,
    ) -> Result<Self> {
        let vfs = accelerator.vfs(VFS)?;
        for (vf, driver) in vfs.iter().zip(drivers) {
            host::bind(vf, *driver)?;
        }
        let iommufd = Iommufd::new()?;
        let memory = Memory::new(&iommufd, memory)?;
        let twin = Twin::open_device(accelerator.name)?;
        // What an earlier case has ordered and not taken back, since it failed.
        for function in (1..=VFS).map(|n| format!("vf{n}")).chain(["pf".into()]) {
            twin.fault(&function, "clear")?;
        }
        Ok(Self {
            iommufd,
            memory,
            vfs,
            twin,
        })
    }

    /// Opens a VF.
    pub fn open(&self, vf: usize) -> Result<Device> {
        let path = self.vfs[vf].vfio_path()?;
        Device::open(&path, &self.iommufd).map_err(|e| format!("{}: {e}", path.display()).into())
    }
}

/// Runs a case for all accelerators at a time, where the in-tree drivers wait by the second. The
/// device model's control device is not for that: it takes one request at a time.
fn at_once(case: impl Fn(Accelerator) -> Result<()> + Sync) -> Result<()> {
    let case = |accelerator: Accelerator| {
        case(accelerator).map_err(|e| format!("{}: {e}", accelerator.name))
    };
    let case = &case;
    let results = thread::scope(|scope| {
        host::ALL
            .map(|accelerator| scope.spawn(move || case(accelerator)))
            .map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".into())))
    });
    for result in results {
        result?;
    }
    Ok(())
}

/// The error number that something failed with, 0 where it did not.
pub fn errno<T>(result: std::io::Result<T>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(e) => e.raw_os_error().unwrap_or(-1),
    }
}
