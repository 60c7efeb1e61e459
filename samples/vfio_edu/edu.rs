// SPDX-License-Identifier: GPL-2.0

//! The device: its registers, and what of them is state.
//!
//! QEMU describes it in `docs/specs/edu`. The state that userspace sees, and how it is restored:
//!
//! | register | state | restored |
//! |---|---|---|
//! | 0x04 liveness | reads as the inverse of what was written | written inverted |
//! | 0x08 factorial | n! modulo 2^32 once it is computed | n is found, and computed again |
//! | 0x20 status | bit 7: raise an interrupt when done | written after the computation |
//! | 0x24 pending interrupts | raised and not acknowledged | raised again when the device runs |

use kernel::{
    io::{
        poll::read_poll_timeout,
        register,
        Io, //
    },
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};
use vfio::{
    io::Bar,
    migration::{
        Check,
        Progress, //
    }, //
};

pub(crate) const VENDOR: u16 = 0x1234;
pub(crate) const DEVICE: u16 = 0x11e8;

/// The only BAR.
pub(crate) const BAR: u32 = 0;

/// Where its hidden part begins, the DMA engine.
pub(crate) const HIDDEN_FROM: u64 = 0x80;

/// How many bytes of it the driver uses.
const END: usize = 0xa0;

register! {
    /// The device and its version.
    IDENT(u32) @ 0x00 {
        31:0 value;
    }

    /// Inverts what is written.
    LIVENESS(u32) @ 0x04 {
        31:0 value;
    }

    /// Takes a number, becomes its factorial.
    FACTORIAL(u32) @ 0x08 {
        31:0 value;
    }

    /// Whether it computes, and whether it raises an interrupt at the end.
    STATUS(u32) @ 0x20 {
        7:7 irq_on_factorial => bool;
        0:0 computing => bool;
    }

    /// Interrupts raised and not acknowledged.
    IRQ_PENDING(u32) @ 0x24 {
        31:0 value;
    }

    /// Raises interrupts.
    IRQ_RAISE(u32) @ 0x60 {
        31:0 value;
    }

    /// Acknowledges them.
    IRQ_ACK(u32) @ 0x64 {
        31:0 value;
    }

    /// The DMA engine: hidden, but a previous userspace of plain vfio-pci may have left it running.
    DMA_COMMAND(u32) @ 0x98 {
        0:0 running => bool;
    }
}

/// The interrupt at the end of a factorial.
const IRQ_FACTORIAL: u32 = 1;

/// How often the device is polled, and how long. Factorials of large numbers take seconds: that is
/// more than a migration can wait for.
const POLL_PERIOD: Delta = Delta::from_millis(1);
const POLL_TIMEOUT: Delta = Delta::from_secs(1);

/// A value of the factorial register, with a number that it is the factorial of.
#[derive(Clone, Copy)]
pub(crate) struct Factorial {
    value: u32,
    of: u32,
}

impl Factorial {
    /// 34! has 32 factors of two, and with it each larger one.
    const ZERO: Self = Self { value: 0, of: 34 };
}

/// Finds the number. [`EINVAL`] for a value that is no factorial, which an edu cannot show.
impl TryFrom<u32> for Factorial {
    type Error = Error;

    fn try_from(value: u32) -> Result<Self> {
        let mut product = 1u32;
        for of in 1..=Self::ZERO.of {
            product = product.wrapping_mul(of);
            if product == value {
                return Ok(Self { value, of });
            }
        }
        Err(EINVAL)
    }
}

/// The state of a stopped edu.
pub(crate) struct State {
    liveness: u32,
    factorial: Factorial,
    irq_on_factorial: bool,
    pub(crate) pending: u32,
}

/// The beginning of each stream for a device: magic number, version, and the identity of the edu. A
/// migration file keeps one to compare with. The file cannot reach the device.
pub(crate) struct Header([u8; Self::SIZE]);

impl Header {
    const SIZE: usize = 12;
    const MAGIC: [u8; 4] = *b"edu\0";
    const VERSION: u32 = 1;

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Check for Header {
    /// Checks the bytes so far: the first byte may come alone. All streams have one length.
    fn check(&self, received: &[u8]) -> Result<Progress> {
        let equal = self.0.iter().zip(received).all(|(own, other)| own == other);
        match (equal, received.len()) {
            (false, _) => Err(EINVAL),
            (true, STREAM_SIZE) => Ok(Progress::Whole),
            (true, _) => Ok(Progress::Part),
        }
    }
}

/// The size of the words of the state, after the header.
const WORDS_SIZE: usize = 4 * 4;

/// The longest stream, and the shortest.
pub(crate) const STREAM_SIZE: usize = Header::SIZE + WORDS_SIZE;

/// Writes little-endian words one after the other.
fn put_words(to: &mut [u8], words: &[u32]) {
    for (to, word) in to.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
}

impl State {
    /// The state after power-on.
    pub(crate) const POWER_ON: Self = Self {
        liveness: 0,
        factorial: Factorial::ZERO,
        irq_on_factorial: false,
        pending: 0,
    };

    /// Returns what follows the header in a stream: four words.
    pub(crate) fn to_bytes(&self) -> [u8; WORDS_SIZE] {
        let status = STATUS::zeroed().with_irq_on_factorial(self.irq_on_factorial);
        let mut bytes = [0; WORDS_SIZE];
        put_words(
            &mut bytes,
            &[
                self.liveness,
                self.factorial.value,
                status.into_raw(),
                self.pending,
            ],
        );
        bytes
    }

    /// Parses a whole stream. [`EINVAL`] if it is not `header` followed by what [`State::to_bytes`]
    /// can return.
    pub(crate) fn parse(bytes: &[u8], header: &Header) -> Result<Self> {
        let bytes: &[u8; STREAM_SIZE] = bytes.try_into().map_err(|_| EINVAL)?;
        header.check(bytes)?;
        let (_, rest) = bytes.split_at(Header::SIZE);
        let mut words = [0; 4];
        for (word, from) in words.iter_mut().zip(rest.chunks_exact(4)) {
            *word = u32::from_le_bytes(from.try_into().map_err(|_| EINVAL)?);
        }
        let [liveness, factorial, status, pending] = words;
        let irq_on_factorial = STATUS::from_raw(status).irq_on_factorial();
        let known = STATUS::zeroed().with_irq_on_factorial(irq_on_factorial);
        if status != known.into_raw() {
            return Err(EINVAL);
        }
        Ok(Self {
            liveness,
            factorial: factorial.try_into()?,
            irq_on_factorial,
            pending,
        })
    }
}

/// The registers of an open device. Each method fails with [`EIO`] if userspace has switched the
/// memory of the device off, or put the device into D3.
pub(crate) struct Registers<'a>(Bar<'a, END>);

impl<'a> Registers<'a> {
    pub(crate) fn new(bar: Bar<'a, END>) -> Self {
        Self(bar)
    }

    /// Returns the beginning of streams from and for this device.
    pub(crate) fn header(&self) -> Result<Header> {
        let mut bytes = [0; Header::SIZE];
        let magic = u32::from_le_bytes(Header::MAGIC);
        let ident = self.0.live()?.read(IDENT).into_raw();
        put_words(&mut bytes, &[magic, Header::VERSION, ident]);
        Ok(Header(bytes))
    }

    /// Waits until the device is idle. [`ETIMEDOUT`] if that takes long.
    pub(crate) fn settle(&self) -> Result {
        // edu first reports that it has computed, and raises its interrupt some time later. This
        // waits for an interrupt that is still to come, or the target would never get it.
        let now = self.0.live()?.read(STATUS);
        let to_come = match now.computing() && now.irq_on_factorial() {
            true => IRQ_FACTORIAL,
            false => 0,
        };
        read_poll_timeout(
            || {
                let io = self.0.live()?;
                let pending = io.read(IRQ_PENDING).into_raw();
                Ok((io.read(STATUS), io.read(DMA_COMMAND), pending))
            },
            |(status, dma, pending)| {
                !status.computing() && !dma.running() && pending & to_come == to_come
            },
            POLL_PERIOD,
            POLL_TIMEOUT,
        )?;
        // If the device had just computed at the first read, its interrupt comes within this time.
        fsleep(POLL_PERIOD);
        Ok(())
    }

    /// Returns the state of a device that has settled. [`EIO`] if no other edu could take it over.
    pub(crate) fn state(&self) -> Result<State> {
        let io = self.0.live()?;
        let factorial = io.read(FACTORIAL).into_raw();
        Ok(State {
            liveness: io.read(LIVENESS).into_raw(),
            factorial: factorial.try_into().map_err(|_| EIO)?,
            irq_on_factorial: io.read(STATUS).irq_on_factorial(),
            pending: io.read(IRQ_PENDING).into_raw(),
        })
    }

    /// Puts a device that has settled into a state, except that no interrupts are pending
    /// afterwards.
    pub(crate) fn restore(&self, state: &State) -> Result {
        // No interrupt for a factorial that userspace has not asked for.
        {
            let io = self.0.live()?;
            io.write_reg(STATUS::zeroed());
            io.write_reg(FACTORIAL::from_raw(state.factorial.of));
        }
        self.settle()?;
        let io = self.0.live()?;
        io.write_reg(STATUS::zeroed().with_irq_on_factorial(state.irq_on_factorial));
        io.write_reg(LIVENESS::from_raw(!state.liveness));
        io.write_reg(IRQ_ACK::from_raw(u32::MAX));
        Ok(())
    }

    /// Raises interrupts, if there are any.
    pub(crate) fn raise(&self, interrupts: u32) -> Result {
        if interrupts != 0 {
            let io = self.0.live()?;
            io.write_reg(IRQ_RAISE::from_raw(interrupts));
        }
        Ok(())
    }
}
