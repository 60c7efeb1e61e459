// SPDX-License-Identifier: GPL-2.0

//! What the migration states mean for a VF of the accelerators.
//!
//! The sequences of register accesses and mailbox commands are those of `hisi_acc_vf_stop_device()`,
//! `vf_qm_state_save()`, `vf_qm_load_data()` and `hisi_acc_vf_start_device()` of
//! hisi_acc_vfio_pci.c, but for the differences in `Documentation/driver-api/sequence.rst`.

use crate::{
    context::Context,
    device::AccVf,
    qm::{
        wait_idle,
        Qm, //
    },
};
use hisi_acc_hw::{
    doorbell::{
        Doorbell,
        Kind, //
    },
    mailbox::Command,
    regs,
    stream::{
        self,
        Match,
        State,
        Stream, //
    },
};
use hisi_acc_link::{
    PfQm,
    Watch, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use vfio::{
    dev_warn_ratelimited,
    migration::{
        self,
        Check,
        Flags,
        Lifeline,
        Operations, //
    },
    pci::OpenDevice, //
};

/// The [`Operations`] of a VF.
pub(crate) struct Migration;

type Vf<'a> = OpenDevice<'a, AccVf>;

/// Compares incoming match data with the target's own.
struct MatchCheck(Match);

impl Check for MatchCheck {
    fn check(&self, received: &[u8]) -> Result {
        if received.len() < stream::MATCH_SIZE {
            return Ok(());
        }
        Match::parse(received)
            .and_then(|head| head.check(&self.0))
            .map_err(|_| EINVAL)
    }
}

/// The PF, which was not reset since.
struct PfLifeline(Watch);

impl Lifeline for PfLifeline {
    fn is_cut(&self) -> bool {
        self.0.was_reset()
    }
}

/// The reason, for the kernel's own formatting.
struct Shown(stream::Error);

impl kernel::fmt::Display for Shown {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

/// Rings the doorbells of all submission queues, which makes a stopped function go on
/// (`vf_qm_fun_reset()`).
fn kick(qm: &Qm<'_>, queues: u32) -> Result {
    for queue in 0..queues {
        qm.ring(
            regs::QM_DOORBELL_SQ_CQ_BASE_V2,
            Doorbell {
                queue: u16::try_from(queue)?,
                kind: Kind::Sq,
                index: 0,
                priority: 1,
            },
        )?;
    }
    Ok(())
}

/// Whether errors or messages are pending, which would be lost or stand for a state that cannot be
/// saved (`hisi_acc_check_int_state()`).
fn check_pending(dev: &Vf<'_>, qm: &Qm<'_>) -> Result {
    let data = dev.data();
    let pf = data.pf_qm()?;
    let core = regs::core_int_status(data.device_id).ok_or(EINVAL)?;
    let refuse = |what| {
        move |e| {
            // Any other error: the register cannot be read, since the PF is being unbound.
            if e == EBUSY {
                dev_warn_ratelimited!(dev, "cannot stop: {} is pending\n", what);
            }
            e
        }
    };
    wait_idle(|| pf.read32(regs::QM_ABNORMAL_INT_STATUS)).map_err(refuse("an error of the QM"))?;
    wait_idle(|| qm.read(regs::QM_IFC_INT_STATUS)).map_err(refuse("a message of the PF"))?;
    wait_idle(|| qm.read(regs::QM_IFC_INT_SET_V)).map_err(refuse("a message to the PF"))?;
    wait_idle(|| pf.read32(core)).map_err(refuse("an error of the engine"))
}

/// Logs that no register can be reached.
fn warn_unreachable(dev: &Vf<'_>) {
    dev_warn_ratelimited!(dev, "asleep, or gone: no register can be reached\n");
}

/// Returns whether the VF's driver has set it up. Logs it if no register can be reached: [`EIO`].
fn is_ready(dev: &Vf<'_>, qm: &Qm<'_>) -> Result<bool> {
    qm.is_ready().inspect_err(|e| {
        if *e == EIO {
            warn_unreachable(dev);
        }
    })
}

/// Checks that registers can be reached: [`EIO`] if not, since what is written would be lost.
fn reach(dev: &Vf<'_>, qm: &Qm<'_>) -> Result {
    if qm.is_there()? {
        return Ok(());
    }
    warn_unreachable(dev);
    Err(EIO)
}

/// What can be read while the VF works: all but the bases of the context tables.
pub(crate) fn read_registers(vf: &AccVf, qm: &Qm<'_>) -> Result<State> {
    let aeq_int_mask = qm.read(regs::QM_VF_AEQ_INT_MASK)?;
    let eq_int_mask = qm.read(regs::QM_VF_EQ_INT_MASK)?;
    let ifc_int_source = qm.read(regs::QM_IFC_INT_SOURCE_V)?;
    let ifc_int_mask = qm.read(regs::QM_IFC_INT_MASK)?;
    let ifc_int_set = qm.read(regs::QM_IFC_INT_SET_V)?;
    let page_size = qm.read(regs::QM_PAGE_SIZE)?;
    let eqc = vf.read_context(qm, Context::Eq)?;
    let aeqc = vf.read_context(qm, Context::Aeq)?;
    Ok(State {
        aeq_int_mask,
        eq_int_mask,
        ifc_int_source,
        ifc_int_mask,
        ifc_int_set,
        page_size,
        eqc,
        aeqc,
        eqe_dma: stream::context_address(&eqc),
        aeqe_dma: stream::context_address(&aeqc),
        sqc_dma: 0,
        cqc_dma: 0,
    })
}

/// All of the state of a VF that does not work.
pub(crate) fn read_state(vf: &AccVf, qm: &Qm<'_>) -> Result<State> {
    let mut state = read_registers(vf, qm)?;
    let mut mailbox = qm.mailbox();
    state.sqc_dma = mailbox.query(Command::SqcBt)?;
    state.cqc_dma = mailbox.query(Command::CqcBt)?;
    Ok(state)
}

fn write_state(vf: &AccVf, qm: &Qm<'_>, head: &Match, state: &State) -> Result {
    qm.write(regs::QM_VF_STATE, head.vf_qm_state)?;
    let mut mailbox = qm.mailbox();
    mailbox.replace();
    mailbox.wait()?;
    qm.write(regs::QM_VF_AEQ_INT_MASK, state.aeq_int_mask)?;
    qm.write(regs::QM_VF_EQ_INT_MASK, state.eq_int_mask)?;
    qm.write(regs::QM_IFC_INT_SOURCE_V, state.ifc_int_source)?;
    qm.write(regs::QM_IFC_INT_MASK, state.ifc_int_mask)?;
    qm.write(regs::QM_IFC_INT_SET_V, state.ifc_int_set)?;
    qm.write(regs::QM_QUE_ISO_CFG_V, head.que_iso_cfg)?;
    qm.write(regs::QM_PAGE_SIZE, state.page_size)?;
    vf.write_context(qm, Context::Eq, &state.eqc)?;
    vf.write_context(qm, Context::Aeq, &state.aeqc)?;
    mailbox.command(Command::SqcBt, state.sqc_dma)?;
    mailbox.command(Command::CqcBt, state.cqc_dma)?;
    qm.open_messages()
}

/// An event that the guest was about to be told of must be told by the target: moving the heads to
/// where they are asks for the interrupt again (`vf_qm_xeqc_save()`).
fn ring_events(qm: &Qm<'_>, state: &State) -> Result {
    for (kind, context) in [(Kind::Eq, &state.eqc), (Kind::Aeq, &state.aeqc)] {
        let [head, ..] = context;
        qm.ring(
            regs::QM_DOORBELL_EQ_AEQ_BASE_V2,
            Doorbell {
                queue: 0,
                kind,
                // CAST: The low half of the word is the head.
                index: *head as u16,
                priority: 0,
            },
        )?;
    }
    Ok(())
}

impl Operations<AccVf> for Migration {
    const STREAM_MAX: usize = stream::STREAM_SIZE;

    /// With P2P: a VF that migrates is alone in its IOMMU group, so that only devices of the same guest
    /// reach it, and a paused one does no DMA. See Documentation/driver-api/driver.rst.
    fn flags(data: Pin<&AccVf>) -> Option<Flags> {
        data.pf.as_ref().map(|_| Flags::PRE_COPY.and(Flags::P2P))
    }

    /// PAUSE: what the engine works on is done, nothing more is fetched.
    fn quiesce(dev: &Vf<'_>) -> Result {
        let qm = AccVf::qm(dev)?;
        let ready = is_ready(dev, &qm)?;
        dev.data().known.lock().ready = ready;
        let paused = qm.mailbox().command(Command::PauseQm, 0);
        paused.or_else(|e| {
            dev_warn_ratelimited!(dev, "cannot stop: the QM does not pause ({:?})\n", e);
            // It may be paused all the same.
            Self::unquiesce(dev)?;
            Err(e)
        })
    }

    /// Nothing is pending, and nothing in the caches that memory does not have.
    fn stop(dev: &Vf<'_>) -> Result {
        let qm = AccVf::qm(dev)?;
        let ready = is_ready(dev, &qm)?;
        check_pending(dev, &qm)?;
        qm.write_back().inspect_err(|_| {
            dev_warn_ratelimited!(dev, "cannot stop: the caches are not written back\n");
        })?;
        // Not before: of a VF that cannot be reached nothing is known.
        dev.data().known.lock().ready = ready;
        Ok(())
    }

    /// A stopped function is a paused one that nobody touches.
    fn start(_dev: &Vf<'_>) -> Result {
        Ok(())
    }

    fn unquiesce(dev: &Vf<'_>) -> Result {
        let data = dev.data();
        if !data.known.lock().ready {
            return Ok(());
        }
        let queues = data.pf_qm()?.vft(data.function)?.num;
        let qm = AccVf::qm(dev)?;
        // The VF would stay paused.
        reach(dev, &qm)?;
        // Not `open_messages()`, which `load` does: a message that came meanwhile is the guest's to
        // take. (C does it here too, and forgets the message.)
        kick(&qm, queues)
    }

    fn pre_copy(dev: &Vf<'_>, stream: &mut migration::Stream) -> Result {
        stream.append(&dev.data().match_data()?.to_bytes())
    }

    fn save(dev: &Vf<'_>, stream: &mut migration::Stream) -> Result {
        let data = dev.data();
        let ready = data.known.lock().ready;
        if stream.is_empty() {
            let mut head = data.match_data()?;
            if !ready {
                head.vf_qm_state = regs::QM_NOT_READY;
            }
            stream.append(&head.to_bytes())?;
        }
        if !ready {
            return Ok(());
        }
        let qm = AccVf::qm(dev)?;
        reach(dev, &qm)?;
        let state = read_state(&data, &qm)?;
        if !state.has_queues() {
            // A target takes such a stream for that of a VF without a driver.
            dev_warn_ratelimited!(dev, "cannot save: the VF is set up, and has no queues\n");
            return Err(EIO);
        }
        if !is_ready(dev, &qm)? {
            dev_warn_ratelimited!(dev, "cannot save: the VF was reset meanwhile\n");
            return Err(EIO);
        }
        stream.append(&Stream::state_bytes(&state))?;
        ring_events(&qm, &state)
    }

    fn resume(dev: &Vf<'_>) -> Result<KBox<dyn Check>> {
        let own = dev.data().match_data()?;
        let check: KBox<dyn Check> = KBox::new(MatchCheck(own), GFP_KERNEL_ACCOUNT)?;
        Ok(check)
    }

    fn load(dev: &Vf<'_>, bytes: &[u8]) -> Result {
        let data = dev.data();
        let own = data.match_data()?;
        let stream = Stream::parse(bytes, &own).map_err(|why| {
            dev_warn_ratelimited!(dev, "stream refused: {}\n", Shown(why));
            EINVAL
        })?;
        let Some(state) = stream.state else {
            data.known.lock().ready = false;
            return Ok(());
        };
        let qm = AccVf::qm(dev)?;
        reach(dev, &qm)?;
        data.check_control(dev)?;
        data.queues.lock().lose();
        if let Err(e) = write_state(&data, &qm, &stream.head, &state) {
            dev_warn_ratelimited!(dev, "the state cannot be loaded ({:?}): reset\n", e);
            // What is half loaded cannot work: better nothing than a mixture.
            dev.reset().inspect_err(|e| {
                dev_warn_ratelimited!(dev, "the reset fails ({:?})\n", e);
            })?;
            return Err(e);
        }
        data.known.lock().ready = true;
        Ok(())
    }

    /// A reset of the PF takes the state of its VFs with it.
    fn lifeline(dev: &Vf<'_>) -> Result<Option<Arc<dyn Lifeline>>> {
        let data = dev.data();
        let pf = data.pf.as_ref().ok_or(ENOTTY)?;
        let watch = PfQm::watch(pf).inspect_err(|e| {
            if *e == EBUSY {
                dev_warn_ratelimited!(dev, "no migration now: the PF is stopped, or being reset\n");
            }
        })?;
        data.check_control(dev)?;
        let lifeline: Arc<dyn Lifeline> = Arc::new(PfLifeline(watch), GFP_KERNEL_ACCOUNT)?;
        Ok(Some(lifeline))
    }

    fn reset(data: Pin<&AccVf>) {
        data.known.lock().ready = false;
    }
}
