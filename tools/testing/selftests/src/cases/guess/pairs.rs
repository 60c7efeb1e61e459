// SPDX-License-Identifier: GPL-2.0

//! `guess.*`: alternatives that meet.

use crate::support::guess::{basics, interrupts_late, pf_reset, Expected, WORKS};

under! {
    // Nothing but the doorbells of EQ and AEQ raises an interrupt on the target.
    silent_and_unarmed = "G8:silent-kick,G9:unarmed" => || basics(WORKS);
    silent_late = "G8:silent-kick,G9:unarmed" => interrupts_late;
    silent_both = "G8:silent-kick,G9:silent-load" => || basics(WORKS);
    // A queue whose context is in no cache is to be resumed.
    each_queue_fetched = "G8:each-queue,CACHE:few" => || basics(WORKS);
    // The request in the engine ends after the pause, while the caches are written back: before the
    // context is written, or after it. Then the target does it once more, to the same effect.
    early_and_late = "G6:late,G19:early", long: true => || basics(Expected {
        repeats: true,
        ..WORKS
    });
    // Requests go on while the command is in progress, and end behind it.
    drains_late = "G6:late,G19:drains", long: true => || basics(WORKS);
    messages = "G3:unmasked,G3:status-masked" => || basics(WORKS);
    ready_and_kept = "G4:ready,G4:kept" => || basics(Expected {
        without_driver: libc::EIO,
        ..WORKS
    });
    // A VF that passes for set up is paused, and setting it up does not end that.
    ready_and_paused = "G4:ready,G17:stays-paused" => || basics(Expected {
        without_driver: libc::EIO,
        ..WORKS
    });
    pf_keeps_all = "G12:vft-kept,G12:vfs-kept" => || basics(WORKS).and_then(|()| pf_reset(true));
    // A VF that the PF's reset leaves paused is set up again, and stays paused.
    kept_and_paused = "G12:vfs-kept,G17:stays-paused" => || pf_reset(true);
    replaced_messages = "G7:replaces,MSG:read-once" => || basics(WORKS);
    // What is in the cache differs from both tables.
    caches = "G16:cache-kept,CACHE:few" => || basics(WORKS);
}
