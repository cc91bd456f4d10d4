//! Seeds that are models: fastText's, KenLM's and SentencePiece's files, written from their formats.

use std::collections::BTreeMap;

use super::Seeds;

fn ints(out: &mut Vec<u8>, numbers: &[i64], bytes: usize) {
    numbers.iter().for_each(|number| out.extend(&number.to_le_bytes()[..bytes]));
}

fn floats(out: &mut Vec<u8>, count: usize) {
    (0..count).for_each(|i| out.extend((i as f32 * 0.37).sin().to_le_bytes()));
}

/// What a small fastText model is like.
struct Toy {
    version: i64,
    dim: usize,
    loss: i64,
    ngrams: (i64, i64, i64, i64),
    /// Width of a part and whether norms are quantised, for `.ftz`.
    quantised: Option<(usize, bool)>,
    /// Rows that were kept of the buckets.
    kept: Option<Vec<(i64, i64)>>,
}

fn quantiser(out: &mut Vec<u8>, dim: usize, width: usize) {
    let parts = dim.div_ceil(width);
    ints(out, &[dim, parts, width, dim - (parts - 1) * width].map(|n| n as i64), 4);
    floats(out, 256 * dim);
}

fn matrix(out: &mut Vec<u8>, rows: usize, dim: usize, quantised: Option<(usize, bool)>) {
    out.push(u8::from(quantised.is_some()));
    let Some((width, norms)) = quantised else {
        ints(out, &[rows as i64, dim as i64], 8);
        return floats(out, rows * dim);
    };
    out.push(u8::from(norms));
    ints(out, &[rows as i64, dim as i64], 8);
    let codes = rows * dim.div_ceil(width);
    ints(out, &[codes as i64], 4);
    out.extend((0..codes).map(|i| (i * 37) as u8));
    quantiser(out, dim, width);
    if norms {
        out.extend((0..rows).map(|i| (i * 11) as u8));
        quantiser(out, 1, 1);
    }
}

impl Toy {
    fn write(&self) -> Vec<u8> {
        let words = ["</s>", "the", "sea", "naïve", "日本", "x"];
        let labels = [("__label__en", 9), ("__label__de", 4), ("__label__日", 2)];
        let (word_ngrams, bucket, minn, maxn) = self.ngrams;
        let mut out = Vec::new();
        let header = [
            793_712_314,
            self.version,
            self.dim as i64,
            5,
            5,
            1,
            5,
            word_ngrams,
            self.loss,
            3,
            bucket,
            minn,
            maxn,
            100,
        ];
        ints(&mut out, &header, 4);
        out.extend(1e-4f64.to_le_bytes());
        ints(&mut out, &[words.len() + labels.len(), words.len(), labels.len()].map(|n| n as i64), 4);
        ints(&mut out, &[1000, self.kept.as_ref().map_or(-1, |kept| kept.len() as i64)], 8);
        for (text, count, kind) in words
            .iter()
            .map(|word| (*word, 7, 0))
            .chain(labels.iter().map(|(label, count)| (*label, *count, 1)))
        {
            out.extend(text.as_bytes());
            out.push(0);
            ints(&mut out, &[count], 8);
            out.push(kind);
        }
        for (bucket, row) in self.kept.iter().flatten() {
            ints(&mut out, &[*bucket, *row], 4);
        }
        let rows = words.len() + self.kept.as_ref().map_or(bucket as usize, Vec::len);
        matrix(&mut out, rows, self.dim, self.quantised);
        matrix(&mut out, labels.len(), self.dim, None);
        out
    }
}

pub fn fasttext() -> Seeds {
    let mut seeds = Vec::new();
    for loss in 1..=4 {
        let plain = Toy { version: 12, dim: 5, loss, ngrams: (2, 7, 2, 3), quantised: None, kept: None };
        let lines = Toy { version: 11, dim: 16, loss, ngrams: (1, 0, 0, 0), quantised: None, kept: None };
        let packed = Toy {
            version: 12,
            dim: 3,
            loss,
            ngrams: (1, 9, 1, 4),
            quantised: Some((2, loss > 2)),
            kept: None,
        };
        let kept = Some(vec![(0, 0), (3, 1), (8, 2)]);
        let pruned =
            Toy { version: 12, dim: 2, loss, ngrams: (3, 9, 3, 5), quantised: Some((2, true)), kept };
        for (name, toy) in [("bin", plain), ("lines", lines), ("ftz", packed), ("pruned", pruned)] {
            seeds.push((format!("{name}-{loss}"), [b"the sea x\0", &toy.write()[..]].concat()));
        }
    }
    seeds
}

const WORDS: [&str; 6] = ["<unk>", "<s>", "</s>", "a", "b", "été"];

/// MurmurHash64A with seed 0.
fn word_hash(word: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = (word.len() as u64).wrapping_mul(M);
    for part in word.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..part.len()].copy_from_slice(part);
        let mut k = u64::from_le_bytes(bytes);
        if part.len() == 8 {
            k = k.wrapping_mul(M);
            k = (k ^ (k >> 47)).wrapping_mul(M);
        }
        hash = (hash ^ k).wrapping_mul(M);
    }
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 47)
}

fn extend(key: u64, word: u64) -> u64 {
    key.wrapping_mul(8_978_948_897_894_561_157) ^ (word + 1).wrapping_mul(17_894_857_484_156_487_943)
}

/// N-grams by their words, the last first.
fn grams(order: usize) -> Vec<Vec<Vec<usize>>> {
    let mut all: Vec<Vec<Vec<usize>>> = vec![(0..WORDS.len()).map(|word| vec![word]).collect()];
    for n in 1..order {
        let longer = all[n - 1].iter().flat_map(|gram| {
            let with = |word: usize| gram.iter().copied().chain([word]).collect::<Vec<_>>();
            [with(1), with(3 + n % 3)]
        });
        all.push(longer.step_by(2 + n % 2).collect());
    }
    all
}

fn arpa(order: usize) -> Vec<u8> {
    let all = grams(order);
    let mut out = "\\data\\\n".to_string();
    for (n, grams) in all.iter().enumerate() {
        out += &format!("ngram {}={}\n", n + 1, grams.len());
    }
    for (n, grams) in all.iter().enumerate() {
        out += &format!("\n\\{}-grams:\n", n + 1);
        for (i, gram) in grams.iter().enumerate() {
            let words: Vec<&str> = gram.iter().rev().map(|&word| WORDS[word]).collect();
            let backoff = if n + 1 < order { "\t-0.25" } else { "" };
            out += &format!("-{}.5\t{}{backoff}\n", i % 4, words.join(" "));
        }
    }
    (out + "\n\\end\\\n").into_bytes()
}

fn header(order: usize, kind: u32, version: u32) -> Vec<u8> {
    let mut out = b"mmap lm http://kheafield.com/code format version 5\n".to_vec();
    out.resize(56, 0);
    [0.0f32, 1.0, -0.5].iter().for_each(|x| out.extend(x.to_le_bytes()));
    [1u32, u32::MAX, 0, 1, 0].iter().for_each(|x| out.extend(x.to_le_bytes()));
    out.extend([order as u8, 0, 0, 0]);
    out.extend(1.5f32.to_le_bytes());
    [kind, 0, version].iter().for_each(|x| out.extend(x.to_le_bytes()));
    grams(order).iter().for_each(|grams| out.extend((grams.len() as u64).to_le_bytes()));
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn table(out: &mut Vec<u8>, entries: &[(u64, Vec<u8>)], count: usize) {
    let places = (count + 1).max((1.5 * count as f32) as usize);
    let size = 8 + entries.first().map_or(4, |entry| entry.1.len());
    let mut table: BTreeMap<usize, &(u64, Vec<u8>)> = BTreeMap::new();
    for entry in entries {
        let start = (entry.0 % places as u64) as usize;
        if let Some(place) = (start..places).chain(0..start).find(|place| !table.contains_key(place)) {
            table.insert(place, entry);
        }
    }
    for place in 0..places {
        match table.get(&place) {
            Some((key, value)) => {
                out.extend(key.to_le_bytes());
                out.extend(value);
            }
            None => out.resize(out.len() + size, 0),
        }
    }
}

fn probing(order: usize, rest: bool) -> Vec<u8> {
    let all = grams(order);
    let mut out = header(order, u32::from(rest), 0);
    out.extend([0u8; 4]);
    out.extend((WORDS.len() as u32).to_le_bytes());
    let words: Vec<(u64, Vec<u8>)> = (1..WORDS.len())
        .map(|i| (word_hash(WORDS[i].as_bytes()), (i as u32).to_le_bytes().to_vec()))
        .collect();
    table(&mut out, &words, WORDS.len());
    let value = |n: usize, i: usize| {
        let mut value = (0.5 + i as f32).to_le_bytes().to_vec();
        if n + 1 < order {
            value.extend((-0.25f32).to_le_bytes());
            value.extend(if rest { &[9u8; 4][..] } else { &[] });
        }
        value
    };
    (0..=WORDS.len()).for_each(|word| out.extend(value(0, word)));
    for (n, grams) in all.iter().enumerate().skip(1) {
        let entries: Vec<(u64, Vec<u8>)> = grams
            .iter()
            .enumerate()
            .map(|(i, gram)| {
                let key = gram[1..].iter().fold(gram[0] as u64, |key, &word| extend(key, word as u64));
                (key, value(n, i))
            })
            .collect();
        table(&mut out, &entries, grams.len());
    }
    out
}

/// Appends numbers of any width, the lowest bit first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn put(&mut self, value: u64, width: u32) {
        for bit in 0..width {
            self.bytes.resize(self.used / 8 + 1, 0);
            let last = self.used / 8;
            self.bytes[last] |= ((value >> bit & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }
}

fn bits_of(most: usize) -> u32 {
    64 - (most as u64).leading_zeros()
}

/// A trie, quantised or not. Pointers are not compressed; with `compressed` the file only says so, with a table of no use.
fn trie(order: usize, quantised: bool, compressed: bool) -> Vec<u8> {
    let mut all = grams(order);
    all.iter_mut().for_each(|grams| grams.sort());
    let mut out = header(order, 2 + u32::from(quantised) + 2 * u32::from(compressed), 1);
    let mut hashes: Vec<u64> = WORDS[1..].iter().map(|word| word_hash(word.as_bytes())).collect();
    hashes.sort_unstable();
    out.extend((hashes.len() as u64).to_le_bytes());
    hashes.iter().for_each(|hash| out.extend(hash.to_le_bytes()));
    out.resize(out.len() + 8, 0);
    if quantised {
        out.extend([2, 3, 2, 0, 0, 0, 0, 0]);
        for n in 1..order {
            floats(&mut out, 1 << 3);
            if n + 1 < order {
                floats(&mut out, 1 << 2);
            }
        }
    }
    let below = |n: usize, gram: &[usize]| {
        all.get(n + 1).map_or(0, |longer| longer.partition_point(|other| &other[..] < gram))
    };
    for i in 0..WORDS.len() + 2 {
        out.extend((-0.5f32).to_le_bytes());
        out.extend((-0.25f32).to_le_bytes());
        out.extend((below(0, &[i]) as u64).to_le_bytes());
    }
    for n in 1..order {
        let longest = n + 1 == order;
        if compressed && !longest {
            // Version 0 and a limit of no bits kept apart, then a table with one entry.
            out.extend([0u8; 8 + 8 + 7]);
        }
        let next_bits = if longest { 0 } else { bits_of(all[n + 1].len()) };
        let mut bits = Bits::default();
        for (i, gram) in all[n].iter().map(Some).chain([None]).enumerate() {
            bits.put(gram.map_or(0, |gram| gram[n] as u64), bits_of(WORDS.len()));
            match (quantised, longest) {
                (false, _) => {
                    bits.put(u64::from((0.5 + i as f32).to_bits()), 31);
                    bits.put(u64::from(0.25f32.to_bits()), if longest { 0 } else { 32 });
                }
                (true, _) => {
                    bits.put(i as u64, if longest { 0 } else { 2 });
                    bits.put(i as u64, 3);
                }
            }
            let end = all.get(n + 1).map_or(0, Vec::len);
            bits.put(gram.map_or(end, |gram| below(n, gram)) as u64, next_bits);
        }
        let entry = bits.used / (all[n].len() + 1);
        bits.bytes.resize(((all[n].len() + 1) * entry).div_ceil(8) + 8, 0);
        out.extend(bits.bytes);
    }
    out
}

pub fn kenlm() -> Seeds {
    let mut seeds = Vec::new();
    let mut add = |name: String, flags: u8, file: Vec<u8>| {
        seeds.push((name, [&[flags], &b"a b a\0"[..], &file].concat()));
    };
    for order in 1..=4 {
        for flags in 0..3 {
            add(format!("arpa-{order}-{flags}"), flags, arpa(order));
        }
    }
    for order in 2..=4 {
        for odd in [false, true] {
            add(format!("probing-{order}-{odd}"), 0, probing(order, odd));
            add(format!("trie-{order}-{odd}"), 0, trie(order, odd, false));
            add(format!("array-{order}-{odd}"), 0, trie(order, odd, true));
        }
    }
    seeds
}

/// A field of a protocol buffer: a number, or bytes.
fn field(number: u8, value: Result<u64, &[u8]>) -> Vec<u8> {
    let mut out = vec![number << 3 | if value.is_ok() { 0 } else { 2 }];
    // Field numbers above 15 take two bytes.
    if number > 15 {
        out = vec![(number << 3 | if value.is_ok() { 0 } else { 2 }) | 128, number >> 4];
    }
    let mut rest = value.unwrap_or_else(|bytes| bytes.len() as u64);
    while rest >= 128 {
        out.push(rest as u8 | 128);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend(value.err().unwrap_or_default());
    out
}

fn piece(text: &str, score: f32, kind: u64) -> Vec<u8> {
    let score = [&[2 << 3 | 5][..], &score.to_le_bytes()].concat();
    field(1, Err(&[field(1, Err(text.as_bytes())), score, field(3, Ok(kind))].concat()))
}

/// Rules that make `a` of a tab, and a space of a line feed: units for the two, and a value below each.
fn rules() -> Vec<u8> {
    let mut units = vec![0u32; 1024];
    units[0] = 256 << 10;
    for (i, byte) in [(2u32, 9u32), (3, 10)] {
        let (at, base) = (256 ^ byte, 256 * i);
        units[at as usize] = (at ^ base) << 10 | 1 << 8 | byte;
        units[base as usize] = 1 << 31 | (i - 2) * 2;
    }
    let trie: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    [&(trie.len() as u32).to_le_bytes()[..], &trie, b"a\0 \0"].concat()
}

pub fn sentencepiece() -> Seeds {
    let plain = [
        piece("<unk>", 0.0, 2),
        piece("</s>", 0.0, 3),
        piece("\u{2581}", -2.0, 1),
        piece("\u{2581}a", -1.5, 1),
        piece("ab", -3.0, 1),
        piece("\u{e9}t\u{e9}", -4.25, 1),
        piece("a", -3.5, 1),
        piece("[x]", 0.0, 4),
    ]
    .concat();
    let bytes: Vec<u8> = (0..256).flat_map(|byte| piece(&format!("<0x{byte:02X}>"), 0.0, 6)).collect();
    let with = |fields: &[Vec<u8>]| [b"ab \t[x]\n\0", &plain[..], &fields.concat()].concat();
    let normal = |fields: &[Vec<u8>]| field(3, Err(&fields.concat()));
    vec![
        ("plain".into(), with(&[])),
        ("bytes".into(), with(&[bytes, field(2, Err(&field(35, Ok(1))))])),
        ("rules".into(), with(&[normal(&[field(2, Err(&rules()))])])),
        ("suffix".into(), with(&[field(2, Err(&field(24, Ok(1))))])),
        ("spaces".into(), with(&[normal(&[field(3, Ok(0)), field(4, Ok(0)), field(5, Ok(0))])])),
    ]
}
