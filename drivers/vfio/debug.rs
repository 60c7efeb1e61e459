// SPDX-License-Identifier: GPL-2.0

//! The files of a VF in debugfs. Those of hisi-acc-vfio-pci have the same names
//! (`Documentation/ABI/testing/debugfs-hisi-migration` of the kernel). `dirty_tracking` is this
//! driver's own.

use crate::{
    qm::Qm,
    state::{
        read_registers,
        read_state, //
    },
    vf::{
        AccVf,
        Vf, //
    },
};
use hisi_acc_hw::{
    dma::Why,
    regs,
    stream::Stream, //
};
use hisi_acc_track::Reason;
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print, //
};
use vfio::{
    debug::{
        hex_dump,
        Directory,
        File,
        View, //
    },
    migration::State, //
};

pub(crate) const DIRECTORY: Directory<AccVf> = Directory {
    name: c"hisi_acc",
    files: &[
        File {
            name: c"dev_data",
            show: dev_data,
        },
        File {
            name: c"migf_data",
            show: migf_data,
        },
        File {
            name: c"cmd_state",
            show: cmd_state,
        },
        File {
            name: c"dirty_tracking",
            show: dirty_tracking,
        },
    ],
};

/// Shows something of the registers of a VF: [`EINVAL`] if it is not open, or if the guest driver
/// has not set it up.
fn with_qm(view: &View<'_, AccVf>, show: impl FnOnce(&Vf<'_>, &Qm<'_>) -> Result) -> Result {
    // Registers can be reached only while userspace has the device open.
    let dev = view.open().ok_or(EINVAL)?;
    let qm = AccVf::qm(dev)?;
    // An error says that no register can be reached. Then nothing can be shown, either.
    if !qm.is_ready().unwrap_or(false) {
        return Err(EINVAL);
    }
    show(dev, &qm)
}

/// Shows the state that a migration would save now.
fn dev_data(view: &View<'_, AccVf>, seq: &SeqFile) -> Result {
    with_qm(view, |dev, qm| {
        let vf = dev.data();
        let head = vf.match_data()?;
        // Only the mailbox has the bases of the context tables, and it is the guest's while the VF
        // works. The C driver uses it nevertheless.
        let works = matches!(view.state(), State::Running | State::PreCopy);
        let mig = vf.mig()?;
        let state = if works {
            read_registers(mig, qm, false)?
        } else {
            AccVf::use_mailbox(dev, |qm, mailbox| read_state(mig, qm, mailbox, false))?
        };
        hex_dump(seq, c"Dev Data:", &head.to_bytes());
        hex_dump(seq, c"Dev Data:", &Stream::state_bytes(&state));
        // The C driver prints the constant QM_READY, 0, here.
        seq_print!(seq, "guest driver load: {}\n", regs::QM_READY);
        let size = hisi_acc_hw::stream::STREAM_SIZE;
        seq_print!(seq, "data size: {}\n", size);
        if works {
            seq_print!(seq, "the VF works: SQC and CQC bases are not asked for\n");
        }
        Ok(())
    })
}

/// Shows what the last migration moved: [`EAGAIN`] if there was none.
fn migf_data(view: &View<'_, AccVf>, seq: &SeqFile) -> Result {
    let stream = view.last_stream().ok_or(EAGAIN)?;
    hex_dump(seq, c"Mig Data:", stream);
    seq_print!(seq, "migrate data length: {}\n", stream.len());
    Ok(())
}

/// Shows whether the mailbox can be reached: [`EINVAL`] if not, since a device that was removed
/// reads all ones.
fn cmd_state(view: &View<'_, AccVf>, seq: &SeqFile) -> Result {
    with_qm(view, |_, qm| {
        if !qm.is_there()? {
            return Err(EINVAL);
        }
        seq_print!(seq, "mailbox cmd channel ready!\n");
        Ok(())
    })
}

/// Shows what DMA logging has done since the driver was bound: how much it reported, and for which
/// reasons all memory was dirty.
fn dirty_tracking(view: &View<'_, AccVf>, seq: &SeqFile) -> Result {
    let statistics = view.device().dirty_statistics();
    seq_print!(seq, "reports: {}\n", statistics.reports());
    seq_print!(seq, "pages: {}\n", statistics.pages());
    seq_print!(seq, "entries in flight: {}\n", statistics.entries());
    seq_print!(seq, "ranges in flight: {}\n", statistics.ranges());
    seq_print!(
        seq,
        "all memory, no room to note less: {}\n",
        statistics.full()
    );
    let understood = Why::ALL.iter().map(|why| Reason::Why(*why));
    for reason in Iterator::chain(understood, Reason::own().map(|(_, reason)| reason)) {
        let times = statistics.whole(reason.number());
        if times != 0 {
            seq_print!(seq, "all memory, {}: {}\n", reason, times);
        }
    }
    Ok(())
}
