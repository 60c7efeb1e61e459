// SPDX-License-Identifier: GPL-2.0

//! What the tests are, without running them: cases, what they need, which are meant, and how they are
//! cut into slices. A library, so that the tests of the cases can ask it.

pub mod case;
pub mod flavours;
pub mod select;
