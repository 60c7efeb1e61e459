// SPDX-License-Identifier: GPL-2.0

//! `dirty.*`: what the driver says that a VF has written is at least what the device model wrote.

pub mod answer;
mod begins;
mod cost;
mod dies;
mod hostile;
mod items;
mod late;
mod life;
mod no_memory;
mod precise;
mod room;
mod shown;
mod spaces;
mod uapi;
mod watched;

pub use begins::{busy_mailbox, error_event, odd_before, reset_and_doorbells};
pub use cost::off_is_free;
pub use dies::{serve as victim, user_dies};
pub use hostile::{changing, many_vfs, unmapped};
pub use items::{descriptors, doorbells, rings};
pub use late::{late_completions, not_understood};
pub use life::{again, before_start, mailbox, reset, stopped, target_is_source, untaken, ways_in};
pub use no_memory::no_memory;
pub use precise::{superset_hpre, superset_sec, superset_zip};
pub use room::{no_room, statistics};
pub use shown::{parameter, shown};
pub use spaces::address_spaces;
pub use uapi::{policy, uapi};
pub use watched::watched;
