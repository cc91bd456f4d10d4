use std::sync::LazyLock;

use proptest::prelude::*;
use tokenizers::utils::SysRegex;

use super::super::expression;
use super::*;

/// Every expression that is known, with the engine that the `tokenizers` crate runs it on.
static KNOWN: LazyLock<Vec<(String, Split, SysRegex)>> = LazyLock::new(|| {
    expression::all()
        .into_iter()
        .map(|text| {
            let split = Split { family: expression::family(&text).unwrap(), each_digit: false };
            let engine = SysRegex::new(&text).unwrap();
            (text, split, engine)
        })
        .collect()
});

fn by_engine<'t>(engine: &SysRegex, text: &'t str) -> Vec<&'t str> {
    engine.find_iter(text).map(|(start, end)| &text[start..end]).collect()
}

/// Some of those that differ, others for each number.
fn some(from: usize) -> impl Iterator<Item = Split> {
    static ALL: LazyLock<Vec<Split>> = LazyLock::new(expression::splits);
    ALL.iter().copied().skip(from % 13).step_by(13)
}

/// Some of the spellings, others for each number.
fn spellings(from: usize) -> impl Iterator<Item = &'static (String, Split, SysRegex)> {
    KNOWN.iter().skip(from % 53).step_by(53)
}

/// Text with much of what the expressions look at.
pub(crate) fn tricky() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(vec![
        " ",
        "  ",
        "\n",
        "\t",
        "\r\n",
        "\n\n ",
        "\u{a0}",
        "\u{2003}",
        "\u{85}",
        "'",
        "'s",
        "'re",
        "'ll",
        "'LL",
        "'Ve",
        "'ſ",
        "'S",
        "ſ",
        "a",
        "Zq",
        "ABC",
        "fooBar",
        "é",
        "É",
        "ǅ",
        "ʰ",
        "ª",
        "日本",
        "ابت",
        "1",
        "23",
        "4567",
        "²",
        "Ⅷ",
        "½",
        "-",
        "...",
        "/",
        "/\n",
        "!\r\n",
        "<|endoftext|>",
        "\u{345}",
        "\u{301}",
        "\u{200d}",
        "🦀",
        "\0",
        "_",
        "ⓘ",
        "क्षि",
    ]);
    prop::collection::vec(
        prop_oneof![4 => bits.prop_map(String::from), 1 => any::<char>().prop_map(String::from)],
        0..40,
    )
    .prop_map(|bits| bits.concat())
}

proptest! {
    #[test]
    fn pieces_are_those_of_the_expression(text in tricky(), from in 0usize..1000) {
        for (expression, split, engine) in spellings(from) {
            let ours: Vec<&str> = split.pieces(&text).collect();
            prop_assert_eq!(ours, by_engine(engine, &text), "{}", expression);
        }
    }

    #[test]
    fn parts_keep_the_pieces(text in tricky(), bytes in 1usize..30, from in 0usize..1000) {
        for split in some(from) {
            let whole: Vec<&str> = split.pieces(&text).collect();
            let parted: Vec<&str> = parts(&text, bytes).flat_map(|part| split.pieces(part)).collect();
            prop_assert_eq!(whole, parted, "{:?}", split);
        }
    }

    #[test]
    fn digits_are_cut_out_first(text in tricky(), from in 0usize..1000) {
        for (_, split, engine) in spellings(from) {
            let ours: Vec<&str> = Split { each_digit: true, ..*split }.pieces(&text).collect();
            let theirs: Vec<&str> = text
                .split_inclusive(char::is_numeric)
                .flat_map(|run| {
                    let cut = run.char_indices().next_back().filter(|(_, c)| c.is_numeric()).map_or(run.len(), |(i, _)| i);
                    let (before, digit) = run.split_at(cut);
                    [by_engine(engine, before), by_engine(engine, digit)].concat()
                })
                .collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn every_character_stands_alone_and_between_others_as_in_the_engine() {
    let all: Vec<char> = (0..0x2_0000u32)
        .filter_map(char::from_u32)
        .filter(|&c| classes::of(c) != 0 || c < '\u{500}')
        .collect();
    // Most characters of a script are alike.
    let all: Vec<char> = all
        .iter()
        .copied()
        .enumerate()
        .filter(|(i, c)| *c < '\u{2500}' || i % 50 == 0)
        .map(|(_, c)| c)
        .collect();
    for (expression, split, engine) in spellings(0) {
        for chunk in all.chunks(64) {
            let text: String =
                chunk.iter().flat_map(|&c| [c, 'a', c, ' ', c, 'B', c, '!', c, '\n', '\'', c]).collect();
            let ours: Vec<&str> = split.pieces(&text).collect();
            assert_eq!(ours, by_engine(engine, &text), "{expression}");
        }
    }
}

#[test]
fn long_runs_are_one_look_each() {
    let text = format!("{}x", " ".repeat(300_000));
    for split in some(0) {
        let lengths: Vec<usize> = split.pieces(&text).map(str::len).collect();
        assert_eq!(lengths, [299_999, 2]);
    }
    // Looking ahead to the end of each of these for every piece would take hours.
    for run in ["A", "日A", "\u{301}A", "1", "!", "a1", " 1", "\n ", "'", "/\n"] {
        let text = run.repeat(100_000);
        for split in some(1) {
            assert_eq!(split.pieces(&text).map(str::len).sum::<usize>(), text.len());
        }
    }
}
