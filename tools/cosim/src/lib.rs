// SPDX-License-Identifier: GPL-2.0

//! Co-simulation of dirty tracking, on the host and in one process.
//!
//! The device model, the tracking logic of the driver (`drivers/track`), and the log
//! (`rust/dma_log`) work together as they do in a guest run. A guest submits requests, takes
//! completions, makes queues anew, resets the VF, uses the mailbox, rings odd doorbells; logging
//! begins and ends. After each report, each page that the model has written since the last one must
//! be in it.
//!
//! - [`step`]: scripts, a step a line;
//! - [`cosim`]: carries out a script, and judges each report;
//! - [`vf`]: the device, guest memory, and how the driver reaches them;
//! - [`place`], [`request`]: what is in guest memory;
//! - [`guest`]: the random guest;
//! - [`play`]: random runs, which shrink where one fails;
//! - [`defects`]: whether random runs find deliberate defects;
//! - [`costs`]: how long a report takes, beside a walk of its bitmap.

pub mod cosim;
pub mod costs;
pub mod defects;
pub mod guest;
pub mod place;
pub mod play;
pub mod request;
pub mod step;
pub mod vf;
