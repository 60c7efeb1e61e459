// SPDX-License-Identifier: GPL-2.0

pub mod answer;
pub mod begins;
pub mod cost;
pub mod dies;
pub mod hostile;
pub mod items;
pub mod late;
pub mod life;
pub mod no_memory;
pub mod precise;
pub mod qemu;
pub mod room;
pub mod shown;
pub mod spaces;
pub mod uapi;
pub mod watched;
