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
    ids,
    regs, //
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

/// What the auxiliary device carries for the driver that binds it.
pub struct Published(pub(crate) Arc<PfQm>);

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
    /// Whether the queue manager worked when it was last looked at.
    works: bool,
    /// How often it was seen not to work any more.
    resets: u32,
    /// How many [`Watch`]es there are.
    watches: usize,
    /// Looks while there are some. It has a reference of the [`PfQm`]: [`PfQm::revoke`] ends that.
    poll: Option<Poll<PfQm>>,
}

impl Bound {
    fn look(&mut self) {
        let works = self.qm.works();
        if self.works && !works {
            self.resets = self.resets.wrapping_add(1);
        }
        self.works = works;
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

/// How often and how long registers are polled: `MB_POLL_PERIOD_US`, `MB_POLL_TIMEOUT_US` of
/// drivers/vfio/pci/hisilicon/hisi_acc_vfio_pci.h.
const POLL_PERIOD: Delta = Delta::from_micros(10);
const POLL_TIMEOUT: Delta = Delta::from_micros(1000);

/// How often a reset looks whether another one is over, and how long: `QM_RESET_WAIT_TIMEOUT` of the
/// same header.
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
                        works: true,
                        resets: 0,
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

    /// Begins to watch for resets of the PF: [`EBUSY`] where it is being reset now, or a reset has
    /// failed and left it stopped.
    pub fn watch(this: &Arc<Self>) -> Result<Watch> {
        let since = this.with(|bound| {
            bound.look();
            if !bound.works {
                return Err(EBUSY);
            }
            let poll = match bound.poll.take() {
                Some(poll) => poll,
                None => Poll::new(this.clone())?,
            };
            poll.start();
            bound.poll = Some(poll);
            bound.watches += 1;
            Ok(bound.resets)
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

    /// The hardware version, as `enum qm_hw_ver` of <linux/hisi_acc_qm.h> has it: the PCI revision.
    pub fn version(&self) -> Result<u32> {
        self.with(|bound| Ok(bound.qm.version()))
    }

    /// Reads a register of the PF's BAR2: [`EINVAL`] for what is no aligned word in it.
    pub fn read32(&self, offset: u32) -> Result<u32> {
        self.with(|bound| bound.qm.read32(offset))
    }

    /// Whether the migration registers of VFs are in the PF's BAR2, see [`PfQm::window_read32`].
    pub fn has_window(&self) -> Result<bool> {
        self.with(|bound| {
            // As `hisi_acc_vf_qm_init()` has it: on V3 the register is another one.
            if bound.qm.version() <= ids::QM_HW_V3 {
                return Ok(false);
            }
            let selected = bound.qm.read32(regs::QM_MIG_REGION_SEL)?;
            Ok(selected & regs::QM_MIG_REGION_EN != 0)
        })
    }

    /// Reads a register of function `function` by the PF's migration region, which hardware after V3
    /// has (`HW_ACC_MIG_PF_CTRL` of hisi_acc_vfio_pci.h): [`EINVAL`] for what is not in it.
    pub fn window_read32(&self, function: u32, offset: u32) -> Result<u32> {
        let at = regs::window(function, offset).ok_or(EINVAL)?;
        self.with(|bound| bound.qm.read32(at))
    }

    /// Writes one.
    pub fn window_write32(&self, function: u32, value: u32, offset: u32) -> Result {
        let at = regs::window(function, offset).ok_or(EINVAL)?;
        self.with(|bound| bound.qm.write32(value, at))
    }

    /// Asks the virtual function table (VFT) for the queues of function `function`, 0 being the PF
    /// and 1 its first VF: [`ETIMEDOUT`] where the table does not answer.
    ///
    /// The sequence is that of `pf_qm_get_qp_num()` in hisi_acc_vfio_pci.c. The PF's driver uses
    /// the same registers when SR-IOV is switched on or off and when the PF is reset.
    pub fn vft(&self, function: u32) -> Result<Vft> {
        self.with(|bound| {
            let qm = &bound.qm;
            let ready = || {
                read_poll_timeout(
                    || qm.read32(regs::QM_VFT_CFG_RDY),
                    |ready| ready & 1 != 0,
                    POLL_PERIOD,
                    POLL_TIMEOUT,
                )
            };
            ready()?;
            qm.write32(regs::QM_VFT_CFG_OP_READ, regs::QM_VFT_CFG_OP_WR)?;
            qm.write32(regs::QM_VFT_CFG_TYPE_SQC, regs::QM_VFT_CFG_TYPE)?;
            qm.write32(function, regs::QM_VFT_CFG)?;
            qm.write32(0, regs::QM_VFT_CFG_RDY)?;
            qm.write32(1, regs::QM_VFT_CFG_OP_ENABLE)?;
            ready()?;
            let low = qm.read32(regs::QM_VFT_CFG_DATA_L)?;
            let high = qm.read32(regs::QM_VFT_CFG_DATA_H)?;
            let entry = VftEntry::from_sqc_vft((u64::from(high) << 32) | u64::from(low));
            Ok(Vft {
                base: entry.base,
                num: entry.num,
            })
        })
    }

    /// Waits its turn to reset a function of this device, as the in-tree drivers do among
    /// themselves: [`ETIMEDOUT`] after a minute. To be ended by [`PfQm::reset_end`].
    pub fn reset_begin(&self) -> Result {
        let take = || {
            self.with(|bound| {
                let begun = bound.qm.reset_trylock();
                bound.resetting |= begun;
                Ok(begun)
            })
        };
        read_poll_timeout(take, |begun| *begun, RESET_PERIOD, RESET_TIMEOUT).map(|_| ())
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

/// Tells whether the PF was reset since it was made. A reset of the PF takes the state of its VFs with
/// it; hisi_qm tells nobody, so that it is looked for every 10 ms while there is one of these.
pub struct Watch {
    pf: Arc<PfQm>,
    since: u32,
}

impl Watch {
    /// Whether the PF was reset, or is being reset. It is not where the PF is being unbound.
    pub fn was_reset(&self) -> bool {
        self.pf
            .with(|bound| {
                bound.look();
                Ok(bound.resets != self.since)
            })
            .unwrap_or(false)
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
