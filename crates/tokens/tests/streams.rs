//! Properties of shards, fragments, blocks and addresses, on small random corpora and shards.
#![allow(clippy::unwrap_used)]

use std::ops::Range;
use std::path::Path;

use proptest::prelude::*;
use regimen_base::Hint;
use regimen_tokens::{
    Address, Block, Encoded, Error, Packing, Schedule, Span, TokenSet, WithheldSet, windows, write_set,
};

const END: u32 = 0;
/// Token `t` stands for `t % 5 + 1` bytes, the end token for none.
fn lengths(vocab: usize) -> Vec<u32> {
    (0..vocab as u32).map(|t| if t == END { 0 } else { t % 5 + 1 }).collect()
}

fn write(dir: &Path, vocab: usize, shard: u64, documents: &[Encoded]) -> TokenSet {
    let train = documents.iter().cloned().map(Ok);
    write_set(dir, &lengths(vocab), END, shard, train, [Ok((1_000_000, vec![1, 2]))]).unwrap();
    TokenSet::open(dir).unwrap()
}

/// Documents with ascending ordinals; one may be longer than all others together.
fn documents(vocab: u32) -> impl Strategy<Value = Vec<Encoded>> {
    let short = prop::collection::vec(1..vocab, 0..12);
    let long = prop::collection::vec(1..vocab, 60..200);
    let all = prop::collection::vec((1u32..4, prop_oneof![6 => short, 1 => long]), 1..12);
    all.prop_map(|all| {
        let mut ordinal = 0;
        all.into_iter()
            .map(|(gap, tokens)| {
                ordinal += gap;
                (ordinal, tokens)
            })
            .collect()
    })
}

/// What every slot should be, the plain way: document, index in it, target, input, address.
struct Slot {
    ordinal: u32,
    index: usize,
    target: u32,
    input: u32,
    address: Address,
}

fn plain(documents: &[Encoded], lengths: &[u32]) -> Vec<Slot> {
    let mut slots = Vec::new();
    for (ordinal, tokens) in documents {
        let (mut byte, mut input) = (0, END);
        for (index, &target) in tokens.iter().chain([&END]).enumerate() {
            let end = byte + lengths[target as usize];
            let address = Address { ordinal: *ordinal, byte_start: byte, byte_end: end };
            slots.push(Slot { ordinal: *ordinal, index, target, input, address });
            (byte, input) = (end, target);
        }
    }
    slots
}

fn check_block(slots: &[Slot], block: &Block, instances: &[u64], withheld: &WithheldSet) {
    let mut count = 0;
    for (row, instance) in instances.iter().enumerate() {
        for i in 0..block.time {
            let slot = slots.get(*instance as usize * block.time + i);
            let at = row * block.time + i;
            let expected = match slot {
                Some(slot) if !withheld.contains(slot.ordinal) => {
                    count += 1;
                    (slot.input, slot.target, 1.0, i.saturating_sub(slot.index) as u32)
                }
                _ => (END, END, 0.0, i as u32),
            };
            let got = (block.inputs[at], block.targets[at], block.weights[at], block.starts[at]);
            assert_eq!(got, expected, "row {row}, slot {i}");
        }
    }
    assert_eq!(block.count, count);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn slots_and_documents_find_each_other(
        documents in documents(40), shard in 5u64..60, wide: bool,
    ) {
        let vocab = if wide { 70_000 } else { 40 };
        let dir = tempfile::tempdir().unwrap();
        let set = write(dir.path(), vocab, shard, &documents);
        let stream = set.train();
        let slots = plain(&documents, &lengths(vocab));
        prop_assert_eq!(stream.len(), slots.len() as u64);
        let targets: Vec<u32> = slots.iter().map(|s| s.target).collect();
        prop_assert_eq!(stream.tokens(0..stream.len()).unwrap(), targets);

        let addresses = stream.addresses(0..stream.len()).unwrap();
        prop_assert_eq!(&addresses, &slots.iter().map(|s| s.address).collect::<Vec<_>>());
        for (slot, expected) in slots.iter().enumerate() {
            let (fragment, index) = stream.fragment_of(slot as u64);
            prop_assert_eq!(fragment.ordinal, expected.ordinal);
            prop_assert!(stream.fragment_slots(index).contains(&(slot as u64)));
            let one = stream.addresses(slot as u64..slot as u64 + 1).unwrap();
            prop_assert_eq!(one, [expected.address]);
            let whole = stream.slots_of(expected.ordinal).unwrap();
            prop_assert_eq!(whole.start + expected.index as u64, slot as u64);
        }
        for index in 0..stream.fragments() {
            let range = stream.fragment_slots(index);
            prop_assert_eq!(range.start / shard, (range.end - 1) / shard, "a fragment lies in one shard");
        }
        let found: Vec<_> = stream.documents().map(|d| (d.ordinal, d.slots.end - d.slots.start)).collect();
        let expected: Vec<_> = documents.iter().map(|(o, tokens)| (*o, tokens.len() as u64 + 1)).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(stream.slots_of(0), None);
        prop_assert_eq!(stream.slots_of(1_000_000), None);
        prop_assert!(set.stream_of(1_000_000).is_some_and(|found| std::ptr::eq(found, set.validation())));
    }

    #[test]
    fn blocks_hold_the_slots_and_withholding_changes_only_its_own(
        documents in documents(40), shard in 5u64..80, context in 1usize..50, batch in 1u64..5, seed: u64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let set = write(dir.path(), 40, shard, &documents);
        let stream = set.train();
        let slots = plain(&documents, &lengths(40));
        let packing = Packing::new(stream.len(), context);
        let schedule = Schedule::new(seed, packing.n, batch);
        let gone = documents[seed as usize % documents.len()].0;
        let withheld = WithheldSet::new([gone]);
        let (mut full, mut less) = (Block::default(), Block::default());
        for step in 0..6 {
            let instances = schedule.instances(step);
            stream.block(&instances, context, &WithheldSet::default(), &mut full).unwrap();
            stream.block(&instances, context, &withheld, &mut less).unwrap();
            check_block(&slots, &full, &instances, &WithheldSet::default());
            check_block(&slots, &less, &instances, &withheld);
        }
        // A document's steps are those of the instances that hold its slots.
        let holds = packing.instances_of(stream.slots_of(gone).unwrap());
        let steps: Vec<u64> = (0..6).filter(|&s| schedule.instances(s).iter().any(|i| holds.contains(i))).collect();
        let mut found: Vec<u64> = holds.flat_map(|i| schedule.steps_of(i, 6)).collect();
        found.sort_unstable();
        found.dedup();
        prop_assert_eq!(found, steps);
    }

    #[test]
    fn windows_score_every_slot_once_from_an_empty_context(
        documents in documents(40), shard in 5u64..80, time in 2usize..50,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let set = write(dir.path(), 40, shard, &documents);
        let stream = set.train();
        let slots = plain(&documents, &lengths(40));
        let mut spans = Vec::new();
        for document in stream.documents() {
            let at = |r: Range<usize>| document.slots.start + r.start as u64..document.slots.start + r.end as u64;
            let length = (document.slots.end - document.slots.start) as usize;
            spans.extend(windows(length, time, time / 2).map(|w| Span { read: at(w.read), score: at(w.score) }));
        }
        let mut block = Block::default();
        stream.spans_block(&spans, time, &mut block).unwrap();
        let mut next = 0;
        for (row, span) in spans.iter().enumerate() {
            prop_assert_eq!(span.score.start, next);
            next = span.score.end;
            for i in 0..time {
                let at = row * time + i;
                let slot = span.read.start + i as u64;
                let scored = span.score.contains(&slot);
                prop_assert_eq!(block.weights[at], f32::from(u8::from(scored)));
                if scored {
                    let expected = &slots[slot as usize];
                    prop_assert_eq!(block.targets[at], expected.target);
                    prop_assert_eq!(block.inputs[at], expected.input);
                    let seen = i - block.starts[at] as usize;
                    prop_assert!(seen == expected.index || seen >= time - time / 2);
                    prop_assert!(seen <= expected.index);
                }
            }
        }
        prop_assert_eq!(next, stream.len());
        prop_assert_eq!(block.count as u64, stream.len());
    }
}

#[test]
fn an_instance_behind_the_stream_is_padding() {
    let dir = tempfile::tempdir().unwrap();
    let set = write(dir.path(), 40, 7, &[(3, vec![5, 6])]);
    let mut block = Block::default();
    set.train().block(&[0, 9], 4, &WithheldSet::default(), &mut block).unwrap();
    assert_eq!(block.inputs, [0, 5, 6, 0, 0, 0, 0, 0]);
    assert_eq!(block.targets, [5, 6, 0, 0, 0, 0, 0, 0]);
    assert_eq!(block.weights, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(block.starts, [0, 0, 0, 3, 0, 1, 2, 3]);
    assert_eq!(block.count, 3);
}

#[test]
fn filling_again_keeps_the_buffers() {
    let dir = tempfile::tempdir().unwrap();
    let set = write(dir.path(), 40, 7, &[(3, (1..40).collect())]);
    let mut block = Block::default();
    set.train().block(&[0, 1], 16, &WithheldSet::default(), &mut block).unwrap();
    let places =
        (block.inputs.as_ptr(), block.targets.as_ptr(), block.weights.as_ptr(), block.starts.as_ptr());
    set.train().block(&[2, 0], 16, &WithheldSet::new([3]), &mut block).unwrap();
    let now = (block.inputs.as_ptr(), block.targets.as_ptr(), block.weights.as_ptr(), block.starts.as_ptr());
    assert_eq!(places, now);
}

#[test]
fn copies_come_in_passes_and_are_found() {
    // Documents 3 and 9 twice, 9 a third time.
    let passes: Vec<Encoded> = vec![
        (3, vec![1, 2]),
        (5, (1..20).collect()),
        (9, vec![7]),
        (3, vec![1, 2]),
        (9, vec![7]),
        (9, vec![7]),
    ];
    let dir = tempfile::tempdir().unwrap();
    let set = write(dir.path(), 40, 7, &passes);
    let stream = set.train();
    let slots = |ordinal| stream.copies_of(ordinal).collect::<Vec<_>>();
    assert_eq!(slots(3), [(0, 0..3), (1, 25..28)]);
    assert_eq!(slots(5), [(0, 3..23)]);
    assert_eq!(slots(9), [(0, 23..25), (1, 28..30), (2, 30..32)]);
    assert_eq!((slots(4), stream.slots_of(9)), (Vec::new(), Some(23..25)));
    let found: Vec<_> = stream.documents().map(|d| (d.ordinal, d.copy)).collect();
    assert_eq!(found, [(3, 0), (5, 0), (9, 0), (3, 1), (9, 1), (9, 2)]);
    assert!(stream.addresses(0..32).unwrap()[28..30].iter().all(|address| address.ordinal == 9));
    // A copy that does not follow its pass is damage.
    for (row, copy) in [(0, 1u16), (1, 1), (stream.fragments() - 1, 3), (stream.fragments() - 1, 0)] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 40, 7, &passes);
        let path = dir.path().join("train.frags");
        let mut bytes = std::fs::read(&path).unwrap();
        let flags = u16::from(bytes[16 * row + 13] & 3) | copy << 2;
        bytes[16 * row + 13..16 * row + 15].copy_from_slice(&flags.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(TokenSet::open(dir.path()), Err(Error::Damaged { .. })), "row {row}, copy {copy}");
    }
}

type Edit<'a> = &'a dyn Fn(&mut Vec<u8>);

#[test]
fn damage_is_named_and_never_a_panic() {
    let documents: Vec<Encoded> = vec![(1, vec![1, 2, 3]), (4, (1..30).collect()), (5, vec![])];
    let fresh = || {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 40, 16, &documents);
        dir
    };
    let edit = |name: &str, change: Edit| {
        let dir = fresh();
        let path = dir.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        (TokenSet::open(dir.path()), dir)
    };
    let opening: [(&str, Edit); 8] = [
        ("train-00001.bin", &|b| b.truncate(7)),
        ("train.frags", &|b| b.truncate(16)),
        ("train.frags", &|b| b.clear()),
        ("train.frags", &|b| b[16] = 0),
        ("train.frags", &|b| b[13] = 0xff),
        ("train.frags", &|b| b[21] = 0),
        ("token_bytes.bin", &|b| b.push(0)),
        ("tokens.json", &|b| b.truncate(40)),
    ];
    for (name, change) in opening {
        let (result, _dir) = edit(name, change);
        let error = result.err().unwrap_or_else(|| panic!("{name} was taken"));
        assert!(error.to_string().contains(name), "{error}");
        assert!(matches!(error, Error::Damaged { .. } | Error::File(_)), "{error:?}");
    }
    let (result, _dir) = edit("tokens.json", &|b| {
        let text = String::from_utf8(b.clone()).unwrap().replace("\"layout\": 1", "\"layout\": 9");
        *b = text.into_bytes();
    });
    assert!(matches!(result, Err(Error::Layout { found: 9, .. })));
    let dir = fresh();
    std::fs::remove_file(dir.path().join("train-00000.bin")).unwrap();
    assert!(TokenSet::open(dir.path()).unwrap_err().hint().is_some());

    // A token outside the vocabulary is found when it is read.
    let (result, _dir) = edit("train-00000.bin", &|b| b[0] = 200);
    let set = result.unwrap();
    let error = set.train().block(&[0], 8, &WithheldSet::default(), &mut Block::default()).unwrap_err();
    assert!(error.to_string().contains("token 200, the vocabulary has 40"), "{error}");
}

#[test]
fn a_split_may_be_empty() {
    let dir = tempfile::tempdir().unwrap();
    write_set(dir.path(), &lengths(9), END, 4, [Ok((0, vec![1]))], []).unwrap();
    let set = TokenSet::open(dir.path()).unwrap();
    assert!(set.validation().is_empty() && set.validation().documents().next().is_none());
}
