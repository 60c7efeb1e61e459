// SPDX-License-Identifier: GPL-2.0

//! `guess.*`: one alternative at a time, on V3.

use crate::{
    cases::dirty::old_guest::uncounted,
    support::{
        guess::{basics, pf_reset, Expected, WORKS},
        pair::Pair,
    },
};
use acc_vfio_user::{vfio::power::Sleep, Driver, Result};

/// A VF that nobody has set up passes for one that is set up, without queues.
const NO_DRIVER_REFUSED: Expected = Expected {
    without_driver: libc::EIO,
    ..WORKS
};

/// Pages that have nothing but garbage are not reported.
const GARBAGE: Expected = Expected {
    pages: false,
    ..WORKS
};

under! {
    events_unmasked = "G2:unmasked" => || basics(WORKS);
    messages_unmasked = "G3:unmasked" => || basics(WORKS);
    message_status = "G3:status-masked" => || basics(WORKS);
    state_ready = "G4:ready" => || basics(NO_DRIVER_REFUSED);
    state_kept = "G4:kept" => || basics(NO_DRIVER_REFUSED);
    counters_clear = "G5:clears" => || basics(WORKS).and_then(|()| uncounted());
    // The model ends a write-back when its host lets it. A loaded host may take longer than the
    // millisecond that both drivers wait.
    write_back_late = "G6:late", long: true => || basics(WORKS);
    write_back_stuck = "G6:stuck" => || basics(WORKS);
    command_replaces = "G7:replaces" => || basics(WORKS);
    command_fails = "G7:fails" => || basics(WORKS);
    plain_unpauses = "G8:plain-unpauses" => || basics(WORKS);
    each_queue = "G8:each-queue" => || basics(WORKS);
    silent_kick = "G8:silent-kick" => || basics(WORKS);
    silent_load = "G9:silent-load" => || basics(WORKS);
    unarmed = "G9:unarmed" => || basics(WORKS);
    masked_errors = "G11:masked-shown" => || basics(WORKS);
    vft_kept = "G12:vft-kept" => || basics(WORKS).and_then(|()| pf_reset(false));
    vfs_kept = "G12:vfs-kept" => || basics(WORKS).and_then(|()| pf_reset(true));
    old_number = "G13:old-number" => || basics(WORKS).and_then(|()| pf_reset(false));
    read_fetches = "G16:fetches" => || basics(WORKS);
    cache_kept = "G16:cache-kept" => || basics(WORKS);
    stays_paused = "G17:stays-paused" => || basics(WORKS);
    stop_drops = "G18:drops" => || basics(WORKS);
    pause_drains = "G19:drains" => || basics(WORKS);
    pause_early = "G19:early" => || basics(WORKS);
    error_stops_all = "G20:function" => || basics(WORKS);
    soft_reset = "G22:soft-reset" => || basics(WORKS).and_then(|()| sleeps());
    runtime_pm = "G22:runtime-pm" => || basics(WORKS);
    sgl_room = "SGL:room" => || basics(WORKS);
    sgl_chain = "SGL:chain" => || basics(WORKS);
    speculative = "F1:speculative" => || basics(GARBAGE);
    other_status = "MB:other-status" => || basics(WORKS);
    read_once = "MSG:read-once" => || basics(WORKS);
    small_cache = "CACHE:few" => || basics(WORKS);
}

/// A VF sleeps and wakes up: it has forgotten all, and can be set up and migrated again.
fn sleeps() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for how in [Sleep::Config, Sleep::LowPower] {
        pair.source.sleep(how, true)?;
        pair.source.sleep(how, false)?;
        pair.set_up()?;
        pair.round()?;
    }
    pair.migrate(true)?;
    pair.round()
}
