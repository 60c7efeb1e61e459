// SPDX-License-Identifier: GPL-2.0

//! The state of a VF, as the stream has it: read from its registers, and written to them.

use crate::{
    context::{
        Context,
        MigRegs, //
    },
    mailbox::Mailbox,
    qm::Qm,
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
        State, //
    },
};
use kernel::prelude::*;

/// Reads what can be read while the VF works: all but the bases of the context tables. If the VF
/// `is_idle`, no message to the PF is pending: that was read when the VF was stopped, and a stopped
/// VF sends none.
pub(crate) fn read_registers(mig: &MigRegs, qm: &Qm<'_>, is_idle: bool) -> Result<State> {
    let aeq_int_mask = qm.read(regs::QM_VF_AEQ_INT_MASK)?;
    let eq_int_mask = qm.read(regs::QM_VF_EQ_INT_MASK)?;
    let ifc_int_source = qm.read(regs::QM_IFC_INT_SOURCE_V)?;
    let ifc_int_mask = qm.read(regs::QM_IFC_INT_MASK)?;
    let ifc_int_set = match is_idle {
        true => 0,
        false => qm.read(regs::QM_IFC_INT_SET_V)?,
    };
    let page_size = qm.read(regs::QM_PAGE_SIZE)?;
    let eqc = mig.read(qm, Context::Eq)?;
    let aeqc = mig.read(qm, Context::Aeq)?;
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

/// Reads all of the state of a stopped VF.
pub(crate) fn read_state(
    mig: &MigRegs,
    qm: &Qm<'_>,
    mailbox: &mut Mailbox<'_>,
    is_idle: bool,
) -> Result<State> {
    let mut state = read_registers(mig, qm, is_idle)?;
    state.sqc_dma = mailbox.query(Command::SqcBt)?;
    state.cqc_dma = mailbox.query(Command::CqcBt)?;
    Ok(state)
}

/// Writes the state of a VF, which is `paused` or becomes so: it must raise no interrupt and fetch
/// nothing until it is started. On error, part of the state may be written.
///
/// `QM_IFC_INT_SOURCE_V` and `QM_IFC_INT_MASK` get what they have in the end, and not the values of
/// the stream before. `QM_IFC_INT_SET_V` is not written: a stream has 0 there, which sends no
/// message to the PF.
pub(crate) fn write_state(
    mig: &MigRegs,
    qm: &Qm<'_>,
    mut mailbox: Mailbox<'_>,
    head: &Match,
    state: &State,
    paused: bool,
) -> Result {
    qm.write(regs::QM_VF_STATE, head.vf_qm_state)?;
    if !paused {
        mailbox.command(Command::PauseQm, 0)?;
    }
    qm.write(regs::QM_VF_AEQ_INT_MASK, state.aeq_int_mask)?;
    qm.write(regs::QM_VF_EQ_INT_MASK, state.eq_int_mask)?;
    qm.write(regs::QM_QUE_ISO_CFG_V, head.que_iso_cfg)?;
    qm.write(regs::QM_PAGE_SIZE, state.page_size)?;
    mig.write(qm, Context::Eq, &state.eqc)?;
    mig.write(qm, Context::Aeq, &state.aeqc)?;
    mailbox.command(Command::SqcBt, state.sqc_dma)?;
    mailbox.command(Command::CqcBt, state.cqc_dma)?;
    qm.open_messages()
}

/// The heads of the event queues.
#[derive(Clone, Copy)]
pub(crate) struct EventHeads {
    eq: u16,
    aeq: u16,
}

impl EventHeads {
    /// Returns those of a state.
    pub(crate) fn of(state: &State) -> Self {
        let ([eq, ..], [aeq, ..]) = (state.eqc, state.aeqc);
        Self {
            // CAST: The low half of the first word is the head.
            eq: eq as u16,
            // CAST: As above.
            aeq: aeq as u16,
        }
    }

    /// Requests the interrupts of pending and of later events: a doorbell that leaves the head of
    /// an event queue where it is does so (`vf_qm_xeqc_save()`).
    pub(crate) fn ring(self, qm: &Qm<'_>) -> Result {
        for (kind, index) in [(Kind::Eq, self.eq), (Kind::Aeq, self.aeq)] {
            qm.ring(Doorbell {
                queue: 0,
                kind,
                index,
                priority: 0,
            })?;
        }
        Ok(())
    }
}
