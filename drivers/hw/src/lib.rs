// SPDX-License-Identifier: GPL-2.0

//! Facts about the HiSilicon accelerators (ZIP, SEC2, HPRE) and their queue manager (QM).
//!
//! Register offsets, formats and their meaning, as the in-tree drivers of Linux show them; each
//! names its source. Plain data: no pointers, no calls of the kernel, no allocation, no panics. The
//! same source is compiled into the kernel module, tested on the host, and used by the device
//! model.
//!
//! Short names of sources:
//!
//! - `hisi_acc_qm.h`: `include/linux/hisi_acc_qm.h`
//! - `qm.c`, `qm_common.h`, `sgl.c`, `zip/`: below `drivers/crypto/hisilicon/`
//! - `hisi_acc_vfio_pci.[ch]`: in `drivers/vfio/pci/hisilicon/`

// No `#![no_std]`: the kernel's build gives it, and so proves that nothing more is needed.

pub mod context;
pub mod dma;
pub mod doorbell;
pub mod engine;
pub mod generation;
pub mod ids;
pub mod mailbox;
pub mod reg;
pub mod regs;
pub mod ring;
pub mod sgl;
pub mod stream;
mod words;

// The formats of the engines by their short names: `hisi_acc_hw::zip`.
pub use engine::*;
pub use generation::Generation;
