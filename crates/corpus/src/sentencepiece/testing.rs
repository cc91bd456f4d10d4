//! Model files for tests, byte by byte as the format says.

use std::collections::BTreeMap;

/// What a model file has besides its plain pieces.
#[derive(Clone, Debug)]
pub enum Field<'t> {
    /// A piece of a type: 2 unknown, 3 control, 4 defined by the user, 5 unused, 6 byte.
    Piece(&'t str, f32, u64),
    /// `trainer_spec.model_type`.
    ModelType(u64),
    /// `trainer_spec.byte_fallback`, with all pieces that it needs.
    ByteFallback,
    /// `trainer_spec.treat_whitespace_as_suffix`.
    Suffix,
    /// `normalizer_spec.precompiled_charsmap`.
    Charsmap(Vec<u8>),
    /// A field of `normalizer_spec` that is true if nothing is said: 3 `add_dummy_prefix`, 4 `remove_extra_whitespaces`,
    /// 5 `escape_whitespaces`.
    Not(u64),
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number(field: u64, number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3, &mut out);
    varint(number, &mut out);
    out
}

fn bytes(field: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3 | 2, &mut out);
    varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

fn piece(text: &[u8], score: f32, kind: u64) -> Vec<u8> {
    let score = [&[2 << 3 | 5][..], &score.to_le_bytes()].concat();
    bytes(1, &[bytes(1, text), score, number(3, kind)].concat())
}

/// A model of `<unk>`, `<s>`, `</s>`, these pieces with their scores, and `fields`.
pub fn model(pieces: &[(&str, f32)], fields: &[Field]) -> Vec<u8> {
    let mut out = [piece(b"<unk>", 0.0, 2), piece(b"<s>", 0.0, 3), piece(b"</s>", 0.0, 3)].concat();
    pieces.iter().for_each(|(text, score)| out.extend(piece(text.as_bytes(), *score, 1)));
    for field in fields {
        out.extend(match field {
            Field::Piece(text, score, kind) => piece(text.as_bytes(), *score, *kind),
            Field::ModelType(kind) => bytes(2, &number(3, *kind)),
            Field::ByteFallback => {
                let all = (0..256).flat_map(|byte| piece(format!("<0x{byte:02X}>").as_bytes(), 0.0, 6));
                [bytes(2, &number(35, 1)), all.collect()].concat()
            }
            Field::Suffix => bytes(2, &number(24, 1)),
            Field::Charsmap(map) => bytes(3, &bytes(2, map)),
            Field::Not(field) => bytes(3, &number(*field, 0)),
        });
    }
    // Fields that say nothing of the encoding: a list of samples, and an extension.
    out.extend(bytes(4, b""));
    out.extend(number(201, 7));
    out
}

/// Rules of a normaliser as `precompiled_charsmap`: a trie whose nodes each have 256 units for what lies below.
pub fn charsmap(rules: &[(&str, &str)]) -> Vec<u8> {
    let mut texts = Vec::new();
    let mut nodes: BTreeMap<Vec<u8>, (usize, Option<u32>)> = BTreeMap::from([(Vec::new(), (0, None))]);
    for (from, to) in rules {
        for length in 1..=from.len() {
            let count = nodes.len();
            nodes.entry(from.as_bytes()[..length].to_vec()).or_insert((count, None));
        }
        nodes.get_mut(from.as_bytes()).unwrap().1 = Some(texts.len() as u32);
        texts.extend_from_slice(to.as_bytes());
        texts.push(0);
    }
    let base = |node: usize| 256 * (node + 1);
    let mut units = vec![0u32; base(nodes.len())];
    for (name, (node, value)) in &nodes {
        let (at, label) = match name.split_last() {
            None => (0, 0),
            Some((byte, before)) => (base(nodes[before].0) ^ usize::from(*byte), u32::from(*byte)),
        };
        let offset = (at ^ base(*node)) as u32;
        assert!(offset < 1 << 21);
        units[at] = offset << 10 | u32::from(value.is_some()) << 8 | label;
        if let Some(value) = value {
            units[base(*node)] = 1 << 31 | value;
        }
    }
    let mut out = ((4 * units.len()) as u32).to_le_bytes().to_vec();
    units.iter().for_each(|unit| out.extend(unit.to_le_bytes()));
    out.extend(texts);
    out
}
