// SPDX-License-Identifier: GPL-2.0

//! A VFIO variant driver for QEMU's `edu` device, to learn from.
//!
//! # What a variant driver is
//!
//! `vfio-pci` hands any PCI device to user space: its BARs, its interrupts, its DMA behind an
//! IOMMU. It knows nothing of the device, so there are things that it cannot do. Above all it
//! cannot carry the device's state to another machine, for it does not know what that state is. A
//! *variant driver* is `vfio-pci` for one kind of device, with what only somebody who knows the
//! device can add. All else it leaves to `vfio_pci_core`, as `vfio-pci` itself does.
//!
//! The `vfio` crate is that part which is the same for each variant driver. What is left is this
//! sample: [`edu`] says what the device is and what of it is state, this file says what VFIO's
//! callbacks mean for it.
//!
//! # What a driver implements
//!
//! [`vfio::pci::Driver`], on the type of the data that it keeps for each device:
//!
//! - `ID_TABLE`: `1234:11e8`. It matches only where the administrator says so (`driver_override`):
//!   a driver that the kernel has for the device is not pushed aside.
//! - `probe`: makes an [`Edu`], or refuses a device that is none. The device was bound to us;
//!   nobody has it open, and its registers cannot be reached yet.
//! - `open`: a user has opened the device. The PCI core has reset it before if it knows how; on a
//!   root bus it does not know how to reset an edu, and no reset changes edu's registers. So `open`
//!   puts it into the state that it has after power-on.
//! - `hidden_from`: called whenever userspace queries, reads, writes or maps a BAR. Returns where
//!   the hidden part begins: at 0x80 of BAR0.
//!
//! [`vfio::migration::Operations`], one method for each thing that a device must do to migrate.
//! `vfio::migration` runs the state machine and calls them:
//!
//! ```text
//!          quiesce()              stop()          save()
//!  RUNNING ----------> RUNNING_P2P -------> STOP --------> STOP_COPY   (the user reads a stream)
//!          <----------             <------- |  ^ <--------
//!         unquiesce()              start()  |  |
//!                                  resume() |  | load()
//!                                           v  |
//!                                        RESUMING                     (the user writes a stream)
//! ```
//!
//! The source of a migration goes from RUNNING to STOP_COPY; the target, which a second QEMU has
//! opened, from RUNNING to RESUMING, and back. A user may ask for states that are further apart:
//! VFIO's core finds the way, and the driver sees single arcs only. What there is no way for it
//! never hears of.
//!
//! Two states are optional. In RUNNING_P2P a device starts no DMA, so that several devices can be
//! stopped one after the other, with none of them doing DMA to one that stands still. This one
//! never does any, see below, and so it can offer it for nothing ([`Flags::P2P`]): `quiesce` and
//! `unquiesce` have nothing to tell it, and say only in the trace that they were called. In
//! PRE_COPY a device says something of its state while it works; edu has so little of it that it
//! does not pay.
//!
//! Both can be had otherwise, to see what becomes of the arcs. With the parameter `p2p=0` there is
//! no RUNNING_P2P: the layer calls `quiesce` right before `stop`, and `unquiesce` right after
//! `start`. With `precopy=1` there is PRE_COPY: `pre_copy` puts the header into the stream, so that
//! the target can judge it while the source still works, and `save` adds the rest.
//!
//! # The rules
//!
//! *An arc is done or it is not.* Where a method fails, the device must be as it was before. `stop`
//! only waits, so a failure leaves a device that runs. `load` looks at all of the stream before it
//! writes the first register.
//!
//! *A stopped device does nothing:* no DMA, no interrupt, no change by itself. So an interrupt that
//! was pending on the source cannot be raised by `load`, after which the target is still in STOP.
//! It is [`Edu::owed`] to the user until `start`.
//!
//! *A stream comes from anybody.* It is written by a process of this machine, which may have got it
//! over a network, or made it up. `resume` returns what looks at it while it comes, so that the
//! writer of a wrong one is told at once; `load` judges the whole.
//!
//! *What cannot be migrated is not offered.* edu has a DMA engine with a buffer of 4 KiB, which
//! holds what the user put there, at 0x40000 of BAR0. The CPU cannot read it: only the engine can
//! move data out of it, to memory that is the user's and not ours to write to. A driver that let
//! users have it would lose their data and say nothing. So all from 0x80 on, the engine's registers
//! and the buffer, is hidden, and the device that users get is an edu without DMA. It migrates
//! whole.
//!
//! # Why there is no `unsafe` here
//!
//! - Registers are reached through [`OpenDevice`], which exists in callbacks only and cannot be
//!   kept. While there is one the device is open, and while it is open VFIO's core keeps its BARs
//!   mapped.
//! - Their offsets are constants below the length that [`OpenDevice::bar_sized`] has asked for:
//!   checked once when it is called, and for each access when this file is compiled.
//! - The methods of `Operations` run one at a time, under a lock of the layer; [`Edu`] is shared
//!   with `open` too, and so has a lock of its own.
//! - Migration files belong to the layer. They know the stream, but not the device: it does not
//!   matter to them that a user keeps one longer than the device.

mod edu;

use edu::{
    Registers,
    State, //
};
use kernel::{
    device::Core,
    new_mutex,
    pci,
    prelude::*,
    sync::Mutex, //
};
use vfio::{
    dev_warn_ratelimited,
    dirty::NotLogging,
    migration::{
        Check,
        Flags,
        Operations,
        Stream, //
    },
    pci::{
        DeviceId,
        Driver,
        IdTable,
        OpenDevice, //
    },
    region, //
};

/// What the tracepoint `vfio_rs_command` says for [`Operations::quiesce`] and
/// [`Operations::unquiesce`]. A driver whose device has such commands gives their numbers.
const TOLD_TO_QUIESCE: u32 = 1;
const TOLD_TO_GO_ON: u32 = 2;

/// What the driver knows of one device. All that the device itself remembers is better left there.
#[pin_data]
struct Edu {
    /// Interrupts that were pending on the source, to be raised when the device runs.
    #[pin]
    owed: Mutex<u32>,
}

impl Edu {
    /// The registers, while the device is open.
    fn registers<'a>(dev: &'a OpenDevice<'_, Self>) -> Result<Registers<'a>> {
        Ok(Registers::new(dev.bar_sized(edu::BAR)?))
    }
}

vfio::pci_device_table!(
    PCI_TABLE,
    MODULE_PCI_TABLE,
    <Edu as Driver>::IdInfo,
    [(DeviceId::from_raw_id(edu::VENDOR, edu::DEVICE), ())]
);

impl Driver for Edu {
    const NAME: &'static CStr = c"vfio-edu-rs";

    // With more than one device ID: what is different between them.
    type IdInfo = ();

    const ID_TABLE: IdTable<Self::IdInfo> = &PCI_TABLE;

    type Migration = Migration;

    // It never does DMA: there would be nothing to log.
    type Logging = NotLogging;

    fn probe<'a>(
        pdev: &'a pci::Device<Core<'_>>,
        info: Option<&'a Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'a {
        // `driver_override` binds whatever an administrator names. This driver writes to registers
        // when the device is opened, so it must not have one that is no edu.
        if info.is_none() {
            dev_err!(pdev, "refused: this is no edu device\n");
        }
        let known = info.ok_or(ENODEV);
        // A mutex must not be moved once it is there, so this does not return an `Edu` but what
        // makes one in the place where it will stay.
        try_pin_init!(Self {
            _: { known?; },
            owed <- new_mutex!(0, "vfio_edu::owed"),
        }? Error)
    }

    /// No user finds what the one before has left. What the last one was computing may still be
    /// on its way: then the device is not to be had yet.
    fn open(dev: &OpenDevice<'_, Self>) -> Result {
        *dev.data().owed.lock() = 0;
        let registers = Self::registers(dev)?;
        registers.settle()?;
        registers.restore(&State::POWER_ON)
    }

    /// No DMA engine, see the top of the file. The layer sees to it on all ways that there are to a
    /// BAR; a page that is hidden in part cannot be mapped at all, and QEMU traps each access then.
    fn hidden_from(self: Pin<&Self>, index: region::Index, _len: u64) -> Option<u64> {
        (index.as_bar() == Some(edu::BAR)).then_some(edu::HIDDEN_FROM)
    }
}

/// What the migration states mean for an edu.
struct Migration;

impl Operations<Edu> for Migration {
    const STREAM_MAX: usize = edu::STREAM_SIZE;

    /// Each edu can migrate, also one among several devices. A driver whose devices may or may not
    /// returns `None` for those that cannot; for them it is no more than `vfio-pci`.
    fn flags(_data: Pin<&Edu>) -> Option<Flags> {
        let offered = |parameter, flags| match parameter {
            0 => Flags::STOP_COPY,
            _ => flags,
        };
        let p2p = offered(*module_parameters::p2p.value(), Flags::P2P);
        Some(p2p.and(offered(
            *module_parameters::precopy.value(),
            Flags::PRE_COPY,
        )))
    }

    /// There is nothing to tell an edu, which does no DMA.
    fn quiesce(dev: &OpenDevice<'_, Edu>) -> Result {
        dev.trace_command(TOLD_TO_QUIESCE, 0, Ok(()));
        Ok(())
    }

    /// The same.
    fn unquiesce(dev: &OpenDevice<'_, Edu>) -> Result {
        dev.trace_command(TOLD_TO_GO_ON, 0, Ok(()));
        Ok(())
    }

    /// What does not change while the device works: which device it is.
    fn pre_copy(dev: &OpenDevice<'_, Edu>, stream: &mut Stream) -> Result {
        stream.append(Edu::registers(dev)?.header().as_bytes())
    }

    /// edu cannot be told to stop, but it does nothing that it was not told to do, and the user
    /// tells it nothing any more. So it has stopped when the last thing is done. If that takes too
    /// long the device goes on to run, and the migration is off.
    fn stop(dev: &OpenDevice<'_, Edu>) -> Result {
        Edu::registers(dev)?.settle().inspect_err(|_| {
            dev_warn_ratelimited!(dev, "cannot stop: a computation does not end\n");
        })
    }

    /// After a stop, or after a load: only then there is something owed.
    fn start(dev: &OpenDevice<'_, Edu>) -> Result {
        let registers = Edu::registers(dev)?;
        registers.raise(core::mem::take(&mut *dev.data().owed.lock()));
        Ok(())
    }

    /// What is still owed was pending on a source before this one. After PRE_COPY the header is
    /// there already.
    fn save(dev: &OpenDevice<'_, Edu>, stream: &mut Stream) -> Result {
        let registers = Edu::registers(dev)?;
        let mut state = registers.state()?;
        state.pending |= *dev.data().owed.lock();
        if stream.is_empty() {
            stream.append(registers.header().as_bytes())?;
        }
        stream.append(&state.to_bytes())
    }

    fn resume(dev: &OpenDevice<'_, Edu>) -> Result<KBox<dyn Check>> {
        let header = Edu::registers(dev)?.header();
        Ok(KBox::new(header, GFP_KERNEL_ACCOUNT)?)
    }

    fn load(dev: &OpenDevice<'_, Edu>, stream: &[u8]) -> Result {
        let registers = Edu::registers(dev)?;
        // The device is not touched before this has succeeded ...
        let state = State::parse(stream, &registers.header()).inspect_err(|_| {
            dev_warn_ratelimited!(dev, "stream refused: no edu can be in that state\n");
        })?;
        // ... and after it nothing can be wrong with the stream. (Of a device that could be reset
        // we would have to see to it here that a load which fails half way leaves it fit to be
        // used.)
        registers.restore(&state)?;
        *dev.data().owed.lock() = state.pending;
        Ok(())
    }

    /// The device is RUNNING now, and not by `start`. It may not even be open: only what the driver
    /// knows can be set right here.
    fn reset(data: Pin<&Edu>) {
        *data.owed.lock() = 0;
    }
}

vfio::module_vfio_pci_driver! {
    type: Edu,
    name: "vfio_edu_rs",
    authors: ["The hisi-acc-vfio-rs authors"],
    description: "Sample VFIO PCI variant driver with live migration, for QEMU's edu device",
    license: "GPL",
    params: {
        p2p: u8 {
            default: 1,
            description: "Offer the state RUNNING_P2P: 0 or 1 (default)",
        },
        precopy: u8 {
            default: 0,
            description: "Offer the state PRE_COPY: 0 (default) or 1",
        },
    },
}
