// SPDX-License-Identifier: GPL-2.0

//! What [`hisi_acc_hw::dma`] tells of requests covers what the engines write.

use crate::{
    testing::{
        fuzz_outputs,
        outputs::{through_a_queue, Compared},
        Noise,
    },
    Engine,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn zip_is_covered(data in prop::collection::vec(any::<u8>(), 0..600)) {
        fuzz_outputs(Engine::Zip, &data);
        through_a_queue(Engine::Zip, &data);
    }

    #[test]
    fn sec_is_covered(data in prop::collection::vec(any::<u8>(), 0..600)) {
        fuzz_outputs(Engine::Sec, &data);
        through_a_queue(Engine::Sec, &data);
    }

    #[test]
    fn hpre_is_covered(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_outputs(Engine::Hpre, &data);
        through_a_queue(Engine::Hpre, &data);
    }
}

/// The requests above are understood, and reported closely.
#[test]
fn most_is_understood() {
    let mut noise = Noise::new(3);
    for accelerator in Engine::ALL {
        let mut all = Compared::default();
        for _ in 0..60 {
            all.add(&through_a_queue(accelerator, &noise.bytes(1000)));
        }
        assert!(all.jobs > 1000, "{accelerator:?}: {all:?}");
        assert!(
            all.understood * 10 > all.jobs * 8,
            "{accelerator:?}: {all:?}"
        );
        assert!(
            all.succeeded * 3 > all.jobs && all.written > 50_000,
            "{accelerator:?}: {all:?}"
        );
        // A line of the stream that is not full; initial values that are likely only read, and a
        // MAC that may be shorter; nothing
        let (told, more) = match accelerator {
            Engine::Zip => (all.stream, 127),
            Engine::Sec => (all.told, 24 + 64 + 64 + 40),
            Engine::Hpre => (all.told, 0),
        };
        assert!(
            told <= all.written + more * all.succeeded,
            "{accelerator:?}: {all:?}"
        );
    }
}
