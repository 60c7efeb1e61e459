// SPDX-License-Identifier: GPL-2.0

//! The order in which drivers access registers. Off unless a test asks for it.

use std::fmt::Write;

/// How many accesses are kept; later ones are counted only.
pub const LIMIT: usize = 1 << 16;

/// Returns what a function is called: `pf`, `vf1` ...
pub(crate) fn name(function: usize) -> String {
    match function {
        0 => "pf".to_owned(),
        n => format!("vf{n}"),
    }
}

/// An access as the driver made it, with the value that it read or wrote.
struct Access {
    function: usize,
    write: bool,
    bar: u8,
    offset: u64,
    width: u32,
    value: u64,
}

/// The accesses of all functions of a device, in order.
#[derive(Default)]
pub struct Log {
    on: bool,
    accesses: Vec<Access>,
    lost: u64,
}

impl Log {
    /// Starts an empty log, or ends and forgets it.
    pub fn switch(&mut self, on: bool) {
        *self = Self {
            on,
            ..Self::default()
        };
    }

    /// Keeps an access, where the log is on.
    pub fn access(
        &mut self,
        function: usize,
        write: bool,
        bar: u8,
        offset: u64,
        width: u32,
        value: u64,
    ) {
        if !self.on {
            return;
        }
        if self.accesses.len() >= LIMIT {
            self.lost += 1;
            return;
        }
        self.accesses.push(Access {
            function,
            write,
            bar,
            offset,
            width,
            value,
        });
    }

    /// Returns a line for each access: `FUNCTION read|write BAR OFFSET WIDTH VALUE`; at the end
    /// `lost N` if there were more than [`LIMIT`].
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for access in &self.accesses {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "{} {} {} {:#x} {} {:#x}",
                name(access.function),
                if access.write { "write" } else { "read" },
                access.bar,
                access.offset,
                access.width,
                access.value
            );
        }
        if self.lost != 0 {
            let _ = writeln!(text, "lost {}", self.lost);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_while_it_is_on() {
        let mut log = Log::default();
        log.access(0, false, 2, 0x10_0008, 4, 0);
        assert_eq!(log.to_text(), "");
        log.switch(true);
        log.access(1, true, 2, 0x300, 8, 0x200e);
        log.access(0, false, 2, 0x10_0008, 4, 0);
        let text = "vf1 write 2 0x300 8 0x200e\npf read 2 0x100008 4 0x0\n";
        assert_eq!(log.to_text(), text);
        log.switch(true);
        assert_eq!(log.to_text(), "");
        log.switch(false);
        log.access(0, false, 2, 0x10_0008, 4, 0);
        assert_eq!(log.to_text(), "");
    }

    #[test]
    fn is_bounded() {
        let mut log = Log::default();
        log.switch(true);
        for _ in 0..LIMIT + 3 {
            log.access(0, false, 2, 0, 4, 0);
        }
        let text = log.to_text();
        assert_eq!(text.lines().count(), LIMIT + 1);
        assert_eq!(text.lines().last(), Some("lost 3"));
    }
}
