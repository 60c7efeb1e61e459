// SPDX-License-Identifier: GPL-2.0

//! What each function has of its own.

use crate::guess::{Alternative, Guesses};
use hisi_acc_hw::{context::Xqc, mailbox::Message, regs};
use std::collections::{BTreeMap, BTreeSet};

/// An event queue: EQ or AEQ.
pub struct EventQueue {
    /// Its context, as the migration registers show it
    pub context: Xqc,
    /// Whether the next entry raises the interrupt. A doorbell arms it.
    pub armed: bool,
    /// 1 masks the interrupt (`QM_VF_EQ_INT_MASK`)
    pub mask: u32,
    /// An interrupt has come since the last doorbell, or waits for the mask to go
    /// (`QM_VF_EQ_INT_SOURCE`)
    pub source: bool,
    /// The tail as it was loaded, where events before it raise no interrupt (`silent-load`). A
    /// doorbell ends that.
    pub old: Option<u16>,
}

impl EventQueue {
    fn new(guesses: Guesses) -> Self {
        Self {
            context: Xqc::zeroed(),
            armed: false,
            // Guess: masked until a driver unmasks it, which each does.
            mask: u32::from(!guesses.has(Alternative::EventsUnmasked)),
            source: false,
            old: None,
        }
    }
}

/// What the engine works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Job {
    /// The queue that the entry is in
    pub queue: u16,
    /// Its SQC, as it was when the engine took the entry
    pub sqc: Xqc,
    /// Whether the queue's SQC was loaded or forgotten since
    pub replaced: bool,
    /// When the engine took it
    pub since: u64,
    /// When it is done: `None` while an order holds it (`hold-jobs`)
    pub due: Option<u64>,
}

/// What a mailbox command waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// So many nanoseconds from now
    Delay(u64),
    /// That time
    Until(u64),
    /// The end of an order that holds the command (`mailbox-hold`)
    Order,
    /// The work of a queue (`STOP_QP`)
    Queue(u16),
    /// The work of all (`FLUSH_QM`)
    Queues,
    /// The job that the engine is at (`PAUSE_QM`)
    Job,
}

/// The state of a function's queue manager.
pub struct Function {
    /// Registers that do nothing but keep what is written.
    pub plain: BTreeMap<u32, u32>,
    /// What stands in the mailbox, and the low half of what is being written to it.
    pub mailbox: Message,
    pub mailbox_low: u64,
    /// A command that is not done yet
    pub pending: Option<(Message, Wait)>,
    /// Event queue and asynchronous event queue.
    pub eq: EventQueue,
    pub aeq: EventQueue,
    /// Bases of the tables of contexts (`QM_MB_CMD_SQC_BT`, `_CQC_BT`).
    pub sqc_bt: u64,
    pub cqc_bt: u64,
    /// Contexts in the caches, by queue. What is not here is in the tables.
    pub sqc: BTreeMap<u16, Xqc>,
    pub cqc: BTreeMap<u16, Xqc>,
    /// Queues with entries to fetch, as doorbells said.
    pub active: BTreeSet<u16>,
    /// Queues that cannot go on until they are set up anew.
    pub broken: BTreeSet<u16>,
    /// Stopped for migration.
    pub paused: bool,
    /// Queues that go on nevertheless ([`Alternative::EachQueue`]).
    pub resumed: BTreeSet<u16>,
    /// How many requests a pause still waits for ([`Alternative::PauseDrains`]).
    pub fetched: u32,
    /// Its state outlives the reset that follows ([`Alternative::VfsKept`]).
    pub kept: bool,
    /// The job that the engine works on.
    pub current: Option<Job>,
    /// PF<->VF messages: the message interrupt's status, mask and what was set towards the PF.
    pub message_status: u32,
    pub message_mask: u32,
    pub message_set: u32,
    /// What this function last sent: a VF to the PF; and what the PF last sent to this function.
    pub sent: u64,
    pub received: u64,
    /// `QM_CACHE_WB_DONE`
    pub written_back: u32,
    /// A write-back has begun ([`Alternative::WriteBackLate`]).
    pub writes_back: bool,
    /// How many more reads of the mailbox find it busy (`mailbox-polls`)
    pub mailbox_polls: u32,
}

impl Function {
    /// The SQC of a queue was loaded or forgotten, or those of all.
    pub(crate) fn replace(&mut self, queue: Option<u16>) {
        if let Some(job) = &mut self.current {
            job.replaced |= queue.is_none_or(|queue| queue == job.queue);
        }
    }

    /// A function after reset.
    pub fn new(guesses: Guesses) -> Self {
        let mut plain = BTreeMap::new();
        // Guess: the state after reset is "not ready", since that is how the C driver tells a VF
        // that no driver has set up (`qm_wait_dev_not_ready()`).
        let state = match guesses.has(Alternative::StateReady) {
            true => regs::QM_READY,
            false => regs::QM_NOT_READY,
        };
        plain.insert(regs::QM_VF_STATE.offset(), state);
        // QM_SUPPORT_DB_ISOLATION: bit 0 of 0x30. Doorbells of SQ and CQ are in BAR4.
        plain.insert(regs::QM_QUE_ISO_CFG_V.offset(), 1);
        Self {
            plain,
            mailbox: Message::from_raw(0),
            mailbox_low: 0,
            pending: None,
            eq: EventQueue::new(guesses),
            aeq: EventQueue::new(guesses),
            sqc_bt: 0,
            cqc_bt: 0,
            sqc: BTreeMap::new(),
            cqc: BTreeMap::new(),
            active: BTreeSet::new(),
            broken: BTreeSet::new(),
            paused: false,
            resumed: BTreeSet::new(),
            fetched: 0,
            kept: false,
            current: None,
            message_status: 0,
            message_mask: u32::from(!guesses.has(Alternative::MessagesUnmasked)),
            message_set: 0,
            sent: 0,
            received: 0,
            written_back: 0,
            writes_back: false,
            mailbox_polls: 0,
        }
    }

    /// Returns the function after a reset of what was `self`.
    pub fn after_reset(&self, guesses: Guesses) -> Self {
        let mut new = Self::new(guesses);
        if guesses.has(Alternative::StateKept) {
            let state = regs::QM_VF_STATE.offset();
            if let Some(value) = self.plain.get(&state) {
                new.plain.insert(state, *value);
            }
        }
        new
    }

    /// Returns whether a queue fetches nothing and tells nobody.
    pub fn is_paused(&self, queue: u16) -> bool {
        self.paused && !self.resumed.contains(&queue)
    }

    /// All queues go on.
    pub fn resume(&mut self) {
        self.paused = false;
        self.resumed.clear();
        self.fetched = 0;
    }
}
