// SPDX-License-Identifier: GPL-2.0

//! Tests of the stream's format and of its validation.

use super::*;
use crate::Engine;
use proptest::prelude::*;

fn own() -> Match {
    Match::current(Engine::Zip.descriptor().vf, 64, 128, 1)
}

fn state() -> State {
    let mut state = State {
        aeq_int_mask: 0,
        eq_int_mask: 0,
        ifc_int_source: 0,
        ifc_int_mask: 0,
        ifc_int_set: 0,
        page_size: 0,
        eqc: [0x10_0010, 0, 0, 0, 0, 0, 0x107ff],
        aeqc: [0; QM_XQC_DWORDS],
        eqe_dma: 0x1_2345_6000,
        aeqe_dma: 0x2_0000_8000,
        sqc_dma: 0x3_0000_0020,
        cqc_dma: 0x4_0000_0040,
    };
    state.eqc[1] = state.eqe_dma as u32;
    state.eqc[2] = (state.eqe_dma >> 32) as u32;
    state.aeqc[1] = state.aeqe_dma as u32;
    state.aeqc[2] = (state.aeqe_dma >> 32) as u32;
    state
}

fn whole(head: &Match, state: &State) -> Vec<u8> {
    [&head.to_bytes()[..], &Stream::state_bytes(state)[..]].concat()
}

#[test]
fn layout_is_that_of_struct_acc_vf_data() {
    // Offsets by the rules of C for the structure in hisi_acc_vfio_pci.h.
    let bytes = whole(&own(), &state());
    assert_eq!(bytes.len(), 176);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(&bytes[..8], MAGIC_V2.to_le_bytes());
    assert_eq!(word(8), 64);
    assert_eq!(word(12), u32::from(Engine::Zip.descriptor().vf));
    assert_eq!(word(16), 1);
    assert_eq!(word(20), 128);
    assert_eq!(word(24), QM_READY);
    assert_eq!(word(28), 1);
    assert_eq!(word(64), 0x10_0010);
    assert_eq!(&bytes[144..152], 0x1_2345_6000u64.to_le_bytes());
    assert_eq!(&bytes[168..176], 0x4_0000_0040u64.to_le_bytes());
}

#[test]
fn round_trip() {
    let parsed = Stream::parse(&whole(&own(), &state()), &own()).unwrap();
    assert_eq!(parsed.head, own());
    assert_eq!(parsed.state, Some(state()));
}

#[test]
fn match_data_alone() {
    let parsed = Stream::parse(&own().to_bytes(), &own()).unwrap();
    assert_eq!(parsed.state, None);
}

#[test]
fn v1_takes_the_addresses_from_the_contexts() {
    let head = Match {
        magic: MAGIC_V1,
        major: 0,
        ..own()
    };
    let wrong = State {
        eqe_dma: 0xdead_0000,
        aeqe_dma: 0xbeef_0000,
        ..state()
    };
    let parsed = Stream::parse(&whole(&head, &wrong), &own()).unwrap();
    assert_eq!(parsed.state, Some(state()));
}

#[test]
fn versions() {
    let newer = Match {
        minor: MINOR + 1,
        ..own()
    };
    assert!(Stream::parse(&newer.to_bytes(), &own()).is_ok());
    let other = Match {
        major: MAJOR + 1,
        ..own()
    };
    assert_eq!(other.check(&own()), Err(Error::Version(MAJOR + 1, MINOR)));
}

#[test]
fn what_does_not_match() {
    let refused = |m: Match| m.check(&own()).unwrap_err();
    assert_eq!(refused(Match { magic: 1, ..own() }), Error::Magic(1));
    assert_eq!(
        refused(Match {
            dev_id: 0xa256,
            ..own()
        }),
        Error::Device(0xa256)
    );
    assert_eq!(
        refused(Match {
            qp_num: 65,
            ..own()
        }),
        Error::QueueNumber(65)
    );
    assert_eq!(
        refused(Match {
            que_iso_cfg: 0,
            ..own()
        }),
        Error::QueueIsolation(0)
    );
    assert_eq!(
        refused(Match {
            vf_qm_state: 2,
            ..own()
        }),
        Error::VfState(2)
    );
    // Where the queues lie on the source is its own affair.
    assert_eq!(
        Match {
            qp_base: 0,
            ..own()
        }
        .check(&own()),
        Ok(())
    );
}

#[test]
fn state_that_no_hardware_has() {
    let refused = |s: State| Stream::parse(&whole(&own(), &s), &own()).unwrap_err();
    // What the register reads that no driver has written, nobody knows.
    let odd = State {
        page_size: PAGE_SIZE_MAX + 1,
        ..state()
    };
    let loaded = Stream::parse(&whole(&own(), &odd), &own());
    assert_eq!(loaded.map(|stream| stream.state), Ok(Some(odd)));
    assert_eq!(
        refused(State {
            sqc_dma: 0x1001,
            ..state()
        }),
        Error::Address("SQC", 0x1001)
    );
    assert_eq!(
        refused(State {
            eqe_dma: 0x1000,
            ..state()
        }),
        Error::Contradiction("EQE")
    );
    assert_eq!(
        refused(State {
            ifc_int_set: 1,
            ..state()
        }),
        Error::Register("ifc_int_set", 1)
    );
}

#[test]
fn null_addresses_load_nothing() {
    let parsed = Stream::parse(
        &whole(
            &own(),
            &State {
                cqc_dma: 0,
                ..state()
            },
        ),
        &own(),
    );
    assert_eq!(parsed.unwrap().state, None);
}

#[test]
fn lengths() {
    let bytes = whole(&own(), &state());
    for n in (0..bytes.len()).filter(|n| *n != MATCH_SIZE) {
        assert_eq!(Stream::parse(&bytes[..n], &own()), Err(Error::Length(n)));
    }
}

proptest! {
    /// Whatever comes in: an error, or something that can be written back the same.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Stream::parse(&bytes, &own());
    }

    /// One byte changed in a good stream: refused, or what is loaded is what the bytes say.
    #[test]
    fn one_byte_changed(at in 0usize..176, value: u8) {
        let mut bytes = whole(&own(), &state());
        bytes[at] = value;
        if let Ok(Stream { head, state: Some(state) }) = Stream::parse(&bytes, &own()) {
            prop_assert!(head.check(&own()).is_ok());
            prop_assert!(state.check().is_ok());
            prop_assert_ne!(state.sqc_dma, 0);
        }
    }
}
