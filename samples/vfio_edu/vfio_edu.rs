// SPDX-License-Identifier: GPL-2.0

//! A VFIO variant driver for QEMU's `edu` device, to learn from.
//!
//! # What a variant driver is
//!
//! `vfio-pci` gives any PCI device to userspace: its BARs, its interrupts, its DMA behind an IOMMU.
//! It does not know the device. So it cannot move the state of the device to another machine,
//! because it does not know what the state is. A *variant driver* is `vfio-pci` for one kind of
//! device, and adds what needs knowledge of the device. It leaves the rest to `vfio_pci_core`, as
//! `vfio-pci` itself does.
//!
//! The `vfio` crate contains what is the same in all variant drivers. The rest is this sample:
//! [`edu`] says what the device is and what its state is. This file says what VFIO's callbacks mean
//! for it.
//!
//! # What a driver implements
//!
//! [`vfio::pci::Driver`], on the type of the data that the driver keeps for each device:
//!
//! - `ID_TABLE`: `1234:11e8`. The driver binds only devices that the administrator gives to it
//!   (`driver_override`): it does not replace another driver of the device.
//! - `probe`: makes an [`Edu`], or refuses a device that is no edu. The device is closed, and its
//!   registers cannot be reached yet.
//! - `open`: userspace has opened the device. Before that, the PCI core resets a device if it can.
//!   On a root bus it cannot reset an edu, and no reset changes edu's registers. So `open` puts the
//!   device into the state that it has after power-on.
//! - `hidden_from`: called whenever userspace queries, reads, writes or maps a BAR. Returns where
//!   the hidden part begins: at 0x80 of BAR0.
//!
//! [`vfio::migration::Operations`], one method for each thing that a device must do to migrate.
//! `vfio::migration` runs the state machine and calls them:
//!
//! ```text
//!          quiesce()              stop()          save()
//!  RUNNING ----------> RUNNING_P2P -------> STOP --------> STOP_COPY   (userspace reads a stream)
//!          <----------             <------- |  ^ <--------
//!         unquiesce()              start()  |  |
//!                                  resume() |  | load()
//!                                           v  |
//!                                        RESUMING                     (userspace writes a stream)
//! ```
//!
//! The source of a migration goes from RUNNING to STOP_COPY. The target, which a second QEMU has
//! opened, goes from RUNNING to RESUMING and back. Userspace may ask for states that are further
//! apart: the VFIO core finds the way, and the driver sees single arcs only. If there is no way,
//! the driver is not called.
//!
//! Two states are optional. In RUNNING_P2P a device starts no DMA. So userspace can stop several
//! devices one after the other, and none does DMA to one that is stopped. An edu of this driver
//! does no DMA at all, see below, so the driver can offer the state ([`Flags::P2P`]): `quiesce` and
//! `unquiesce` only trace that they were called. In PRE_COPY a device saves a part of its state
//! while it works. That is not worthwhile for the small state of an edu.
//!
//! Module parameters change both, to show the arcs. With `p2p=0` there is no RUNNING_P2P: the layer
//! calls `quiesce` right before `stop`, and `unquiesce` right after `start`. With `precopy=1` there
//! is PRE_COPY: `pre_copy` puts the header into the stream, so that the target can check it while
//! the source still works, and `save` adds the rest.
//!
//! # The rules
//!
//! *An arc is done or it is not.* If a method fails, the device must be as it was before. `stop`
//! only waits, so after a failure the device still runs. `load` validates the whole stream before
//! it writes the first register.
//!
//! *A stopped device does nothing:* no DMA, no interrupt, no change by itself. So `load`, which
//! leaves the target stopped, cannot raise an interrupt that was pending on the source. The
//! interrupt is [`Edu::owed`] until `start`.
//!
//! *A stream is not trusted.* A process of this machine writes it, and may have received it from a
//! network or made it up. `resume` returns a check of incoming data, so that `write()` of a wrong
//! stream fails early. The check also says when the stream is whole. Then `write()` calls `load`,
//! which validates the whole. So a stream that cannot be loaded fails `write()`, while the source
//! can still go on. (RESUMING -> STOP calls `load` only if the check never says it.)
//!
//! *What cannot be migrated is not offered.* edu has a DMA engine with a buffer of 4 KiB at 0x40000
//! of BAR0. The CPU cannot read the buffer: only the engine can move data out of it, to memory that
//! belongs to userspace. If a driver offered the engine, it would lose the data without notice. So
//! everything from 0x80 on, the engine's registers and the buffer, is hidden, and userspace gets an
//! edu without DMA. All of that migrates.
//!
//! # Why there is no `unsafe` here
//!
//! - Registers are reached through [`OpenDevice`], which exists in callbacks only and cannot be
//!   kept. While it exists the device is open, and the VFIO core keeps its BARs mapped. Each access
//!   goes through a guard, `live()`, which fails if userspace has switched the device off.
//! - Their offsets are constants below the length that [`OpenDevice::bar_sized`] has asked for:
//!   checked once at run time, and for each access when this file is compiled.
//! - The methods of `Operations` run one at a time, under a lock of the layer. [`Edu`] is shared
//!   with `open` too, so it has a lock of its own.
//! - Migration files belong to the layer. They know the stream, but not the device: userspace may
//!   keep a file longer than the device exists.

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
    parameter,
    pci::{
        DeviceId,
        Driver,
        IdTable,
        OpenDevice, //
    },
    region, //
};

/// The commands that the tracepoint `vfio_rs_command` shows for [`Operations::quiesce`] and
/// [`Operations::unquiesce`]. If a device has such commands, its driver gives their numbers.
const TOLD_TO_QUIESCE: u32 = 1;
const TOLD_TO_GO_ON: u32 = 2;

/// The driver's data of one device. What the device itself remembers stays there.
#[pin_data]
struct Edu {
    /// Interrupts that were pending on the source, to be raised when the device runs.
    #[pin]
    owed: Mutex<u32>,
}

impl Edu {
    /// Returns the registers of an open device.
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

    // If there are several device IDs: what differs between them.
    type IdInfo = ();

    const ID_TABLE: IdTable<Self::IdInfo> = &PCI_TABLE;

    type Migration = Migration;

    // The device does no DMA: there is nothing to log.
    type Logging = NotLogging;

    fn probe<'a>(
        pdev: &'a pci::Device<Core<'_>>,
        info: Option<&'a Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'a {
        // `driver_override` binds any device that an administrator names. This driver writes to
        // registers when the device is opened, so it must refuse other devices.
        if info.is_none() {
            dev_err!(pdev, "refused: this is no edu device\n");
        }
        let known = info.ok_or(ENODEV);
        // A mutex must not move once it is initialized. So this returns an initializer, which makes
        // the `Edu` in its final place.
        try_pin_init!(Self {
            _: { known?; },
            owed <- new_mutex!(0, "vfio_edu::owed"),
        }? Error)
    }

    /// Resets the device to its state after power-on, so that userspace finds nothing of the
    /// previous one. Fails while a computation of the previous one is still running.
    fn open(dev: &OpenDevice<'_, Self>) -> Result {
        *dev.data().owed.lock() = 0;
        let registers = Self::registers(dev)?;
        registers.settle()?;
        registers.restore(&State::POWER_ON)
    }

    /// Hides the DMA engine, see the top of the file. The layer enforces it on all paths to a BAR.
    /// A page that is hidden in part cannot be mapped at all, so that QEMU traps each access.
    fn hidden_from(self: Pin<&Self>, index: region::Index, _len: u64) -> Option<u64> {
        (index.as_bar() == Some(edu::BAR)).then_some(edu::HIDDEN_FROM)
    }
}

/// What the migration states mean for an edu.
struct Migration;

impl Operations<Edu> for Migration {
    const STREAM_MAX: usize = edu::STREAM_SIZE;

    /// Each edu can migrate, also together with other devices. A driver returns `None` for a device
    /// that cannot. For such a device it is the same as `vfio-pci`.
    fn flags(_data: Pin<&Edu>) -> Option<Flags> {
        let offered = |parameter, flags| match parameter {
            0 => Flags::STOP_COPY,
            _ => flags,
        };
        let p2p = offered(parameter(&module_parameters::p2p), Flags::P2P);
        let precopy = offered(parameter(&module_parameters::precopy), Flags::PRE_COPY);
        Some(p2p.and(precopy))
    }

    /// Traces the call. An edu does no DMA, so there is nothing to do.
    fn quiesce(dev: &OpenDevice<'_, Edu>) -> Result {
        dev.trace_command(TOLD_TO_QUIESCE, 0, Ok(()));
        Ok(())
    }

    /// Traces the call, see [`Self::quiesce`].
    fn unquiesce(dev: &OpenDevice<'_, Edu>) -> Result {
        dev.trace_command(TOLD_TO_GO_ON, 0, Ok(()));
        Ok(())
    }

    /// Saves what does not change while the device works: the header.
    fn pre_copy(dev: &OpenDevice<'_, Edu>, stream: &mut Stream) -> Result {
        stream.append(Edu::registers(dev)?.header()?.as_bytes())
    }

    /// Waits until the device is idle. An edu has no command to stop, but it does only what it was
    /// asked for, and userspace asks for nothing more. If the wait takes too long, the device goes
    /// on to work and the migration fails.
    fn stop(dev: &OpenDevice<'_, Edu>) -> Result {
        Edu::registers(dev)?.settle().inspect_err(|_| {
            dev_warn_ratelimited!(dev, "cannot stop: a computation does not end\n");
        })
    }

    /// Raises what is owed. After a load that may be something, after a stop it is nothing.
    fn start(dev: &OpenDevice<'_, Edu>) -> Result {
        let data = dev.data();
        // Not under the lock, which `reset` takes: a reset waits for accesses.
        let owed = *data.owed.lock();
        Edu::registers(dev)?.raise(owed)?;
        *data.owed.lock() = 0;
        Ok(())
    }

    /// Saves the state. What is still owed was pending on a source before this one. After PRE_COPY
    /// the stream has the header already.
    fn save(dev: &OpenDevice<'_, Edu>, stream: &mut Stream) -> Result {
        let registers = Edu::registers(dev)?;
        let mut state = registers.state()?;
        state.pending |= *dev.data().owed.lock();
        if stream.is_empty() {
            stream.append(registers.header()?.as_bytes())?;
        }
        stream.append(&state.to_bytes())
    }

    fn resume(dev: &OpenDevice<'_, Edu>) -> Result<KBox<dyn Check>> {
        let header = Edu::registers(dev)?.header()?;
        Ok(KBox::new(header, GFP_KERNEL_ACCOUNT)?)
    }

    fn load(dev: &OpenDevice<'_, Edu>, stream: &[u8]) -> Result {
        let registers = Edu::registers(dev)?;
        // The device is not touched before this has succeeded ...
        let state = State::parse(stream, &registers.header()?).inspect_err(|_| {
            dev_warn_ratelimited!(dev, "stream refused: no edu can be in that state\n");
        })?;
        // ... and from here on the stream is known to be valid. (If a load fails half way, a driver
        // resets the device. An edu cannot be reset.)
        registers.restore(&state)?;
        *dev.data().owed.lock() = state.pending;
        Ok(())
    }

    /// Drops what is owed. The device is RUNNING now, without `start`. It may be closed, so only
    /// the driver's data can be changed.
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
