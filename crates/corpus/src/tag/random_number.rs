//! A number of 0 to 1, for samples.
//!
//! Dolma's tagger `random_number_v1` draws it from a stream of each process, so that no two runs agree. Here it follows
//! from the text and `seed`: the upper 53 bits of the BLAKE3 hash of the seed (8 bytes, little-endian) and the text.
//! Equal texts get equal numbers.

use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, fraction};

static ATTRIBUTES: [Attribute; 1] = [fraction("random", "evenly distributed from 0 to below 1")];

pub(super) static KIND: Kind = Kind {
    name: "random_number",
    aliases: &["random_number_v1"],
    version: 1,
    about: "A number of 0 to 1 that follows from the text and `seed`.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.only(&["seed"])?;
        Ok(Box::new(Random { seed: params.integer("seed")?.unwrap_or(0) }))
    },
};

struct Random {
    seed: u64,
}

impl Tagger for Random {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(document.view.text.as_bytes());
        let mut first = [0; 8];
        hasher.finalize_xof().fill(&mut first);
        out.value(0, (u64::from_le_bytes(first) >> 11) as f64 / (1u64 << 53) as f64);
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::number;
    use crate::tag::{Set, Tags, Wanted};

    #[test]
    fn numbers_are_even_and_follow_from_text_and_seed() {
        let of = |text: &str| number("random_number", "random", text);
        assert_eq!(of("a"), of("a"));
        let numbers: Vec<f64> = (0..1000).map(|i| of(&i.to_string())).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        for tenth in 0..10 {
            let count = numbers.iter().filter(|n| (**n * 10.0) as u32 == tenth).count();
            assert!((60..150).contains(&count), "{tenth}: {count}");
        }
        let seeded = |seed: serde_json::Value| {
            let params = serde_json::json!({"seed": seed}).as_object().unwrap().clone();
            let set = Set::new(&[Wanted { tagger: "random_number_v1".into(), name: None, params }]).ok()?;
            let mut out = Tags::default();
            set.tag("a", "", &mut Default::default(), &mut Default::default(), &mut out);
            Some(out.spans(0)[0].score)
        };
        assert_eq!(seeded(0.into()), Some(of("a")));
        assert_eq!(seeded("0".into()), Some(of("a")));
        assert_ne!(seeded(1.into()), Some(of("a")));
        assert_eq!(seeded((-1).into()), None);
    }
}
