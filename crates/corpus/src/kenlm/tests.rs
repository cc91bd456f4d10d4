//! Models that are written here, and scored by the definition of back-off in f64.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regimen_base::Philox;

use super::Model;
use super::vocabulary::{extend, word_hash};
use crate::error::Error;

const WORDS: &[&str] = &["<unk>", "<s>", "</s>", "a", "b", "été", "中"];

/// Log-probability and back-off weight of n-grams, by the indices of their words.
type Grams = BTreeMap<Vec<usize>, (f32, f32)>;

/// All words, and some longer n-grams. With `closed`, the ends of an n-gram are there, too.
fn random_grams(seed: u64, order: usize, closed: bool) -> Grams {
    let mut random = Philox::new(seed, &["grams"]);
    let mut grams: Grams = (0..WORDS.len()).map(|word| (vec![word], (0.0, 0.0))).collect();
    for n in 2..=order {
        for _ in 0..8 {
            let gram: Vec<usize> = (0..n).map(|_| random.below(WORDS.len() as u64) as usize).collect();
            let first = if closed { 0 } else { n - 1 };
            for start in first..n - 1 {
                grams.insert(gram[start..].to_vec(), (0.0, 0.0));
            }
            grams.insert(gram, (0.0, 0.0));
        }
    }
    for (gram, (log10, backoff)) in &mut grams {
        *log10 = -(random.uniform() * 3.0) as f32;
        *backoff = if gram.len() < order { -random.uniform() as f32 } else { 0.0 };
    }
    grams
}

fn arpa(grams: &Grams, order: usize) -> String {
    let mut out = "\\data\\\n".to_owned();
    let of = |n: usize| grams.iter().filter(move |(gram, _)| gram.len() == n);
    for n in 1..=order {
        out += &format!("ngram {n}={}\n", of(n).count());
    }
    for n in 1..=order {
        out += &format!("\n\\{n}-grams:\n");
        for (gram, (log10, backoff)) in of(n) {
            let words: Vec<&str> = gram.iter().map(|&word| WORDS[word]).collect();
            out += &format!("{log10}\t{}", words.join(" "));
            out += &if *backoff == 0.0 { "\n".to_owned() } else { format!("\t{backoff}\n") };
        }
    }
    out + "\n\\end\\\n"
}

/// KenLM's hash tables, with every place worked out by hand. `rest` adds the rest costs that scoring does not use.
fn probing(grams: &Grams, order: usize, rest: bool) -> Vec<u8> {
    let of = |n: usize| grams.iter().filter(move |(gram, _)| gram.len() == n);
    let mut out = b"mmap lm http://kheafield.com/code format version 5\n".to_vec();
    out.resize(56, 0);
    for x in [0.0f32, 1.0, -0.5] {
        out.extend(x.to_le_bytes());
    }
    for x in [1u32, u32::MAX, 0, 1, 0] {
        out.extend(x.to_le_bytes());
    }
    out.extend([order as u8, 0, 0, 0]);
    out.extend(1.5f32.to_le_bytes());
    for x in [u32::from(rest), 0, 0] {
        out.extend(x.to_le_bytes());
    }
    for n in 1..=order {
        out.extend((of(n).count() as u64).to_le_bytes());
    }
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend([0u8; 4]);
    out.extend((WORDS.len() as u32).to_le_bytes());
    let table = |count: usize, entries: Vec<(u64, Vec<u8>)>, size: usize| -> Vec<u8> {
        let places = (count + 1).max((1.5 * count as f32) as usize);
        let mut table = vec![0u8; places * size];
        for (key, value) in entries {
            let free = |place: &usize| table[place * size..place * size + 8] == [0; 8];
            let start = (key % places as u64) as usize;
            let place = (start..places).chain(0..start).find(free).unwrap();
            table[place * size..place * size + 8].copy_from_slice(&key.to_le_bytes());
            table[place * size + 8..(place + 1) * size].copy_from_slice(&value);
        }
        table
    };
    let words = (1..WORDS.len()).map(|i| (word_hash(WORDS[i].as_bytes()), (i as u32).to_le_bytes().to_vec()));
    out.extend(table(WORDS.len(), words.collect(), 12));
    let value = |gram: &[usize]| {
        let (log10, backoff) = grams[gram];
        // The sign is off where a longer n-gram ends with this one.
        let extends = grams.keys().any(|longer| longer.len() == gram.len() + 1 && longer.ends_with(gram));
        let log10 = if extends { log10.abs() } else { -log10.abs() };
        let mut value = log10.to_le_bytes().to_vec();
        if gram.len() < order {
            value.extend(backoff.to_le_bytes());
            value.extend(if rest { &[9u8; 4][..] } else { &[] });
        }
        value
    };
    (0..WORDS.len()).for_each(|word| out.extend(value(&[word])));
    out.resize(out.len() + if rest { 12 } else { 8 }, 0);
    for n in 2..=order {
        let entries: Vec<(u64, Vec<u8>)> = of(n)
            .map(|(gram, _)| {
                let mut back = gram.iter().rev().map(|&word| word as u32);
                let last = u64::from(back.next().unwrap());
                (back.fold(last, extend), value(gram))
            })
            .collect();
        let size = 8 + value(&vec![0; 1][..]).len().min(if n == order { 4 } else { 12 });
        out.extend(table(entries.len(), entries, size));
    }
    out
}

/// log10 p(word | context), from the definition.
fn backed_off(grams: &Grams, context: &[usize], word: usize) -> f64 {
    let gram: Vec<usize> = context.iter().copied().chain([word]).collect();
    match grams.get(&gram) {
        Some((log10, _)) => f64::from(*log10),
        None if context.is_empty() => -100.0,
        None => grams.get(context).map_or(0.0, |g| f64::from(g.1)) + backed_off(grams, &context[1..], word),
    }
}

fn sentence_score(grams: &Grams, order: usize, sentence: &[usize]) -> f64 {
    let all: Vec<usize> = [1].into_iter().chain(sentence.iter().copied()).chain([2]).collect();
    let context = |i: usize| &all[(i + 1).saturating_sub(order)..i];
    (1..all.len()).map(|i| backed_off(grams, context(i), all[i])).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn scores_are_those_of_the_definition(
        seed: u64, order in 1usize..6, rest: bool, sentence in proptest::collection::vec(0usize..8, 0..12)
    ) {
        // 7 is a word that no model knows.
        let text: Vec<&str> = sentence.iter().map(|&word| WORDS.get(word).copied().unwrap_or("unheard")).collect();
        let text = text.join(" ");
        let sentence: Vec<usize> = sentence.iter().map(|&word| word % 7).collect();
        for closed in [false, true] {
            let grams = random_grams(seed, order, closed);
            let wanted = sentence_score(&grams, order, &sentence);
            let model = Model::from_bytes(arpa(&grams, order).into_bytes(), "x.arpa").unwrap();
            let found = f64::from(model.score(&text, true, true));
            prop_assert!((found - wanted).abs() < 1e-4, "{} {}", found, wanted);
            let perplexity = 10f64.powf(-wanted / (sentence.len() + 1) as f64);
            prop_assert!((model.perplexity(&text) / perplexity - 1.0).abs() < 1e-3);
            if closed && order > 1 {
                let binary = Model::from_bytes(probing(&grams, order, rest), "x.bin").unwrap();
                prop_assert_eq!(binary.score(&text, true, true), found as f32);
                prop_assert_eq!(binary.score(&text, false, false), model.score(&text, false, false));
            }
        }
    }

    #[test]
    fn changed_bytes_are_read_or_refused(
        seed: u64, binary: bool, kind in 0u8..7,
        changes in proptest::collection::vec((0.0f64..1.0, any::<u8>()), 1..5), cut in 0.0f64..1.3,
    ) {
        let grams = random_grams(seed, 3, true);
        let mut bytes = if binary { probing(&grams, 3, false) } else { arpa(&grams, 3).into_bytes() };
        for (at, byte) in changes {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        if binary {
            // Kinds above 1 are tries, for which the rest of the file means nothing; some need more room than it has.
            bytes[96] = kind;
            bytes[104] = u8::from(kind > 1);
            bytes.extend_from_slice(&grams.len().to_le_bytes().repeat(if kind > 1 { 4000 } else { 1 }));
        }
        bytes.truncate((cut * bytes.len() as f64) as usize);
        if let Ok(model) = Model::from_bytes(bytes, "x") {
            model.score("a b été 中 a b a <unk> c", true, true);
        }
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let refused = matches!(Model::from_bytes(bytes, "x"), Err(Error::Model { .. } | Error::Compressed { .. }));
        prop_assert!(refused);
    }
}

const SMALL: &str = "\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-1\t<s>\t-0.5\n-2 </s>\n-0.75\ta\t-0.25\n-3\t<unk>\n\n\
                     \\2-grams:\n-0.1\t<s> a\n-0.2\ta a\n\n\\end\\\n";

#[test]
fn a_small_model_by_hand() {
    let model = Model::from_bytes(SMALL.into(), "small.arpa").unwrap();
    // <s> a: -0.1. a a: -0.2. a x: -0.25 - 3. x </s>: -2.
    assert!((model.score("a a x", true, true) - (-0.1 - 0.2 - 3.25 - 2.0)).abs() < 1e-6);
    assert!((model.score("a a x", false, false) - (-0.75 - 0.2 - 3.25)).abs() < 1e-6);
    assert!((model.perplexity("a\na x") - 10f64.powf((0.1 + 2.25 + 0.1 + 3.25 + 2.0) / 5.0)).abs() < 1e-4);
    assert!(model.knows("a") && !model.knows("x"));
    let mut state = model.begin();
    assert_eq!(model.word(&mut state, "a").length, 2);
    assert!(model.word(&mut state, "x").unknown);
}

#[test]
fn messages_name_line_or_byte() {
    let message = |bytes: Vec<u8>| Model::from_bytes(bytes, "m").err().unwrap().to_string();
    for (old, new, told) in [
        (
            "\\data\\",
            "data",
            "`m`, line 1: this is not a KenLM model that can be read: an ARPA file begins with",
        ),
        ("ngram 2=2", "ngram 3=2", "line 3"),
        ("ngram 2=2", "ngram 2=3", "line 14"),
        ("-0.2\ta a", "-0.2\ta z", "the word `z` is not among the 1-grams"),
        ("-0.2\ta a", "0.2\ta a", "0.2 is not the logarithm of a probability"),
        ("-0.2\ta a", "-0.2\ta a\t-0.1", "back-off weight"),
        ("-0.2\ta a", "nan\ta a", "`nan` is not a number"),
        ("-0.2\ta a", "-0.2\ta a 0 a", "more than 2 words"),
        ("\\end\\", "", "the file ends early"),
        ("-2 </s>", "-2 <//s>", "`</s>` is not among its 1-grams"),
    ] {
        let text = SMALL.replace(old, new);
        assert!(message(text.into()).contains(told), "{}", message(SMALL.replace(old, new).into()));
    }
    let binary = probing(&random_grams(1, 3, true), 3, false);
    let mut other = binary.clone();
    other[49] = b'4';
    assert!(message(other).contains("format version 4"));
    assert!(message(binary[..binary.len() - 1].to_vec()).contains("the longest n-grams should have"));
    let mut many = binary;
    many[108..116].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(message(many).contains("cannot fit into the file"));
}
