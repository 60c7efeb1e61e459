// SPDX-License-Identifier: GPL-2.0

//! What the host leaves in a VF's mailbox, to see whether the guest has given a command since.
//!
//! A guest reaches the page of the mailbox for other reasons, too: drivers before Linux 6.7 read
//! `QM_VF_EQ_INT_SOURCE` there at each interrupt.

use hisi_acc_hw::mailbox::{
    Command,
    Message, //
};

/// What stands in a VF's mailbox after a command of the host, where nothing but a success was owed
/// to the guest. While it stands there, the guest has given no command.
///
/// A guest that wants to hide its command can give that of the host after it. The PF counts the
/// commands, if the counter can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    message: Message,
    /// What the PF has counted.
    count: Option<u32>,
}

impl Left {
    /// Returns `message` as what is left, when the PF has counted `count` commands. `None` if a
    /// driver in the guest may leave the same: none reads the base of the CQCs or gives PAUSE.
    pub fn of(message: Message, count: Option<u32>) -> Option<Self> {
        let command = Command::from_raw(message.command_raw());
        let is_ours = matches!(
            (command, message.is_read()),
            (Some(Command::CqcBt), true) | (Some(Command::PauseQm), false)
        );
        let left = is_ours && !message.is_busy() && !message.has_failed();
        left.then_some(Self { message, count })
    }

    /// Returns what is left after `given` more commands of the host, the last of which left
    /// `message`.
    pub fn after(self, given: u32, message: Message) -> Option<Self> {
        Self::of(message, self.count.map(|count| count.wrapping_add(given)))
    }

    /// Returns whether it is what was found in the mailbox.
    pub fn stands(&self, found: Message) -> bool {
        self.message == found
    }

    /// Returns whether no command was counted since. `count` is `None` if the PF cannot be asked.
    pub fn is_counted(&self, count: impl FnOnce() -> Option<u32>) -> bool {
        self.count.is_none_or(|own| count() == Some(own))
    }
}

/// What is known of a VF's mailbox between two series of commands of the host.
#[derive(Clone, Copy, Default)]
pub struct Last {
    /// What the host left there, by which it tells whether the guest has given a command.
    pub left: Option<Left>,
    /// What stood there after the last series. It still does if the guest has not reached the
    /// mailbox since, unless the VF was reset.
    pub stood: Option<Message>,
    /// The guest waited for no more than a success then.
    pub success: bool,
}

impl Last {
    /// Returns whether the guest waits for no more than a success if `found` stands there: what the
    /// host left, whether or not all has come of it that was to come, and no driver in a guest
    /// leaves.
    pub fn owes_success(&self, found: Message) -> bool {
        self.success && self.stood == Some(found) && Left::of(found, None).is_some()
    }
}

/// Returns the count of a VF's commands after `given` ones of the host, if the counter has counted
/// them. It was read twice in a row `before` them, and twice `after` them: one that a read clears
/// is of no use, and may also serve the operator.
pub fn counted(before: [u32; 2], after: [u32; 2], given: u32) -> Option<u32> {
    let [first, second] = after;
    let own = second == before[1].wrapping_add(given);
    (given != 0 && first == second && own).then_some(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(command: Command, base: u64, read: bool) -> Message {
        Message::request(command, base, 0, read).done(false)
    }

    #[test]
    fn only_the_hosts_own_command_owes_a_success() {
        let own = done(Command::CqcBt, 0x1000, true);
        let guests = done(Command::SqcVftV2, 0x1000, true);
        let last = |stood, success| Last {
            left: None,
            stood: Some(stood),
            success,
        };
        assert!(last(own, true).owes_success(own));
        assert!(!last(own, false).owes_success(own));
        assert!(!last(own, true).owes_success(guests));
        // A guest may have given the same again.
        assert!(!last(guests, true).owes_success(guests));
        assert!(!Last::default().owes_success(own));
    }

    #[test]
    fn only_what_no_guest_driver_gives_is_left() {
        for command in Command::ALL {
            for read in [false, true] {
                let ours = matches!(
                    (command, read),
                    (Command::CqcBt, true) | (Command::PauseQm, false)
                );
                let left = Left::of(done(command, 0x1000, read), None);
                assert_eq!(left.is_some(), ours, "{command:?} {read}");
            }
        }
        let request = Message::request(Command::CqcBt, 0, 0, true);
        for message in [request, request.done(true)] {
            assert_eq!(Left::of(message, None), None);
        }
    }

    #[test]
    fn it_stands_until_another_command() {
        let own = done(Command::CqcBt, 0x1000, true);
        let left = Left::of(own, None).unwrap();
        assert!(left.stands(own));
        for other in [
            done(Command::CqcBt, 0x1000, false),
            done(Command::CqcBt, 0x2000, true),
            done(Command::Sqc, 0x1000, false),
            own.done(true),
            Message::request(Command::CqcBt, 0x1000, 0, true),
            Message::from_raw(0),
        ] {
            assert!(!left.stands(other), "{other:?}");
        }
    }

    #[test]
    fn the_pf_counts_what_is_hidden() {
        let own = done(Command::CqcBt, 0x1000, true);
        let left = Left::of(own, Some(7)).unwrap();
        assert!(left.is_counted(|| Some(7)));
        assert!(!left.is_counted(|| Some(9)));
        assert!(!left.is_counted(|| None));
        // Two more of the host.
        let left = left.after(2, own).unwrap();
        assert!(left.is_counted(|| Some(9)));
        // Without a counter, the mailbox is believed.
        let left = Left::of(own, None).and_then(|left| left.after(2, own));
        assert!(left.unwrap().is_counted(|| unreachable!()));
        let wraps = Left::of(own, Some(u32::MAX)).and_then(|left| left.after(1, own));
        assert!(wraps.unwrap().is_counted(|| Some(0)));
    }

    #[test]
    fn a_counter_is_trusted_that_counts_and_stays() {
        assert_eq!(counted([5, 5], [7, 7], 2), Some(7));
        assert_eq!(counted([u32::MAX, u32::MAX], [1, 1], 2), Some(1));
        // Cleared by a read, stuck, of another function, changed meanwhile, not tried.
        assert_eq!(counted([9, 0], [2, 0], 2), None);
        assert_eq!(counted([0, 0], [0, 0], 2), None);
        assert_eq!(counted([5, 5], [8, 8], 2), None);
        assert_eq!(counted([5, 5], [7, 8], 2), None);
        assert_eq!(counted([5, 5], [5, 5], 0), None);
    }
}
