// SPDX-License-Identifier: GPL-2.0

//! A user-space driver of a VF's queue manager: what a guest's driver does.
//!
//! Its state is in this process and in DMA memory, none of it in the VF. So after a migration it
//! goes on over the registers of another VF ([`Qm::move_to`]), as a guest does.

mod registers;

pub use self::registers::Mailbox;

use self::registers::Registers;
use crate::{cpus, memory::Memory, vfio::Device, work::desk::Engine, Result};
use hisi_acc_hw::{
    context::{EqcDw6, SqcDw3, Xqc, CQE_SIZE, EQE_SIZE, XQC_SIZE},
    doorbell::{Doorbell, Kind},
    mailbox::Command,
    reg::{Function, Reg},
    regs,
};

/// Depths, as the capability registers of V3 say (0x3104, 0x3108).
const EQ_DEPTH: u32 = 0x800;
const AEQ_DEPTH: u32 = 0x400;
pub const QUEUE_DEPTH: u16 = 0x400;

/// Where a CQE has the index of its request (`struct qm_cqe`).
const CQE_SQ_HEAD: u64 = 8;
/// Where it has its phase.
const CQE_W7: u64 = 14;

struct Queue {
    sq: u64,
    cq: u64,
    cq_depth: u16,
    alg_type: u8,
    tail: u16,
    head: u16,
    phase: bool,
}

impl Queue {
    /// Returns where a CQE is.
    fn cqe(&self, index: u16) -> u64 {
        self.cq + u64::from(index) * CQE_SIZE as u64
    }

    /// Returns the phase of a CQE (`QM_CQE_PHASE`).
    fn phase_at(&self, memory: &Memory, index: u16) -> bool {
        memory.load16(self.cqe(index) + CQE_W7) & 1 != 0
    }
}

/// The indices in the contexts of a queue. Drivers make queues with zeros.
#[derive(Clone, Copy, Default)]
pub struct Indices {
    pub sq_head: u16,
    pub sq_tail: u16,
    pub cq_tail: u16,
}

/// Has the hardware make a queue pair, as `qm_sq_ctx_cfg()` and `qm_cq_ctx_cfg()` do.
fn make(
    registers: &Registers,
    memory: &Memory,
    buffer: u64,
    entry_size: usize,
    number: u16,
    queue: &Queue,
    at: Indices,
) -> Result<()> {
    let mut context = Xqc::zeroed();
    context.set_head(at.sq_head);
    context.set_tail(at.sq_tail);
    context.set_base(queue.sq);
    context.set_dw3(
        SqcDw3 {
            depth: QUEUE_DEPTH,
            entry_shift: entry_size.ilog2() as u8,
        }
        .into_raw(),
    );
    context.set_w13((1 << 4) | (u16::from(queue.alg_type) << 8));
    context.set_cq_num(number);
    memory.write(buffer, &context.0);
    registers.mailbox(Command::Sqc, buffer, number, false)?;
    let mut context = Xqc::zeroed();
    context.set_base(queue.cq);
    context.set_dw3(
        SqcDw3 {
            depth: queue.cq_depth,
            entry_shift: 4,
        }
        .into_raw(),
    );
    context.set_head(at.cq_tail);
    context.set_tail(at.cq_tail);
    // phase, and an event is wanted
    context.set_cqc_dw6(0b11);
    memory.write(buffer, &context.0);
    registers.mailbox(Command::Cqc, buffer, number, false)?;
    Ok(())
}

/// The ring of the EQ or of the AEQ, and how far it has been read.
struct Events {
    base: u64,
    depth: u32,
    head: u16,
    phase: bool,
}

impl Events {
    fn new(memory: &mut Memory, depth: u32) -> Self {
        Self {
            base: memory.alloc(depth as usize * EQE_SIZE),
            depth,
            head: 0,
            phase: true,
        }
    }

    /// Returns where the next event is.
    fn next(&self) -> u64 {
        self.base + u64::from(self.head) * EQE_SIZE as u64
    }

    /// Takes the next event, if there is one.
    fn take(&mut self, memory: &Memory) -> Option<u32> {
        let entry = memory.load32(self.next());
        if (entry >> 16) & 1 != u32::from(self.phase) {
            return None;
        }
        self.head += 1;
        if u32::from(self.head) == self.depth {
            self.head = 0;
            self.phase = !self.phase;
        }
        Some(entry)
    }
}

/// The queue manager.
pub struct Qm {
    registers: Registers,
    /// Where contexts are put for the mailbox
    buffer: u64,
    eq: Events,
    aeq: Events,
    queues: Vec<Queue>,
    /// The size of a submission queue entry
    entry_size: usize,
    /// Interrupts that were seen, also over other registers, and not looked into yet. A virtual
    /// machine has them pending in its interrupt controller, which migrates with it.
    carried: u64,
    /// Interrupts of the EQ that came over these registers.
    pub interrupts: u64,
    /// How many queues the VF has.
    pub vf_queues: u32,
    /// Reads `QM_VF_EQ_INT_SOURCE` at each interrupt, as drivers before Linux 6.7 do.
    pub reads_interrupt_source: bool,
}

/// What came back: the queue, and the submission queue entry as the engine left it.
pub struct Completion {
    pub queue: u16,
    pub entry: Vec<u8>,
}

impl Qm {
    /// Sets a VF up with the queues that its engine wants, as `hisi_qm_start()` and
    /// `hisi_qm_start_qp()` do.
    pub fn new(device: &Device, memory: &mut Memory, engine: &dyn Engine) -> Result<Self> {
        Self::with_events(device, memory, engine, EQ_DEPTH, AEQ_DEPTH)
    }

    /// Sets a VF up with an EQ and an AEQ of other depths than a driver gives them.
    pub fn with_events(
        device: &Device,
        memory: &mut Memory,
        engine: &dyn Engine,
        eq_depth: u32,
        aeq_depth: u32,
    ) -> Result<Self> {
        let types = engine.queues();
        let entry_size = engine.entry_size();
        let registers = Registers::new(device, types.len())?;
        let vft = registers.mailbox(Command::SqcVftV2, 0, 0, true)?;
        let vf_queues = hisi_acc_hw::context::VftEntry::from_sqc_vft(vft).num;
        if vf_queues < types.len() as u32 {
            return Err(format!("the VF has {vf_queues} queues, {} wanted", types.len()).into());
        }
        let buffer = memory.alloc(XQC_SIZE);
        let eq = Events::new(memory, eq_depth);
        let aeq = Events::new(memory, aeq_depth);
        for (command, events) in [(Command::Eqc, &eq), (Command::Aeqc, &aeq)] {
            let (depth, phase) = (events.depth, events.phase);
            let mut context = Xqc::zeroed();
            context.set_base(events.base);
            context.set_eqc_dw6(EqcDw6 { depth, phase }.into_raw());
            memory.write(buffer, &context.0);
            registers.mailbox(command, buffer, 0, false)?;
        }
        let sqc = memory.alloc(vf_queues as usize * XQC_SIZE);
        let cqc = memory.alloc(vf_queues as usize * XQC_SIZE);
        registers.mailbox(Command::SqcBt, sqc, 0, false)?;
        registers.mailbox(Command::CqcBt, cqc, 0, false)?;
        for kind in [Kind::Aeq, Kind::Eq] {
            registers.ring(Doorbell {
                queue: 0,
                kind,
                index: 0,
                priority: 0,
            });
        }
        registers.write(regs::QM_VF_EQ_INT_MASK, 0);
        registers.write(regs::QM_VF_AEQ_INT_MASK, 0);
        registers.write(regs::QM_VF_STATE, regs::QM_READY);

        let mut queues = Vec::new();
        for (number, alg_type) in (0u16..).zip(types) {
            let sq = memory.alloc(usize::from(QUEUE_DEPTH) * entry_size);
            let cq = memory.alloc(usize::from(QUEUE_DEPTH) * CQE_SIZE);
            queues.push(Queue {
                sq,
                cq,
                cq_depth: QUEUE_DEPTH,
                alg_type: *alg_type,
                tail: 0,
                head: 0,
                phase: true,
            });
            make(
                &registers,
                memory,
                buffer,
                entry_size,
                number,
                &queues[usize::from(number)],
                Indices::default(),
            )?;
        }
        Ok(Self {
            registers,
            buffer,
            eq,
            aeq,
            queues,
            entry_size,
            carried: 0,
            interrupts: 0,
            vf_queues,
            reads_interrupt_source: false,
        })
    }

    /// Makes a queue anew, over `sq` if that is given; nothing must be in flight there.
    pub fn remake(&mut self, memory: &Memory, number: u16, sq: Option<u64>) -> Result<()> {
        self.remake_at(memory, number, sq, Indices::default())
    }

    /// The same, with other indices than drivers have in the contexts.
    pub fn remake_at(
        &mut self,
        memory: &Memory,
        number: u16,
        sq: Option<u64>,
        at: Indices,
    ) -> Result<()> {
        let queue = &mut self.queues[usize::from(number)];
        queue.sq = sq.unwrap_or(queue.sq);
        queue.tail = at.sq_tail;
        queue.head = at.cq_tail;
        queue.phase = true;
        // The phase of what was completed there before is that of what will be.
        memory.write(queue.cq, &vec![0; usize::from(QUEUE_DEPTH) * CQE_SIZE]);
        make(
            &self.registers,
            memory,
            self.buffer,
            self.entry_size,
            number,
            queue,
            at,
        )
    }

    /// Makes a queue anew with a CQ that is shorter than its SQ.
    pub fn remake_uneven(&mut self, memory: &Memory, number: u16) -> Result<()> {
        self.remake_short(memory, number, QUEUE_DEPTH / 2)
    }

    /// Makes a queue anew with a CQ of so many entries, at most as many as its SQ has.
    pub fn remake_short(&mut self, memory: &Memory, number: u16, cq_depth: u16) -> Result<()> {
        self.queues[usize::from(number)].cq_depth = cq_depth;
        self.remake(memory, number, None)
    }

    /// Has the hardware write the SQC of a queue somewhere.
    pub fn dump(&self, number: u16, to: u64) -> Result<()> {
        self.registers.mailbox(Command::Sqc, to, number, true)?;
        Ok(())
    }

    /// Rings any doorbell on the page of a queue.
    pub fn ring_raw(&self, page: u16, doorbell: Doorbell) {
        self.registers.ring_on(page, doorbell);
    }

    /// Goes on over the registers of another VF.
    pub fn move_to(&mut self, device: &Device) -> Result<()> {
        // An interrupt of the source may still be pending on a CPU.
        cpus::run_on_each()?;
        self.see_interrupts();
        self.interrupts = 0;
        self.registers = Registers::new(device, self.queues.len())?;
        Ok(())
    }

    /// Hands an entry to the hardware.
    pub fn submit(&mut self, memory: &Memory, queue: u16, entry: &[u8]) {
        self.place(memory, queue, entry);
        self.ring(queue, queue);
    }

    /// Puts an entry into a queue; the hardware does not know yet.
    pub fn place(&mut self, memory: &Memory, queue: u16, entry: &[u8]) {
        let q = &mut self.queues[usize::from(queue)];
        let at = q.sq + u64::from(q.tail) * self.entry_size as u64;
        memory.write(at, entry);
        q.tail = (q.tail + 1) % QUEUE_DEPTH;
    }

    /// Rings for what is in a queue, on the page of that queue or of another one.
    pub fn ring(&self, queue: u16, page: u16) {
        let doorbell = Doorbell {
            queue,
            kind: Kind::Sq,
            index: self.queues[usize::from(queue)].tail,
            priority: 0,
        };
        self.registers.ring_on(page, doorbell);
    }

    /// The index of the next entry of a queue.
    pub fn tail(&self, queue: u16) -> u16 {
        self.queues[usize::from(queue)].tail
    }

    /// Where the next entry of a queue, its CQE, and the next EQE are.
    pub fn next(&self, queue: u16) -> [(u64, usize); 3] {
        let q = &self.queues[usize::from(queue)];
        let at = |base: u64, index: u16, size: usize| (base + u64::from(index) * size as u64, size);
        [
            at(q.sq, q.tail, self.entry_size),
            at(q.cq, q.head, CQE_SIZE),
            (self.eq.next(), EQE_SIZE),
        ]
    }

    /// The phase of what is in a CQ at `index`.
    pub fn phase(&self, memory: &Memory, queue: u16, index: u16) -> bool {
        self.queues[usize::from(queue)].phase_at(memory, index)
    }

    /// A register, and writing one.
    pub fn read(&self, register: Reg<Function>) -> u32 {
        self.registers.read(register)
    }

    pub fn write(&self, register: Reg<Function>, value: u32) {
        self.registers.write(register, value);
    }

    /// A mailbox command that asks for something.
    pub fn query(&self, command: Command) -> Result<u64> {
        self.registers.mailbox(command, 0, 0, true)
    }

    /// How many doorbells were rung by `write()`.
    pub fn writes(&self) -> u64 {
        self.registers.bar2.writes.get() + self.registers.bar4.writes.get()
    }

    /// Sees interrupts that have come, without looking at what they are about yet.
    pub fn see_interrupts(&mut self) {
        let n = self.registers.interrupts[0].read().unwrap_or(0);
        self.interrupts += n;
        self.carried += n;
        if n != 0 && self.reads_interrupt_source {
            self.registers.read(regs::QM_VF_EQ_INT_SOURCE);
        }
    }

    /// Forgets interrupts that have come and were not looked into: nobody was told.
    pub fn throw_interrupts_away(&mut self) {
        self.take_interrupts();
    }

    /// How many interrupts of the AEQ came over these registers since this was last asked.
    pub fn see_error_interrupts(&mut self) -> u64 {
        self.registers.interrupts[1].read().unwrap_or(0)
    }

    /// Where the AEQ is.
    pub fn aeq(&self) -> u64 {
        self.aeq.base
    }

    /// How many entries there are in the AEQ, of which none is ever taken.
    pub fn errors(&self, memory: &Memory) -> usize {
        let raw = memory.read_vec(self.aeq.base, self.aeq.depth as usize * EQE_SIZE);
        raw.chunks_exact(EQE_SIZE)
            .take_while(|entry| entry[2] & 1 == 1)
            .count()
    }

    /// Takes what is in the AEQ, as `qm_aeq_thread()` does; returns how many entries that were.
    pub fn take_errors(&mut self, memory: &Memory) -> usize {
        let n = std::iter::from_fn(|| self.aeq.take(memory)).count();
        self.registers.ring(Doorbell {
            queue: 0,
            kind: Kind::Aeq,
            index: self.aeq.head,
            priority: 0,
        });
        n
    }

    /// Returns the phases that the next entries of EQ and AEQ will have: false after an odd number
    /// of rounds.
    pub fn phases(&self) -> [bool; 2] {
        [self.eq.phase, self.aeq.phase]
    }

    /// The order by which no entry of any submission queue can be fetched. It holds for completion
    /// queues too, which lie between.
    pub fn hole_of_submissions(&self) -> String {
        let (begin, _) = self.sq_ring(0);
        let (last, len) = self.sq_ring(self.queues.len() as u16 - 1);
        format!("dma-hole {begin:#x} {:#x}", last + len as u64 - begin)
    }

    /// Where a submission queue is, and how long.
    pub fn sq_ring(&self, queue: u16) -> (u64, usize) {
        let sq = self.queues[usize::from(queue)].sq;
        (sq, usize::from(QUEUE_DEPTH) * self.entry_size)
    }

    /// Has the next [`Qm::poll`] look whatever interrupts there were, as a driver's time-out does.
    pub fn look(&mut self) {
        self.carried += 1;
    }

    fn take_interrupts(&mut self) -> u64 {
        self.see_interrupts();
        std::mem::take(&mut self.carried)
    }

    /// Takes what has completed, if there was an interrupt.
    pub fn poll(&mut self, memory: &Memory) -> Vec<Completion> {
        if self.take_interrupts() == 0 {
            return Vec::new();
        }
        // qm_get_complete_eqe_num()
        let ready: Vec<u16> = std::iter::from_fn(|| self.eq.take(memory))
            .map(|entry| entry as u16)
            .collect();
        self.registers.ring(Doorbell {
            queue: 0,
            kind: Kind::Eq,
            index: self.eq.head,
            priority: 0,
        });
        ready
            .into_iter()
            .flat_map(|queue| self.poll_queue(memory, queue))
            .collect()
    }

    /// How many queues have a completion that no event has reported.
    pub fn untold(&self, memory: &Memory) -> usize {
        let has_one = |queue: &&Queue| queue.phase_at(memory, queue.head) == queue.phase;
        self.queues.iter().filter(has_one).count()
    }

    /// qm_poll_req_cb()
    fn poll_queue(&mut self, memory: &Memory, queue: u16) -> Vec<Completion> {
        let mut done = Vec::new();
        let Some(q) = self.queues.get_mut(usize::from(queue)) else {
            return done;
        };
        loop {
            // The rest of a CQE is there if its phase is (`qm_poll_req_cb()`).
            if q.phase_at(memory, q.head) != q.phase {
                break;
            }
            let sq_head = memory.load16(q.cqe(q.head) + CQE_SQ_HEAD);
            let at = q.sq + u64::from(sq_head) * self.entry_size as u64;
            let entry = memory.read_vec(at, self.entry_size);
            done.push(Completion { queue, entry });
            q.head += 1;
            if q.head == q.cq_depth {
                q.head = 0;
                q.phase = !q.phase;
            }
            self.registers.ring(Doorbell {
                queue,
                kind: Kind::Cq,
                index: q.head,
                priority: 0,
            });
        }
        self.registers.ring(Doorbell {
            queue,
            kind: Kind::Cq,
            index: q.head,
            priority: 1,
        });
        done
    }
}
