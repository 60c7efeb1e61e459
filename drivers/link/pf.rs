// SPDX-License-Identifier: GPL-2.0

//! The handle of a PF's queue manager.

use crate::{
    poll::{
        Look,
        Poll, //
    },
    raw::RawQm, //
};
use core::ptr::NonNull;
use hisi_acc_hw::{
    context::VftEntry,
    generation::{
        Generation,
        Window, //
    },
    reg::{
        MigrationWindow,
        Pf,
        Reg, //
    },
    regs::{
        self,
        MigRegionSel,
        VftReady, //
    },
};
use kernel::{
    bindings as kbindings,
    device,
    io::poll::read_poll_timeout,
    new_mutex,
    pci,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    time::Delta, //
};

/// The queues of a function: `num` of them, the PF's queue `base` being its queue 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vft {
    /// The first queue, counted over the whole device.
    pub base: u32,
    /// How many there are.
    pub num: u32,
}

/// What is there while the PF is bound.
struct Bound {
    qm: RawQm,
    /// Whether a reset of a VF holds the interlock.
    resetting: bool,
    /// Whether a reset of a VF has waited for the interlock in vain, and nobody has given it back
    /// since.
    stuck: bool,
    /// Whether the queue manager worked when it was last looked at.
    works: bool,
    /// How often it was seen not to work any more.
    stops: u32,
    /// Entries of the VFT, each read once.
    vfts: KVec<Known>,
    /// How many [`Watch`]es there are.
    watches: usize,
    /// Looks while there are some. It has a reference of the [`PfQm`]: [`PfQm::revoke`] ends that.
    poll: Option<Poll<PfQm>>,
}

/// An entry of the VFT, as it was read.
struct Known {
    function: u32,
    /// [`Bound::stops`] at that time: a reset of the PF may write another entry.
    stops: u32,
    vft: Vft,
}

impl Bound {
    /// Returns what looks at the queue manager of `owner`; makes it if there is none yet.
    fn poll(&mut self, owner: &Arc<PfQm>) -> Result<&Poll<PfQm>> {
        let poll = match self.poll.take() {
            Some(poll) => poll,
            None => Poll::new(owner.clone())?,
        };
        Ok(self.poll.insert(poll))
    }

    fn look(&mut self) {
        let works = self.qm.works();
        if self.works && !works {
            self.stops = self.stops.wrapping_add(1);
        }
        self.works = works;
        if self.stuck && !self.qm.is_resetting() {
            self.stuck = false;
        }
    }

    /// Returns the queue manager for accesses of registers: [`EIO`] if it does not work. While the
    /// PF is reset, its memory decoding may be off.
    fn working(&mut self) -> Result<&RawQm> {
        self.look();
        match self.works {
            true => Ok(&self.qm),
            false => Err(EIO),
        }
    }

    /// Checks that the PF works and that no reset of it has begun: [`EBUSY`] if not. The in-tree
    /// drivers take the interlock up to 20 s before they stop the queue manager
    /// (`qm_ping_all_vfs()`). A reset of a VF, which holds it too, does no harm.
    fn check_available(&mut self) -> Result {
        self.look();
        let reset_begun = !self.resetting && self.qm.is_resetting();
        if !self.works || reset_begun {
            return Err(EBUSY);
        }
        Ok(())
    }

    /// Returns what is known of the VFT's entry of a function.
    fn known_vft(&self, function: u32) -> Option<Vft> {
        let mut all = self.vfts.iter();
        let known = all.find(|known| known.function == function)?;
        (known.stops == self.stops).then_some(known.vft)
    }

    fn forget_vft(&mut self, function: u32) {
        self.vfts.retain(|known| known.function != function);
    }

    /// Returns the migration window of this generation, selected or not.
    fn window(&self) -> Option<&'static Window> {
        Generation::of_version(self.qm.version())?.layout().window()
    }

    /// Returns where the window has a register of a function: [`EINVAL`] if it does not have it.
    fn window_at(&self, function: u32, reg: Reg<MigrationWindow>) -> Result<Reg<Pf>> {
        let at = |window: &Window| window.at(function, reg);
        self.window().and_then(at).ok_or(EINVAL)
    }
}

/// A PF's queue manager, as far as a VF's driver may use it.
///
/// All calls may sleep, and return [`ENODEV`] once the PF's driver has begun to unbind. One call at
/// a time is made for each PF.
#[pin_data]
pub struct PfQm {
    /// Identifies the PF; never dereferenced. A stale value can match no bound VF: a PF keeps its
    /// `struct pci_dev` while it has VFs.
    pdev: usize,
    #[pin]
    bound: Mutex<Option<Bound>>,
}

/// How often a reset looks whether another one is over, and how long: `QM_RESET_WAIT_TIMEOUT` of
/// drivers/vfio/pci/hisilicon/hisi_acc_vfio_pci.h.
const RESET_PERIOD: Delta = Delta::from_millis(1);
const RESET_TIMEOUT: Delta = Delta::from_secs(60);

impl PfQm {
    pub(crate) fn new(pdev: NonNull<kbindings::pci_dev>, qm: RawQm) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                pdev: pdev.as_ptr() as usize,
                bound <- new_mutex!(
                    Some(Bound {
                        qm,
                        resetting: false,
                        stuck: false,
                        works: true,
                        stops: 0,
                        vfts: KVec::new(),
                        watches: 0,
                        poll: None,
                    }),
                    "hisi_acc_link::PfQm"
                ),
            }),
            GFP_KERNEL,
        )
    }

    /// Whether this is the queue manager of `pf`.
    pub fn is_of<Ctx: device::DeviceContext>(&self, pf: &pci::Device<Ctx>) -> bool {
        core::ptr::from_ref(pf) as usize == self.pdev
    }

    pub(crate) fn is_of_raw(&self, pdev: *mut kbindings::pci_dev) -> bool {
        pdev as usize == self.pdev
    }

    /// No call gets through any more, and none is on its way, when this returns.
    pub(crate) fn revoke(&self) {
        // Dropped without the lock: that waits for a look, which takes it.
        let bound = self.bound.lock().take();
        if let Some(bound) = bound {
            if bound.resetting {
                // Its holder cannot give it back any more.
                bound.qm.reset_unlock();
            }
        }
    }

    /// Checks that the PF works and is not being reset: [`EBUSY`] if a reset has begun, or has
    /// failed and left the PF stopped.
    pub fn available(&self) -> Result {
        self.with(Bound::check_available)
    }

    /// Gets the memory that the first [`PfQm::watch`] needs.
    pub fn prepare_watch(this: &Arc<Self>) -> Result {
        this.with(|bound| bound.poll(this).map(|_| ()))
    }

    /// Begins to watch for resets of the PF: [`EBUSY`] as [`PfQm::available`].
    pub fn watch(this: &Arc<Self>) -> Result<Watch> {
        let since = this.with(|bound| {
            bound.check_available()?;
            bound.poll(this)?.start();
            bound.watches += 1;
            Ok(bound.stops)
        })?;
        Ok(Watch {
            pf: this.clone(),
            since,
        })
    }

    fn with<R>(&self, f: impl FnOnce(&mut Bound) -> Result<R>) -> Result<R> {
        let mut guard = self.bound.lock();
        f((*guard).as_mut().ok_or(ENODEV)?)
    }

    /// Returns the hardware version, as `enum qm_hw_ver` of <linux/hisi_acc_qm.h> has it: the PCI
    /// revision.
    pub fn version(&self) -> Result<u32> {
        self.with(|bound| Ok(bound.qm.version()))
    }

    /// Reads a register of the PF's BAR2: [`EINVAL`] if the BAR does not have it, [`EIO`] if the PF
    /// does not work.
    pub fn read(&self, reg: impl Into<Reg<Pf>>) -> Result<u32> {
        self.read_pf(reg.into())
    }

    // Not generic, so that no other module calls C.
    fn read_pf(&self, reg: Reg<Pf>) -> Result<u32> {
        self.with(|bound| bound.working()?.read(reg))
    }

    /// Returns whether the migration registers of VFs are in the PF's BAR2, see
    /// [`PfQm::window_read`]: [`EIO`] if a register says so, and the PF does not work.
    pub fn has_window(&self) -> Result<bool> {
        self.with(|bound| {
            // As `hisi_acc_vf_qm_init()` has it: on V3 the register is another one.
            let Some(window) = bound.window() else {
                return Ok(false);
            };
            let selected = MigRegionSel(bound.working()?.read(window.select)?);
            Ok(selected.is_window())
        })
    }

    /// Reads registers of function `function`, from `first` on, through the migration window in
    /// the PF's BAR2 (`HW_ACC_MIG_PF_CTRL` of hisi_acc_vfio_pci.h): [`EINVAL`] if the window does
    /// not have one of them, [`EIO`] if the PF does not work. No other call comes in between.
    pub fn window_read(
        &self,
        function: u32,
        first: Reg<MigrationWindow>,
        words: &mut [u32],
    ) -> Result {
        self.with(|bound| {
            for (n, word) in (0..).zip(words) {
                let at = bound.window_at(function, first.word(n))?;
                *word = bound.working()?.read(at)?;
            }
            Ok(())
        })
    }

    /// Writes such registers. On error, some of them may be written.
    pub fn window_write(
        &self,
        function: u32,
        first: Reg<MigrationWindow>,
        words: &[u32],
    ) -> Result {
        self.with(|bound| {
            for (n, word) in (0..).zip(words) {
                let at = bound.window_at(function, first.word(n))?;
                bound.working()?.write(at, *word)?;
            }
            Ok(())
        })
    }

    /// Returns how many mailbox commands of function `function` the QM has counted, read `N` times
    /// in a row: a counter that a read clears shows another value the second time. [`EIO`] if the
    /// PF does not work.
    ///
    /// The PF's driver selects the function for its debugfs, without a lock. So the selection is
    /// put back, and a count may be that of another function.
    pub fn count_commands<const N: usize>(&self, function: u32) -> Result<[u32; N]> {
        self.with(|bound| {
            let qm = bound.working()?;
            let selected = qm.read(regs::QM_DFX_MB_CNT_VF)?;
            qm.write(regs::QM_DFX_MB_CNT_VF, function)?;
            let mut counts = [0; N];
            for count in &mut counts {
                *count = qm.read(regs::QM_DFX_MB_CNT)?;
            }
            qm.write(regs::QM_DFX_MB_CNT_VF, selected)?;
            Ok(counts)
        })
    }

    /// Forgets what is known of the queues of a function: [`PfQm::vft`] asks anew.
    pub fn forget_vft(&self, function: u32) {
        // The error says that the PF is gone, and what was known with it.
        let _ = self.with(|bound| {
            bound.forget_vft(function);
            Ok(())
        });
    }

    /// Returns the queues of function `function`, 0 being the PF and 1 its first VF, from the
    /// virtual function table (VFT): [`ETIMEDOUT`] where the table does not answer, [`EIO`] where
    /// it has no queues for the function, or the PF does not work.
    ///
    /// The sequence is that of `pf_qm_get_qp_num()` in hisi_acc_vfio_pci.c. The PF's driver uses
    /// the same registers without a common lock, when SR-IOV is switched on or off, when the PF is
    /// reset, and for the QoS of each function. So the table is asked once, and again after
    /// [`PfQm::forget_vft`] or when the PF was stopped.
    pub fn vft(&self, function: u32) -> Result<Vft> {
        self.with(|bound| {
            bound.look();
            if let Some(vft) = bound.known_vft(function) {
                return Ok(vft);
            }
            let qm = bound.working()?;
            let ready = || {
                read_poll_timeout(
                    || qm.read(regs::QM_VFT_CFG_RDY).map(VftReady),
                    |ready| ready.is_done(),
                    Delta::from_micros(regs::POLL_PERIOD_US),
                    Delta::from_micros(regs::POLL_TIMEOUT_US),
                )
            };
            ready()?;
            qm.write(regs::QM_VFT_CFG_OP_WR, regs::QM_VFT_CFG_OP_READ)?;
            qm.write(regs::QM_VFT_CFG_TYPE, regs::QM_VFT_CFG_TYPE_SQC)?;
            qm.write(regs::QM_VFT_CFG, function)?;
            qm.write(regs::QM_VFT_CFG_RDY, 0)?;
            qm.write(regs::QM_VFT_CFG_OP_ENABLE, 1)?;
            ready()?;
            let low = qm.read(regs::QM_VFT_CFG_DATA_L)?;
            let high = qm.read(regs::QM_VFT_CFG_DATA_H)?;
            let raw = (u64::from(high) << 32) | u64::from(low);
            if !VftEntry::is_set(raw) {
                return Err(EIO);
            }
            let entry = VftEntry::from_sqc_vft(raw);
            let vft = Vft {
                base: entry.base,
                num: entry.num,
            };
            let stops = bound.stops;
            bound.forget_vft(function);
            let known = Known {
                function,
                stops,
                vft,
            };
            // Without memory, the table is asked again next time.
            let _ = bound.vfts.push(known, GFP_KERNEL);
            Ok(vft)
        })
    }

    /// Waits its turn to reset a function of this device, as the in-tree drivers do among
    /// themselves: [`ETIMEDOUT`] after a minute. To be ended by [`PfQm::reset_end`].
    ///
    /// A reset of the bridge above the functions prepares the PF, which takes the interlock until
    /// the reset is done, and then each VF, one after another. So if one VF has waited in vain, the
    /// others do not wait until the interlock was free again.
    pub fn reset_begin(&self) -> Result {
        let take = || {
            self.with(|bound| {
                bound.look();
                if bound.stuck {
                    return Err(ETIMEDOUT);
                }
                let begun = bound.qm.reset_trylock();
                bound.resetting |= begun;
                Ok(begun)
            })
        };
        let begun = read_poll_timeout(take, |begun| *begun, RESET_PERIOD, RESET_TIMEOUT);
        if begun.is_err_and(|e| e == ETIMEDOUT) {
            // The error says that the PF is gone.
            let _ = self.with(|bound| {
                bound.stuck = true;
                Ok(())
            });
        }
        begun.map(|_| ())
    }

    /// Ends what [`PfQm::reset_begin`] began; nothing where it has not, or the PF is gone.
    pub fn reset_end(&self) {
        // The error says that the PF is gone, and `revoke` has ended it then.
        let _ = self.with(|bound| {
            if core::mem::take(&mut bound.resetting) {
                bound.qm.reset_unlock();
            }
            Ok(())
        });
    }
}

impl Look for PfQm {
    /// Looks whether the PF is being reset, as long as there are watches.
    fn look(&self) -> bool {
        self.with(|bound| {
            bound.look();
            Ok(bound.watches != 0)
        })
        .unwrap_or(false)
    }
}

/// Tells whether the PF was stopped since it was made. hisi_qm stops a PF when it resets the PF,
/// which takes the state of its VFs with it; and when it restarts the PF's own queues only
/// (`qm_reset_function()`), which changes nothing of the VFs. It tells nobody of either, so that
/// the PF is looked at every 50 ms while there is one of these.
pub struct Watch {
    pf: Arc<PfQm>,
    since: u32,
}

/// How often and how long a PF is waited for that is stopped. It restarts its own queues in less
/// time.
const RESTART_PERIOD: Delta = Delta::from_millis(10);
const RESTART_TIMEOUT: Delta = Delta::from_secs(1);

impl Watch {
    /// Returns whether the PF was stopped, or is stopped. Not if the PF is being unbound.
    pub fn was_stopped(&self) -> bool {
        self.pf
            .with(|bound| {
                bound.look();
                Ok(bound.stops != self.since)
            })
            .unwrap_or(false)
    }

    /// Waits a moment for the PF to work again. Returns whether it does: if it was reset, the VFs
    /// were reset by now.
    pub fn works_again(&self) -> bool {
        let works = || {
            self.pf.with(|bound| {
                bound.look();
                Ok(bound.works)
            })
        };
        read_poll_timeout(works, |works| *works, RESTART_PERIOD, RESTART_TIMEOUT).is_ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The error says that the PF is gone, and its watches with it.
        let _ = self.pf.with(|bound| {
            bound.watches = bound.watches.saturating_sub(1);
            Ok(())
        });
    }
}
