use proptest::prelude::*;

use super::testing::{Field, charsmap, model};
use super::*;

const WORDS: [(&str, f32); 9] = [
    ("\u{2581}", -3.0),
    ("\u{2581}the", -1.0),
    ("\u{2581}a", -2.0),
    ("a", -4.0),
    ("b", -4.0),
    ("ab", -7.0),
    ("aba", -10.5),
    ("t", -5.0),
    ("é", -6.0),
];

fn pieces(fields: &[Field], text: &str) -> String {
    Model::from_bytes(&model(&WORDS, fields), "m.model").unwrap().pieces(text).join(" ")
}

#[test]
fn the_best_way_is_taken_not_the_longest_piece() {
    // ab is better than a and b, aba and b worse than ab and ab.
    for (text, expected) in [
        ("", ""),
        ("  ", ""),
        ("the", "▁the"),
        ("the  the ", "▁the ▁the"),
        ("taba", "▁ t aba"),
        ("tabab", "▁ t ab ab"),
        ("abab", "▁a b ab"),
        // What has no piece stays together, with the characters around it that have none.
        ("axyb", "▁a xy b"),
        ("xx the", "▁ xx ▁the"),
        ("ex日本é", "▁ ex日本 é"),
        ("<s> <unk>", "▁ <s> ▁ <unk>"),
    ] {
        assert_eq!(pieces(&[], text), expected, "{text:?}");
    }
}

#[test]
fn bytes_stand_for_what_has_no_piece() {
    assert_eq!(pieces(&[Field::ByteFallback], "aé日"), "\u{2581}a é <0xE6> <0x97> <0xA5>");
    assert_eq!(pieces(&[Field::ByteFallback], "xy"), "\u{2581} <0x78> <0x79>");
}

#[test]
fn white_space_is_kept_or_not() {
    let of = |fields: &[Field], text: &str| pieces(fields, text).replace('\u{2581}', "_");
    assert_eq!(of(&[Field::Not(3)], "  b  the "), "b _the");
    assert_eq!(of(&[Field::Not(4)], " b  a "), "_ _ b _ _a _");
    assert_eq!(of(&[Field::Suffix], "b the"), "b _the _");
    assert_eq!(of(&[Field::Suffix, Field::Not(3)], "b b"), "b _ b");
    assert_eq!(of(&[Field::Not(5)], "b a"), "  b   a");
}

#[test]
fn rules_of_the_normaliser_are_applied() {
    let rules = [("\t", " "), ("ﬁ", "ab"), ("x\u{301}", "é"), ("\u{ad}", ""), ("x", "a"), ("～", "\u{2581}")];
    let map = Field::Charsmap(charsmap(&rules));
    let of = |text: &str| pieces(std::slice::from_ref(&map), text).replace('\u{2581}', "_");
    assert_eq!(of("\t the\t\tﬁ"), "_the _a b");
    // The longest rule: x with its accent, not x; a soft hyphen goes.
    assert_eq!(of("tx\u{301}x\u{ad}b"), "_ t é ab");
    assert_eq!(of("x日\0b"), "_a 日\0 b");
    // A space is one although it came as something else, but not behind a space.
    assert_eq!(of("\u{ad}\t b～"), "_ b");
}

#[test]
fn what_the_user_defined_is_one_piece() {
    let fields = [
        Field::Piece("[x]", 0.0, 4),
        Field::Piece("[x]a", 0.0, 4),
        Field::Piece("tt", 1.0, 5),
        Field::Charsmap(charsmap(&[("[", "("), ("x", "t")])),
    ];
    // Rules leave it alone, and the longest is taken; `tt` is not used.
    assert_eq!(pieces(&fields, "b[x]ab[x"), "\u{2581} b [x]a b ( t");
    assert_eq!(pieces(&fields, "ttx"), "\u{2581} t t t");
}

#[test]
fn damaged_files_and_other_models_are_refused() {
    let error = |bytes: &[u8]| Model::from_bytes(bytes, "m.model").unwrap_err().to_string();
    let with = |fields: &[Field]| error(&model(&WORDS, fields));
    assert!(with(&[Field::ModelType(2)]).contains("type BPE; unigram models are read"));
    assert!(with(&[Field::ModelType(4)]).contains("type char"));
    assert!(with(&[Field::Piece("", 0.0, 1)]).contains("a piece is empty"));
    assert!(with(&[Field::Piece("b", 0.0, 4)]).contains("`b` comes twice"));
    assert!(with(&[Field::Piece("x", f32::NAN, 1)]).contains("no number"));
    assert!(with(&[Field::Piece("x", 0.0, 9)]).contains("type 9"));
    assert!(with(&[Field::Piece("<u>", 0.0, 2)]).contains("two pieces for what is unknown"));
    assert!(with(&[Field::Piece("<0xA>", 0.0, 6)]).contains("stands for no byte"));
    assert!(with(&[Field::Piece("<0xAA>", 0.0, 6)]).contains("without `byte_fallback`"));
    assert!(with(&[Field::Piece(&"x".repeat(8000), 0.0, 1)]).contains("8,000 bytes"));
    assert!(error(b"").contains("no piece for what is unknown"));
    assert!(error(b"\x0a\x05ab").contains("a field of 5 bytes where 2 are left"), "{}", error(b"\x0a\x05ab"));
    assert!(error(b"{\"model\":{}}").starts_with("`m.model`, byte "), "{}", error(b"{\"model\":{}}"));
    let good = charsmap(&[("é", "e"), ("\t", " ")]);
    for (change, what) in [
        (&(|map: &mut Vec<u8>| map.truncate(3)) as &dyn Fn(&mut Vec<u8>), "fewer than 4 bytes"),
        (&|map| map[0] = 1, "a trie of"),
        (&|map| map[3] = 1, "a trie of"),
        (&|map| map.truncate(map.len() - 1), "no end"),
        (&|map| *map.last_mut().unwrap() = 0xff, "not UTF-8"),
    ] {
        let mut map = good.clone();
        change(&mut map);
        let said = with(&[Field::Charsmap(map)]);
        assert!(said.contains("precompiled_charsmap") && said.contains(what), "{said}");
    }
    // A unit that is its own child, by `a`.
    let mut units = vec![0u32; 256];
    units[0x61] = 0x61 << 10 | 0x61;
    let mut map = 1024u32.to_le_bytes().to_vec();
    units.iter().for_each(|unit| map.extend(unit.to_le_bytes()));
    map.push(0);
    let said = with(&[Field::Charsmap(map)]);
    assert!(said.contains("precompiled_charsmap") && said.contains("a cycle"), "{said}");
    // A value that lies behind the texts.
    let mut map = good;
    let value = map.chunks_exact(4).skip(1).position(|unit| unit[3] & 0x80 != 0).unwrap();
    map[4 * (value + 1) + 1] = 1;
    assert!(with(&[Field::Charsmap(map)]).contains("leads to no text"));
}

#[test]
fn rules_may_be_deeper_than_any_stack() {
    // A rule that takes so many `a`: each leads to the unit behind the last, the last one to the value in a row of its own.
    let depth = 200_000u32;
    let value = (depth + 256).next_multiple_of(256);
    let mut units = vec![0u32; value as usize + 256];
    units[0] = (1 ^ 0x61) << 10;
    for at in 1..depth {
        units[at as usize] = (at ^ (at + 1) ^ 0x61) << 10 | 0x61;
    }
    units[depth as usize] = (depth ^ value) << 10 | 1 << 8 | 0x61;
    units[value as usize] = 1 << 31;
    let mut map = (4 * units.len() as u32).to_le_bytes().to_vec();
    units.iter().for_each(|unit| map.extend(unit.to_le_bytes()));
    map.extend(b"b\0");
    let model = Model::from_bytes(&model(&WORDS, &[Field::Charsmap(map), Field::Not(3)]), "m").unwrap();
    assert_eq!(model.pieces(&"a".repeat(depth as usize)), ["b"]);
    assert_eq!(model.pieces("aa").concat(), "aa");
}

#[test]
fn a_long_run_is_cut_whole_and_leaves_no_large_buffers() {
    let model = Model::from_bytes(&model(&WORDS, &[]), "m.model").unwrap();
    let mut room = Room::default();
    for run in ["ab", "x", " ", "the ", "日"] {
        let text = run.repeat(3_000_000 / run.len());
        let mut bytes = 0;
        model.encode(&mut room, &text, |piece| bytes += piece.len());
        // Three bytes stand for a space, and white space at the end is gone.
        let words = text.trim_end();
        let expected = if words.is_empty() { 0 } else { words.len() + 2 * words.matches(' ').count() + 3 };
        assert_eq!(bytes, expected, "{run:?}");
        assert!(!is_long(room.normal.capacity()) && !is_long(room.ways.bytes()), "{run:?}");
    }
}

/// The same by a table of all ways, without forgetting any.
fn naive(words: &[(&str, f32)], text: &str) -> Vec<String> {
    let least = words.iter().map(|word| word.1).fold(f32::MAX, f32::min) - 10.0;
    let mut best: Vec<Option<(f32, usize, bool)>> = vec![None; text.len() + 1];
    best[0] = Some((0.0, 0, true));
    for (at, c) in text.char_indices() {
        let here = best[at].unwrap().0;
        let mut ways: Vec<(usize, f32, bool)> = words
            .iter()
            .filter(|word| text[at..].starts_with(word.0))
            .map(|word| (word.0.len(), word.1, true))
            .collect();
        ways.sort_by_key(|way| way.0);
        if !ways.iter().any(|way| way.0 == c.len_utf8()) {
            ways.push((c.len_utf8(), least, false));
        }
        for (length, score, known) in ways {
            let sum = score + here;
            if best[at + length].is_none_or(|(before, ..)| sum > before) {
                best[at + length] = Some((sum, at, known));
            }
        }
    }
    let (mut cut, mut end): (Vec<(String, bool)>, usize) = (Vec::new(), text.len());
    while end > 0 {
        let (_, start, known) = best[end].unwrap();
        match cut.last_mut() {
            Some((behind, false)) if !known => behind.insert_str(0, &text[start..end]),
            _ => cut.push((text[start..end].into(), known)),
        }
        end = start;
    }
    cut.into_iter().rev().map(|(piece, _)| piece).collect()
}

proptest! {
    #[test]
    fn pieces_are_those_of_a_table_of_all_ways(
        vocabulary in prop::collection::btree_map("[abé\u{2581}]{1,4}", -12i32..0, 1..20),
        text in "[abcé x]{0,60}",
    ) {
        let words: Vec<(&str, f32)> =
            vocabulary.iter().map(|(word, score)| (word.as_str(), *score as f32 / 4.0)).collect();
        let model = Model::from_bytes(&model(&words, &[Field::Not(4), Field::Not(3)]), "m").unwrap();
        prop_assert_eq!(model.pieces(&text), naive(&words, &text.replace(' ', "\u{2581}")));
    }

    #[test]
    fn no_text_is_lost(text in "\\PC{0,60}", space in any::<bool>()) {
        let fields = [Field::Not(3), Field::Not(4), Field::Not(5)];
        let fields = &fields[..if space { 3 } else { 2 }];
        let model = Model::from_bytes(&model(&WORDS, fields), "m").unwrap();
        let normal = if space { text.clone() } else { text.replace(' ', "\u{2581}") };
        prop_assert_eq!(model.pieces(&text).concat(), normal);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        cut in 0usize..2000, changes in prop::collection::vec((0usize..2000, any::<u8>()), 0..6), text in "\\PC{0,20}",
    ) {
        let map = charsmap(&[("é", "e"), ("\t", " "), ("日", "a")]);
        let mut bytes = model(&WORDS, &[Field::Piece("a b", 0.0, 4), Field::Charsmap(map)]);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if cut % 4 == 0 {
            bytes.truncate(cut);
        }
        if let Ok(model) = Model::from_bytes(&bytes, "m") {
            model.pieces(&text);
            model.pieces("é\t日a b\0");
        }
    }
}
