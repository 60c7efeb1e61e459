// SPDX-License-Identifier: GPL-2.0

//! What the migration states mean for a VF of the accelerators.
//!
//! The sequences of register accesses and mailbox commands are those of
//! `hisi_acc_vf_stop_device()`, `vf_qm_state_save()`, `vf_qm_load_data()` and
//! `hisi_acc_vf_start_device()` of hisi_acc_vfio_pci.c, except for the differences in
//! `Documentation/driver-api/sequence.rst`.

use crate::{
    policy,
    qm::{
        wait_idle,
        Qm, //
    },
    state::{
        read_state,
        write_state,
        EventHeads, //
    },
    vf::{
        AccVf,
        Vf, //
    },
};
use hisi_acc_hw::{
    doorbell::{
        Doorbell,
        Kind, //
    },
    mailbox::{
        self,
        Command, //
    },
    regs,
    stream::{
        self,
        Match,
        Stream, //
    },
    Engine, //
};
use hisi_acc_link::PfQm;
use kernel::{
    prelude::*,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};
use vfio::{
    dev_info_ratelimited, dev_warn_ratelimited,
    migration::{
        self,
        Check,
        Flags,
        Lifeline,
        Operations,
        Progress, //
    },
};

/// The [`Operations`] of a VF.
pub(crate) struct Migration;

/// Compares incoming match data with those of the target.
struct MatchCheck(Match);

impl Check for MatchCheck {
    /// Says that a stream with a state is whole. A stream of match data alone is never known to be:
    /// a source that began it in PRE_COPY says `QM_READY`, whatever follows. There is nothing to
    /// load then, so `RESUMING -> STOP` cannot fail.
    fn check(&self, received: &[u8]) -> Result<Progress> {
        if received.len() < stream::MATCH_SIZE {
            return Ok(Progress::Part);
        }
        Match::parse(received)
            .and_then(|head| head.check(&self.0))
            .map_err(|_| EINVAL)?;
        Ok(match received.len() {
            stream::STREAM_SIZE => Progress::Whole,
            _ => Progress::Part,
        })
    }
}

/// Shows why a stream is refused, with the kernel's formatting.
struct Shown(stream::Error);

impl kernel::fmt::Display for Shown {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

/// Rings the doorbells of all SQs, which makes a stopped function continue (`vf_qm_fun_reset()`).
fn kick(qm: &Qm<'_>, queues: u32) -> Result {
    for queue in 0..queues {
        qm.ring(Doorbell {
            queue: u16::try_from(queue)?,
            kind: Kind::Sq,
            index: 0,
            priority: 1,
        })?;
    }
    Ok(())
}

/// Logs what is pending if `e` says that something is. Any other error: the register cannot be
/// read, since the PF is being unbound.
fn refuse(dev: &Vf<'_>, what: &str, e: Error) -> Error {
    if e == EBUSY {
        dev_warn_ratelimited!(dev, "cannot save: {} is pending\n", what);
    }
    e
}

/// Checks that the PF works: [`EBUSY`] if it is stopped, [`ENODEV`] if it is being unbound.
fn available(dev: &Vf<'_>, pf: &PfQm, what: &str) -> Result {
    pf.available().inspect_err(|e| {
        if *e == EBUSY {
            dev_warn_ratelimited!(dev, "cannot {}: the PF is stopped, or being reset\n", what);
        }
    })
}

/// Checks that no error of the QM is pending: [`EBUSY`] if one is.
fn check_qm_error(dev: &Vf<'_>) -> Result {
    let pf = &dev.data().get_ref().mig()?.pf;
    wait_idle(|| pf.read(regs::QM_ABNORMAL_INT_STATUS))
        .map_err(|e| refuse(dev, "an error of the QM", e))
}

/// Checks that no error of the engine is pending: [`EBUSY`] if one is.
fn check_engine_error(dev: &Vf<'_>) -> Result {
    let data = dev.data();
    let pf = &data.get_ref().mig()?.pf;
    let engine = Engine::of_device(data.device_id).ok_or(EINVAL)?;
    let core = engine.descriptor().errors.status;
    wait_idle(|| pf.read(core)).map_err(|e| refuse(dev, "an error of the engine", e))
}

/// Checks that no error and no message is pending: [`EBUSY`] if one is. It would be lost, or stand
/// for a state that cannot be saved (`hisi_acc_check_int_state()`).
fn check_pending(dev: &Vf<'_>, qm: &Qm<'_>) -> Result {
    check_qm_error(dev)?;
    wait_idle(|| qm.read(regs::QM_IFC_INT_STATUS))
        .map_err(|e| refuse(dev, "a message of the PF", e))?;
    wait_idle(|| qm.read(regs::QM_IFC_INT_SET_V))
        .map_err(|e| refuse(dev, "a message to the PF", e))?;
    check_engine_error(dev)
}

/// How long a PAUSE that fails is given again, and how often: the C driver waits that long for one
/// command (`QM_MB_MAX_WAIT_TIMEOUT`).
const PAUSE_TIMEOUT: Delta = Delta::from_micros(mailbox::WAIT_TIMEOUT_US);
const PAUSE_PERIOD: Delta = Delta::from_millis(10);

/// Gives the command PAUSE until it succeeds. Userspace resets a VF that cannot be paused, under a
/// guest that goes on. If an error is pending, the command is not given again: [`EIO`] if no
/// register can be reached.
fn pause(dev: &Vf<'_>, qm: &Qm<'_>) -> Result {
    // Also if it fails: the QM may be paused nevertheless.
    dev.data().known.lock().paused = true;
    let begin = Instant::<Monotonic>::now();
    loop {
        let given = AccVf::use_mailbox(dev, |_, mailbox| mailbox.command(Command::PauseQm, 0));
        let Err(e) = given else {
            return Ok(());
        };
        if !qm.is_there()? {
            return Err(EIO);
        }
        let hopeless = check_qm_error(dev)
            .and_then(|()| check_engine_error(dev))
            .is_err();
        if hopeless || begin.elapsed() >= PAUSE_TIMEOUT {
            return Err(e);
        }
        fsleep(PAUSE_PERIOD);
    }
}

/// Checks that nothing is pending, and writes the caches of a paused VF back to memory. Returns
/// whether the guest driver has set the VF up.
fn settle(dev: &Vf<'_>) -> Result<bool> {
    let qm = AccVf::qm(dev)?;
    let paused = dev.data().known.lock().paused;
    // One that was paused and then reset is found when it is saved.
    let ready = paused || is_ready(dev, &qm)?;
    if ready && !paused {
        // The guest driver has set it up since it was quiesced.
        pause(dev, &qm)?;
    }
    check_pending(dev, &qm)?;
    qm.write_back().inspect_err(|_| {
        dev_warn_ratelimited!(dev, "cannot save: the caches are not written back\n");
    })?;
    Ok(ready)
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

/// Tries the mailbox of a running VF where the guest can be kept away from it. A VF whose mailbox
/// does not work cannot be paused, and userspace would reset it, under a guest that goes on.
fn try_mailbox(dev: &Vf<'_>) -> Result {
    if !policy::POSSIBLE {
        return Ok(());
    }
    let tried = AccVf::borrow_mailbox(dev, |_, mailbox| {
        if mailbox.settle()?.is_restorable() {
            // Dirty tracking knows the answer as one of the host's own.
            mailbox.query(Command::CqcBt)?;
        }
        Ok(())
    });
    tried.inspect_err(|e| {
        dev_warn_ratelimited!(dev, "cannot save: the mailbox does not work ({:?})\n", e);
    })
}

impl Operations<AccVf> for Migration {
    const STREAM_MAX: usize = stream::STREAM_SIZE;

    /// With P2P: a VF that migrates is alone in its IOMMU group, so only devices of the same guest
    /// reach it, and a paused VF does no DMA. See Documentation/driver-api/driver.rst.
    fn flags(data: Pin<&AccVf>) -> Option<Flags> {
        data.migrates().then_some(Flags::PRE_COPY.and(Flags::P2P))
    }

    /// PAUSE: the engine completes what it works on, and fetches nothing more.
    ///
    /// A VF that no guest driver has set up has no queues to pause. A PAUSE may outlast the set-up
    /// that comes later (G17 of `Documentation/selftests/twin-guesses.rst`), and the doorbells that
    /// end it are those of queues.
    fn quiesce(dev: &Vf<'_>) -> Result {
        let qm = AccVf::qm(dev)?;
        let ready = is_ready(dev, &qm)?;
        dev.data().known.lock().ready = ready;
        if !ready {
            return Ok(());
        }
        pause(dev, &qm).inspect_err(|e| {
            dev_warn_ratelimited!(dev, "cannot stop: the QM does not pause ({:?})\n", e);
            if Self::unquiesce(dev).is_err() {
                dev.lose();
            }
        })
    }

    /// Checks that nothing is pending, and writes the caches back to memory. A failure is one of
    /// [`Self::save`]: a paused VF is stopped, whatever else there is, and can be started again.
    fn stop(dev: &Vf<'_>) -> Result {
        let settled = settle(dev);
        let data = dev.data();
        let mut known = data.known.lock();
        match settled {
            Ok(ready) => {
                known.ready = ready;
                known.unsaved = None;
                known.is_idle = true;
            }
            // What was known of the guest driver when the VF was paused is still so.
            Err(e) => known.unsaved = Some(e),
        }
        Ok(())
    }

    /// Does nothing: a stopped function is a paused one that nothing accesses.
    fn start(_dev: &Vf<'_>) -> Result {
        Ok(())
    }

    fn unquiesce(dev: &Vf<'_>) -> Result {
        let data = dev.data();
        let (paused, unrung) = {
            let known = data.known.lock();
            (known.paused, known.unrung)
        };
        if !paused {
            return Ok(());
        }
        // Also if the PF is being unbound: a VF that cannot be started is reset by userspace, which
        // fails meanwhile, and QEMU ends the guest then.
        let queues = data.mig()?.queues()?;
        let qm = AccVf::qm(dev)?;
        // If no register can be reached, the VF would stay paused.
        reach(dev, &qm)?;
        // Not `open_messages()`, which `load` calls: the guest must get a message that came
        // meanwhile. The C driver does it here, too, and forgets the message.
        data.queues.lock().kicked();
        kick(&qm, queues)?;
        if let Some(heads) = unrung {
            // A loaded context may raise no interrupt until its doorbell is rung, and the guest
            // driver rings it only after an interrupt. Not when it is loaded: QEMU restores the
            // configuration of MSI after that, and an interrupt without it is lost.
            heads.ring(&qm)?;
        }
        let mut known = data.known.lock();
        known.paused = false;
        known.unrung = None;
        Ok(())
    }

    /// Asks for what would prevent a save: registers that cannot be reached, pending errors, a
    /// mailbox that does not work, a VFT that is not set. An error here harms nobody, later the
    /// guest may lose its VF.
    fn pre_copy(dev: &Vf<'_>, stream: &mut migration::Stream) -> Result {
        // That shows whether registers can be reached, too.
        let ready = is_ready(dev, &AccVf::qm(dev)?)?;
        check_qm_error(dev)?;
        check_engine_error(dev)?;
        if ready {
            // Only then, since any other VF needs no PAUSE.
            try_mailbox(dev)?;
        }
        stream.append(&dev.data().match_data()?.to_bytes())
    }

    fn save(dev: &Vf<'_>, stream: &mut migration::Stream) -> Result {
        let data = dev.data();
        let mig = data.mig()?;
        available(dev, &mig.pf, "save")?;
        let (ready, unsaved, idle) = {
            let known = data.known.lock();
            (known.ready, known.unsaved, known.is_idle)
        };
        if let Some(e) = unsaved {
            // `stop` has logged the reason.
            return Err(e);
        }
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
        let read = AccVf::use_mailbox(dev, |qm, mailbox| read_state(mig, qm, mailbox, idle));
        let state = read.inspect_err(|e| {
            dev_warn_ratelimited!(dev, "cannot save: the state cannot be read ({:?})\n", e);
        })?;
        if !state.has_queues() {
            // A target would take such a stream for that of a VF without a guest driver.
            dev_warn_ratelimited!(dev, "cannot save: the VF is set up, and has no queues\n");
            return Err(EIO);
        }
        if !is_ready(dev, &qm)? {
            dev_warn_ratelimited!(dev, "cannot save: the VF was reset meanwhile\n");
            return Err(EIO);
        }
        stream.append(&Stream::state_bytes(&state))?;
        EventHeads::of(&state).ring(&qm)
    }

    /// Tries what [`Self::load`] needs: registers, mailbox and PF. An error here ends a migration
    /// while the source runs.
    fn resume(dev: &Vf<'_>) -> Result<KBox<dyn Check>> {
        let qm = AccVf::qm(dev)?;
        let mut mailbox = qm.mailbox();
        let broken = |e: &Error| {
            dev_warn_ratelimited!(dev, "cannot resume: the mailbox does not work ({:?})\n", e);
        };
        // The first read shows whether registers can be reached.
        mailbox.wait().inspect_err(|e| match *e {
            EIO => warn_unreachable(dev),
            _ => broken(e),
        })?;
        mailbox.query(Command::SqcVftV2).inspect_err(broken)?;
        drop(mailbox);
        let own = dev.data().match_data()?;
        dev.data().known.lock().target = Some(own);
        let check: KBox<dyn Check> = KBox::new(MatchCheck(own), GFP_KERNEL_ACCOUNT)?;
        Ok(check)
    }

    fn load(dev: &Vf<'_>, bytes: &[u8]) -> Result {
        let data = dev.data();
        let nothing = || {
            dev_info_ratelimited!(dev, "nothing to load: no guest driver had set the VF up\n");
            data.known.lock().loaded(None);
            Ok(())
        };
        if bytes.len() == stream::MATCH_SIZE {
            // `MatchCheck` has taken them.
            return nothing();
        }
        let mig = data.mig()?;
        available(dev, &mig.pf, "load")?;
        let own = data.known.lock().target.ok_or(EINVAL)?;
        let stream = Stream::parse(bytes, &own).map_err(|why| {
            dev_warn_ratelimited!(dev, "stream refused: {}\n", Shown(why));
            EINVAL
        })?;
        let Some(state) = stream.state else {
            return nothing();
        };
        if state.page_size > stream::PAGE_SIZE_MAX {
            // Nobody knows what hardware shows whose QM_PAGE_SIZE no driver has written.
            dev_warn_ratelimited!(dev, "page size {:#x} is unknown\n", state.page_size);
        }
        let qm = AccVf::qm(dev)?;
        mig.check(&**dev)?;
        data.queues.lock().lose();
        let mut mailbox = qm.mailbox();
        mailbox.replace();
        mailbox.wait().inspect_err(|e| {
            if *e == EIO {
                warn_unreachable(dev);
            } else {
                dev_warn_ratelimited!(dev, "cannot load: the mailbox is busy\n");
            }
        })?;
        // A source may be paused by its stop; a target that nobody had set up is not.
        let paused = core::mem::replace(&mut data.known.lock().paused, true);
        if let Err(e) = write_state(mig, &qm, mailbox, &stream.head, &state, paused) {
            dev_warn_ratelimited!(dev, "the state cannot be loaded ({:?}): reset\n", e);
            // A state that is loaded in part cannot work: a reset is better than a mixture.
            // If the reset fails, the layer puts the VF into ERROR.
            let _ = dev.reset().inspect_err(|e| {
                dev_warn_ratelimited!(dev, "the reset fails ({:?})\n", e);
            });
            return Err(e);
        }
        // A reset of the PF that has begun meanwhile takes the state with it, and its message to
        // the guest waits at the source. The VF is not reset: that would wait for the PF.
        available(dev, &mig.pf, "load")?;
        // A report in between has seen neither state.
        data.queues.lock().lose();
        data.known.lock().loaded(Some(EventHeads::of(&state)));
        Ok(())
    }

    /// Ends with a reset of the PF, which takes the state of its VFs with it.
    fn lifeline(dev: &Vf<'_>) -> Result<Option<Arc<dyn Lifeline>>> {
        let data = dev.data();
        let mig = data.mig()?;
        let watched = PfQm::watch(&mig.pf).inspect_err(|e| {
            if *e == EBUSY {
                dev_warn_ratelimited!(dev, "no migration now: the PF is stopped, or being reset\n");
            }
        });
        let watch = match watched.and_then(|watch| mig.check(&**dev).map(|()| watch)) {
            // The PF is being unbound. The VF can be stopped and started; what needs the PF fails.
            Err(e) if e == ENODEV => return Ok(None),
            watch => watch?,
        };
        data.get_ref().lifeline.lifeline(watch).map(Some)
    }

    fn reset(data: Pin<&AccVf>) {
        data.known.lock().reset();
    }
}
