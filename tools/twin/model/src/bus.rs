// SPDX-License-Identifier: GPL-2.0

//! What the device sees of the machine.

use crate::guess::Guesses;

/// A DMA access was not carried out: the address is not mapped, or the function may not master the
/// bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault;

/// The machine. `function` is 0 for the PF, n for its n-th VF: each has a requester ID of its own.
pub trait Bus {
    /// What the device on the bus does instead of what is guessed.
    fn guesses(&self) -> Guesses {
        Guesses::default()
    }

    /// Reads memory at a DMA address.
    fn read(&mut self, function: usize, address: u64, to: &mut [u8]) -> Result<(), Fault>;

    /// Writes memory at a DMA address.
    fn write(&mut self, function: usize, address: u64, from: &[u8]) -> Result<(), Fault>;

    /// Raises an MSI vector of the function.
    fn msi(&mut self, function: usize, vector: u32);
}
