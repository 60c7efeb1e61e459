// SPDX-License-Identifier: GPL-2.0

//! The cases: which there are, and what they have in common.

mod beside_c;
mod debug;
mod debugfs;
mod dirty;
mod fault;
mod hidden;
mod iommufd;
mod kunit;
mod lifetime;
mod link;
mod migration;
mod needs;
mod p2p;
pub mod qemu;
mod reset;
mod sample;
#[cfg(test)]
mod slices;
mod stream;
mod topology;
mod trace;
mod twin;
mod upstream;

use crate::support;
use acc_vfio_user::{ensure, host, Driver, Result};
use hisi_acc_hw::{generation::Layout, Generation};

pub use dirty::dies::serve as victim;
pub use needs::needs;

/// A case: all it needs it sets up, and it leaves nothing behind.
type Case = fn() -> Result<()>;
type DriverCase = fn(Driver) -> Result<()>;

const PLAIN: &[(&str, Case)] = &[
    ("twin.zip_pf_probe", twin::model::zip_pf_probe),
    ("twin.sec_pf_probe", twin::model::sec_pf_probe),
    ("twin.hpre_pf_probe", twin::model::hpre_pf_probe),
    ("twin.zip_selftest", twin::model::zip_selftest),
    ("twin.sec_selftest", twin::model::sec_selftest),
    ("twin.hpre_selftest", twin::model::hpre_selftest),
    ("twin.sriov", twin::model::sriov),
    ("twin.c_driver_migrates", twin::model::c_driver_migrates),
    ("twin.qos", twin::qos::qos),
    ("twin.dfx", twin::qos::dfx),
    ("twin.ras_corrected", twin::ras::corrected),
    ("twin.ras_reset", twin::ras::reset),
    ("twin.flr_busy", twin::flr::busy),
    ("twin.vf_flr", twin::flr::vf),
    ("twin.pf_flr", twin::flr::pf),
    ("twin.bus_master_off", twin::bus::bus_master_off),
    ("twin.msi_masked", twin::bus::msi_masked),
    ("twin.db_isolation", twin::bus::db_isolation),
    ("twin.ledger", twin::ledger::ledger),
    ("twin.aer", twin::aer::aer),
    ("twin.aer_inject", twin::aer::inject),
    (
        "migration.cross_c_to_rust",
        migration::moves::cross_c_to_rust,
    ),
    (
        "migration.cross_rust_to_c",
        migration::moves::cross_rust_to_c,
    ),
    ("migration.mailbox_answer", migration::answer::state_changes),
    ("beside_c.accesses", beside_c::compare::accesses),
    ("beside_c.streams", beside_c::compare::streams),
    ("stream.fuzz", stream::fuzz::fuzz),
    ("stream.refusals", stream::limit::refusals),
    (
        "lifetime.fd_outlives_module",
        lifetime::modules::fd_outlives_module,
    ),
    ("fault.mailbox_busy", fault::device::mailbox_busy),
    ("fault.mailbox_late", fault::device::mailbox_late),
    ("fault.pause_refused", fault::device::pause_refused),
    ("fault.save_refused", fault::device::save_refused),
    ("fault.write_back_stuck", fault::device::write_back_stuck),
    ("fault.ras_before_pause", fault::errors::ras_before_pause),
    ("fault.ras_at_pause", fault::errors::ras_at_pause),
    ("fault.ras_after_pause", fault::errors::ras_after_pause),
    (
        "fault.engine_before_pause",
        fault::errors::engine_before_pause,
    ),
    ("fault.engine_at_pause", fault::errors::engine_at_pause),
    (
        "fault.engine_after_pause",
        fault::errors::engine_after_pause,
    ),
    ("fault.message_pending", fault::device::message_pending),
    ("fault.interrupts", fault::device::interrupts),
    ("fault.slow_engine", fault::device::slow_engine),
    ("fault.dma_unmapped", fault::device::dma_unmapped),
    ("fault.gone", fault::device::gone),
    ("fault.asleep", fault::asleep::fault),
    ("fault.pause_late", fault::pause::late),
    ("fault.pause_stays", fault::pause::stays),
    ("fault.load_fails", fault::load::fails),
    ("fault.load_and_reset_fail", fault::load::and_reset_fail),
    ("reset.pf_unseen", reset::unseen::pf_unseen),
    ("reset.without_turn", reset::unseen::without_turn),
    ("p2p.arcs", p2p::arcs::arcs),
    ("p2p.quiet", p2p::states::quiet),
    ("p2p.two_vfs", support::moves::two_vfs),
    ("trace.events", trace::events::events),
    ("dirty.uapi", dirty::uapi::uapi),
    ("dirty.policy", dirty::uapi::policy),
    ("dirty.parameter", dirty::shown::parameter),
    ("dirty.shown", dirty::shown::shown),
    ("dirty.before_start", dirty::life::before_start),
    ("dirty.untaken", dirty::life::untaken),
    ("dirty.target_is_source", dirty::life::target_is_source),
    ("dirty.mailbox", dirty::life::mailbox),
    ("dirty.mailbox_answer", dirty::answer::while_logging),
    ("dirty.reset", dirty::life::reset),
    ("dirty.ways_in", dirty::life::ways_in),
    ("dirty.again", dirty::life::again),
    ("dirty.stopped", dirty::life::stopped),
    ("dirty.late_completions", dirty::late::late_completions),
    ("dirty.not_understood", dirty::late::not_understood),
    ("dirty.hostile_rings", dirty::items::rings),
    ("dirty.hostile_descriptors", dirty::items::descriptors),
    ("dirty.hostile_doorbells", dirty::items::doorbells),
    ("dirty.hostile_changing", dirty::hostile::changing),
    ("dirty.hostile_unmapped", dirty::hostile::unmapped),
    ("dirty.hostile_many_vfs", dirty::hostile::many_vfs),
    ("dirty.watched", dirty::watched::watched),
    ("dirty.odd_before", dirty::begins::odd_before),
    ("dirty.busy_mailbox", dirty::begins::busy_mailbox),
    ("dirty.error_event", dirty::begins::error_event),
    (
        "dirty.reset_and_doorbells",
        dirty::begins::reset_and_doorbells,
    ),
    ("dirty.address_spaces", dirty::spaces::address_spaces),
    ("dirty.user_dies", dirty::dies::user_dies),
    ("dirty.no_room", dirty::room::no_room),
    ("dirty.statistics", dirty::room::statistics),
    ("dirty.no_memory", dirty::no_memory::no_memory),
    ("debugfs.while_migrating", debugfs::files::while_migrating),
    ("qemu.libvirt_alias", qemu::migrations::libvirt_alias),
    ("kunit.vfio_rs", kunit::vfio_rs::vfio_rs),
    ("link.alias", support::modules::alias),
    ("topology.no_link", topology::places::no_link),
    ("topology.no_group", topology::groups::no_group),
    ("topology.v2", topology::versions::v2),
    ("topology.window", topology::versions::window),
    ("link.in_tree_vf", link::notify::in_tree_vf),
    ("link.pf_unbind", link::unbind::pf_unbind),
    ("link.pf_unbind_in_load", link::in_load::pf_unbind),
    ("link.module_unload", link::unbind::module_unload),
    ("sample.edu_migrates", sample::edu::edu_migrates),
    ("sample.edu_states", sample::edu::edu_states),
    ("sample.edu_bad_stream", sample::edu::edu_bad_stream),
    ("sample.edu_reset", sample::edu::edu_reset),
    ("sample.edu_hidden", sample::edu::edu_hidden),
    ("sample.edu_only", sample::only::edu_only),
    ("sample.edu_without_p2p", sample::arcs::without_p2p),
];

const BOTH: &[(&str, DriverCase)] = &[
    ("migration.busy_queue", migration::moves::busy_queue),
    ("migration.sec", migration::moves::sec),
    ("migration.hpre", migration::moves::hpre),
    ("migration.idle", support::moves::idle),
    (
        "migration.no_guest_driver",
        migration::moves::no_guest_driver,
    ),
    ("migration.back_and_forth", migration::moves::back_and_forth),
    (
        "migration.without_precopy",
        migration::moves::without_precopy,
    ),
    ("migration.wrong_device", migration::moves::wrong_device),
    ("migration.v1_stream", migration::moves::v1_stream),
    ("migration.refused_stream", migration::moves::refused_stream),
    (
        "migration.refused_stream_runs",
        migration::moves::refused_stream_runs,
    ),
    ("migration.newer_minor", migration::moves::newer_minor),
    ("migration.bad_stream", migration::moves::bad_stream),
    ("migration.second_resume", migration::moves::second_resume),
    ("migration.source_goes_on", migration::moves::source_goes_on),
    ("migration.precopy_cancel", migration::moves::precopy_cancel),
    (
        "migration.fd_outlives_device",
        migration::moves::fd_outlives_device,
    ),
    (
        "migration.reset_in_precopy",
        migration::moves::reset_in_precopy,
    ),
    (
        "migration.interrupt_pending",
        migration::pending::interrupt_pending,
    ),
    ("migration.error_pending", migration::pending::error_pending),
    ("migration.all_queues", migration::inflight::all_queues),
    ("migration.cq_full", migration::inflight::cq_full),
    (
        "migration.events_wrapped",
        migration::inflight::events_wrapped,
    ),
    (
        "migration.interrupt_carried",
        migration::pending::interrupt_carried,
    ),
    ("reset.ioctl", reset::function::ioctl),
    ("reset.sysfs", reset::function::sysfs),
    ("reset.guest", reset::function::guest),
    ("reset.pf", reset::pf::function),
    ("reset.pf_controller", reset::pf::controller),
    ("reset.aer", reset::pf::aer),
    ("reset.in_change", reset::races::in_change),
    ("reset.hot", reset::function::hot),
    ("reset.threads", reset::races::threads),
    ("reset.interlock", reset::function::interlock),
    ("stream.reads", stream::transfer::reads),
    ("stream.writes", stream::transfer::writes),
    ("stream.two_readers", stream::transfer::two_readers),
    ("stream.signals", stream::transfer::signals),
    ("stream.user_fault", stream::transfer::user_fault),
    ("stream.not_a_file", stream::ends::not_a_file),
    ("stream.precopy_info", stream::ends::precopy),
    ("stream.precopy_end", stream::ends::precopy_end),
    ("stream.closed", stream::ends::closed),
    ("stream.duplicated", stream::ends::duplicated),
    ("iommufd.hwpt", iommufd::spaces::hwpt),
    ("iommufd.detach", iommufd::spaces::detach),
    ("iommufd.container", iommufd::spaces::container),
    ("iommufd.second_open", iommufd::spaces::second_open),
    ("iommufd.passed_on", iommufd::spaces::passed_on),
    ("lifetime.unbind", lifetime::unbind::unbind),
    ("lifetime.numvfs", lifetime::unbind::numvfs),
    ("lifetime.pf_unbind", lifetime::unbind::pf_unbind),
    ("lifetime.modules", lifetime::modules::modules_unload),
    ("lifetime.open_close", lifetime::leaks::open_close),
    ("lifetime.save_fails", lifetime::leaks::save_fails),
    ("fault.ras_stops", fault::device::ras_stops),
    ("fault.ras_stops_precopy", fault::device::ras_stops_precopy),
    ("fault.write_back_stops", fault::device::write_back_stops),
    ("fault.engine_stops", fault::errors::engine_stops),
    ("fault.load_refused", fault::device::load_refused),
    ("p2p.flags", p2p::states::flags),
    ("debugfs.files", debugfs::files::files),
    ("topology.endpoint", topology::places::endpoint),
    ("topology.integrated", topology::places::integrated),
    ("topology.shared_group", topology::groups::shared_group),
    ("topology.pf", topology::places::pf),
    ("topology.foreign", topology::foreign::foreign),
    ("hidden.region_info", hidden::bar2::region_info),
    ("hidden.read_write", hidden::bar2::read_write),
    ("hidden.mmap", hidden::bar2::mmap),
    ("hidden.offsets", hidden::bar2::offsets),
    ("hidden.ioeventfd", hidden::doors::ioeventfd),
    ("hidden.dma_buf", hidden::doors::dma_buf),
    ("hidden.asleep", hidden::asleep::hidden),
    ("hidden.other_vf", hidden::other_vf::other_vf),
    ("hidden.hot_reset", hidden::backdoors::hot_reset),
    ("hidden.debugfs", hidden::backdoors::debugfs),
];

type RemarkCase = fn(Driver) -> Result<String>;

/// Cases for both drivers that have something to remark.
const REMARKS: &[(&str, RemarkCase)] = &[
    ("qemu.iommufd_stopped", qemu::migrations::iommufd_stopped),
    ("qemu.legacy_precopy", qemu::migrations::legacy_precopy),
    ("qemu.stop_copy_only", qemu::migrations::stop_copy_only),
    ("qemu.idle_guest", qemu::migrations::idle_guest),
    ("qemu.two_vfs", qemu::migrations::two_vfs),
];

/// The same for ours only.
const RUST_REMARKS: &[(&str, RemarkCase)] = &[
    (
        "lifetime.close_and_reset",
        lifetime::close_and_reset::close_and_reset,
    ),
    ("dirty.off_is_free", dirty::cost::off_is_free),
    ("dirty.superset_zip", dirty::precise::superset_zip),
    ("dirty.superset_sec", dirty::precise::superset_sec),
    ("dirty.superset_hpre", dirty::precise::superset_hpre),
    ("qemu.iommufd_two_vfs", qemu::migrations::iommufd_two_vfs),
    ("qemu.ping_pong", qemu::migrations::ping_pong),
    ("qemu.sec_vf", qemu::migrations::sec_vf),
    ("qemu.hpre_vf", qemu::migrations::hpre_vf),
    ("qemu.cancel_and_retry", qemu::migrations::cancel_and_retry),
    ("qemu.target_dies", qemu::migrations::target_dies),
    (
        "qemu.incompatible_target",
        qemu::migrations::incompatible_target,
    ),
    (
        "qemu.guest_reboot_between",
        qemu::migrations::guest_reboot_between,
    ),
    (
        "qemu.guest_driver_unloaded",
        qemu::migrations::guest_driver_unloaded,
    ),
];

/// Whether the driver tracks what its VFs write (`VFIO_DEVICE_FEATURE_DMA_LOGGING_START`): the
/// cases that are for that are not named before.
const DIRTY_TRACKING: bool = true;

/// The same for both, where it does.
const TRACKED: &[(&str, RemarkCase)] = &[
    ("qemu.iommufd_precopy", qemu::tracked::iommufd_precopy),
    ("dirty.qemu_precopy", dirty::qemu::qemu_precopy),
];

/// Suites whose cases run on accelerators of each generation that migrates: those of a later one
/// than the first with its name behind theirs (`:v5`), in guests of their own.
const EACH_GENERATION: &[&str] = &[
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

/// Cases of these that run on the first generation only, V3: what differs between the generations
/// plays no part in them.
const ON_THE_FIRST: &[&str] = &[
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
    // Files, module references and locks belong to the VFIO layer, which knows no generations. Each
    // case repeats the same many times.
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

/// Returns the generations that migrate, but for the first, which names do not mention.
fn later() -> impl Iterator<Item = &'static Layout> {
    Generation::migrating().skip(1).map(Generation::layout)
}

/// Returns a case's name without the generation, and the generation if the name has a later one.
fn split_generation(name: &str) -> (&str, Option<&'static Layout>) {
    let suffix = |layout: &'static Layout| {
        let either = name.strip_suffix(layout.name)?.strip_suffix(':')?;
        Some((either, Some(layout)))
    };
    later().find_map(suffix).unwrap_or((name, None))
}

/// Returns whether a case runs on later generations, too.
fn on_later(name: &str) -> bool {
    let fits = |suites: &[&str]| suites.iter().any(|suite| name.starts_with(suite));
    fits(EACH_GENERATION) && !fits(ON_THE_FIRST)
}

/// The names of all cases; those that run with either driver have it behind a colon, and those of
/// a later generation that.
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
    let again = later().flat_map(|layout| {
        let names = either.iter().filter(|name| on_later(name));
        names.map(|name| format!("{name}:{}", layout.name))
    });
    let again: Vec<String> = again.collect();
    either
        .into_iter()
        .chain(again)
        .chain(upstream::programs::names())
        .chain(debug::provoke::names())
        .collect()
}

/// A case. Where it passes, it may have something to remark.
type Found = Box<dyn Fn() -> Result<String>>;

/// A case by its name.
pub fn find(name: &str) -> Option<Found> {
    let (either, Some(layout)) = split_generation(name) else {
        return find_either(name);
    };
    if !on_later(either) {
        return None;
    }
    let case = find_either(either)?;
    Some(Box::new(move || {
        ensure!(
            host::generation()?.layout().number == layout.number,
            "the accelerators of this guest are not {}",
            layout.name
        );
        case()
    }))
}

/// A case by its name without the generation.
fn find_either(name: &str) -> Option<Found> {
    if let Some((_, case)) = PLAIN.iter().find(|(n, _)| *n == name) {
        let case = *case;
        return Some(Box::new(move || case().map(|()| String::new())));
    }
    if let Some(case) = upstream::programs::find(name) {
        return Some(Box::new(case));
    }
    if let Some(case) = debug::provoke::find(name) {
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
