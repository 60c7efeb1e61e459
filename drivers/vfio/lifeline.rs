// SPDX-License-Identifier: GPL-2.0

//! What ends the migration files of a VF from outside.

use core::mem::MaybeUninit;
use hisi_acc_link::{
    PfQm,
    Watch, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex,
        UniqueArc, //
    }, //
};
use vfio::migration::Lifeline;

/// Is cut when the PF is stopped. The PF stops for a reset, and also to restart its own queues, of
/// which the VF notices nothing.
pub(crate) struct PfLifeline(Watch);

impl Lifeline for PfLifeline {
    fn is_cut(&self) -> bool {
        self.0.was_stopped()
    }

    fn is_over(&self) -> bool {
        self.0.works_again()
    }
}

/// Memory for the next lifeline of a VF. If a VF cannot be stopped, userspace resets it under its
/// guest, so that must not fail for want of memory.
#[pin_data]
pub(crate) struct Reserve {
    #[pin]
    memory: Mutex<Option<UniqueArc<MaybeUninit<PfLifeline>>>>,
}

impl Reserve {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            memory <- new_mutex!(None, "hisi_acc_vfio::lifeline"),
        }? Error)
    }

    /// Gets all that the next lifeline needs. Userspace opens the VF: if there is no memory now,
    /// there may be some when it is needed.
    pub(crate) fn prepare(&self, pf: &Arc<PfQm>) {
        let _ = PfQm::prepare_watch(pf);
        let mut reserve = self.memory.lock();
        if reserve.is_none() {
            *reserve = UniqueArc::new_uninit(GFP_KERNEL_ACCOUNT).ok();
        }
    }

    /// Makes the lifeline that `watch` cuts, and fills the reserve for the next one.
    pub(crate) fn lifeline(&self, watch: Watch) -> Result<Arc<dyn Lifeline>> {
        let mut reserve = self.memory.lock();
        let memory = match reserve.take() {
            Some(memory) => memory,
            None => UniqueArc::new_uninit(GFP_KERNEL_ACCOUNT)?,
        };
        *reserve = UniqueArc::new_uninit(GFP_KERNEL_ACCOUNT).ok();
        let lifeline: Arc<PfLifeline> = memory.write(PfLifeline(watch)).into();
        Ok(lifeline)
    }
}
