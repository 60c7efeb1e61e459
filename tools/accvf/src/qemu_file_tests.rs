// SPDX-License-Identifier: GPL-2.0

//! Files as QEMU writes them, and others.

use super::*;
use proptest::prelude::*;

/// An item: its marker, and the data of [`DATA`].
fn item(marker: u16, data: &[u8]) -> Vec<u8> {
    let mut raw = MARKER.to_vec();
    raw.extend(marker.to_be_bytes());
    if marker == DATA {
        raw.extend((data.len() as u64).to_be_bytes());
        raw.extend(data);
    }
    raw
}

/// A section: the first one of a device if it has a name.
fn section_of(kind: u8, id: u32, name: &str, items: &[Vec<u8>]) -> Vec<u8> {
    let mut raw = vec![kind];
    raw.extend(id.to_be_bytes());
    if kind == SECTION_START {
        raw.push(name.len() as u8);
        raw.extend(name.as_bytes());
        raw.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    }
    raw.extend(items.concat());
    raw.extend(item(END, &[]));
    raw.push(FOOTER);
    raw.extend(id.to_be_bytes());
    raw
}

/// A migration of a guest with two VFs. RAM lies between the sections.
fn migration(ram: &[u8]) -> Vec<u8> {
    let begin = |id, name| section_of(SECTION_START, id, name, &[item(SETUP, &[])]);
    [
        b"QEVM\0\0\0\x03".to_vec(),
        begin(40, "0000:00:03.0/vfio"),
        begin(41, "0000:00:04.0/vfio"),
        ram.to_vec(),
        section_of(
            SECTION_PART,
            40,
            "",
            &[item(DATA, b"first "), item(INIT_DATA_SENT, &[])],
        ),
        ram.to_vec(),
        section_of(
            SECTION_END,
            40,
            "",
            &[item(DATA, b"and "), item(DATA, b"rest")],
        ),
        section_of(SECTION_END, 41, "", &[item(DATA, b"other")]),
        ram.to_vec(),
    ]
    .concat()
}

fn expected() -> Vec<Device> {
    let device = |name: &str, id, stream: &[u8]| Device {
        name: name.to_owned(),
        id,
        stream: stream.to_vec(),
    };
    vec![
        device("0000:00:03.0/vfio", 40, b"first and rest"),
        device("0000:00:04.0/vfio", 41, b"other"),
    ]
}

#[test]
fn finds_all_devices() {
    let mut last = 0;
    let file = migration(&[0; 4096]);
    assert_eq!(devices(&file, |at| last = at), expected());
    assert_eq!(last, file.len());
    assert_eq!(devices(b"", |_| {}), []);
}

/// A marker may lie where the search begins anew.
#[test]
fn finds_what_lies_across_steps() {
    let head = section_of(SECTION_START, 7, "vfio", &[item(SETUP, &[])]);
    for before in (STEP - 40)..(STEP + 4) {
        let mut file = vec![0; before];
        file.extend(&head);
        let found = devices(&file, |_| {});
        assert_eq!(found.len(), 1, "{before} bytes before it");
    }
}

/// RAM that has markers, halves of sections, and a whole section of the same number.
#[test]
fn ram_is_no_section() {
    let lone = item(DATA, b"lone");
    let without_footer = {
        let mut raw = section_of(SECTION_PART, 40, "", &[item(DATA, b"no footer")]);
        raw.truncate(raw.len() - 1);
        raw.push(0);
        raw
    };
    let again = section_of(
        SECTION_START,
        40,
        "x/vfio",
        &[item(SETUP, &[]), item(DATA, b"nested")],
    );
    let not_begun = section_of(SECTION_PART, 99, "", &[item(DATA, b"nobody's")]);
    let long = {
        let mut raw = vec![SECTION_PART, 0, 0, 0, 40];
        raw.extend(&item(DATA, b"")[..8]);
        raw.extend(u64::MAX.to_be_bytes());
        raw
    };
    let ram = [lone, without_footer, again, not_begun, long].concat();
    assert_eq!(devices(&migration(&ram), |_| {}), expected());
}

proptest! {
    /// No bytes make it panic, or find something that is not there.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert_eq!(devices(&bytes, |_| {}), vec![]);
    }

    /// A file that is cut off, or in which a byte is another one, has no more than was sent.
    #[test]
    fn damaged(cut in 0usize..400, at in 0usize..400, with in any::<u8>()) {
        let mut file = migration(b"RAM");
        let at = at % file.len();
        file[at] = with;
        file.truncate(cut.max(1));
        let found = devices(&file, |_| {});
        prop_assert!(found.len() <= 2);
        for device in found {
            prop_assert!(device.stream.len() <= 14);
        }
    }
}
