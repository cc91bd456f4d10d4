//! MinHash signatures of texts and their bands.
//!
//! Broder 1997 for signatures; Indyk and Motwani, "Approximate nearest neighbors", STOC 1998, for bands: `b * r` hash functions
//! are cut into `b` bands of `r`; two documents of Jaccard similarity `s` (of their sets of shingles) agree in at least one
//! whole band with probability `P(s) = 1 - (1 - s^r)^b`.
//!
//! | preset | shingles | bands x rows | P = 1/2 at | source |
//! |---|---|---|---|---|
//! | `fineweb` | 5 words | 14 x 8 | 0.68 | FineWeb, Penedo et al. 2024; datatrove's defaults |
//! | `dolma3` | 5 words | 26 x 11 | 0.72 | OLMo 3, 2025; production config of duplodocus |
//! | `nemo` | 24 characters | 20 x 13 | 0.77 | NeMo Curator's defaults, with the length its maintainers advise |
//! | `duplodocus` | 5 words | 20 x 5 | 0.51 | defaults of duplodocus |
//!
//! How a text becomes words, and where that differs from those programs: [`super::shingle`]. The functions are drawn from
//! [`Philox`] under the seed, so signatures of two runs or machines can be compared.

use regimen_base::Philox;
use regimen_kernels::{M61, minhash_m61, minhash_u32};

use super::error::{Error, Result};
use super::hash::{mix, step};
use super::shingle::Shingles;

/// The family of hash functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// One product of 32 bits a function; the fast one.
    #[default]
    Bits32,
    /// Universal functions modulo 2^61 - 1.
    Mersenne61,
}

/// What signatures are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinHash {
    /// What is hashed.
    pub shingles: Shingles,
    /// Bands, `b`.
    pub bands: usize,
    /// Hash functions of a band, `r`.
    pub rows: usize,
    /// The family of functions.
    pub family: Family,
    /// Which functions of the family.
    pub seed: u64,
}

/// Parameters in the wild, by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Who uses it.
    pub source: &'static str,
    /// Its parameters.
    pub minhash: MinHash,
}

const fn minhash(shingles: Shingles, bands: usize, rows: usize) -> MinHash {
    MinHash { shingles, bands, rows, family: Family::Bits32, seed: 1 }
}

/// All presets.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "fineweb",
        source: "FineWeb (Penedo et al. 2024), datatrove's defaults",
        minhash: minhash(Shingles::Words(5), 14, 8),
    },
    Preset {
        name: "dolma3",
        source: "Dolma 3 (OLMo 3, 2025), production config of duplodocus",
        minhash: minhash(Shingles::Spaced(5), 26, 11),
    },
    Preset {
        name: "nemo",
        source: "NeMo Curator's defaults, with 24 characters as its maintainers advise",
        minhash: minhash(Shingles::Characters(24), 20, 13),
    },
    Preset {
        name: "duplodocus",
        source: "defaults of duplodocus",
        minhash: minhash(Shingles::Spaced(5), 20, 5),
    },
];

/// Where [`MinHash::threshold`] makes sense: below, texts that share a few words are copies; above, only equal ones are.
const HALVES: std::ops::RangeInclusive<f64> = 0.1..=0.999;

impl Preset {
    /// The preset of this name.
    pub fn by_name(name: &str) -> Option<Preset> {
        PRESETS.into_iter().find(|preset| preset.name == name)
    }
}

/// Parameters that stand instead of those of a preset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Own {
    /// Bands.
    #[serde(default)]
    pub bands: Option<usize>,
    /// Hash functions of a band.
    #[serde(default)]
    pub rows: Option<usize>,
    /// Words or characters of a shingle.
    #[serde(default)]
    pub ngram: Option<usize>,
    /// Which functions of the family.
    #[serde(default)]
    pub seed: Option<u64>,
}

impl MinHash {
    /// The same with some parameters of one's own.
    ///
    /// # Errors
    /// What [`MinHasher::new`] says, and [`Error::Likeness`].
    pub fn with(self, own: &Own) -> Result<MinHash> {
        let length = own.ngram.unwrap_or(self.shingles.length());
        let minhash = MinHash {
            shingles: self.shingles.of_length(length),
            bands: own.bands.unwrap_or(self.bands),
            rows: own.rows.unwrap_or(self.rows),
            seed: own.seed.unwrap_or(self.seed),
            ..self
        };
        minhash.check()?;
        let half = minhash.threshold();
        if !HALVES.contains(&half) {
            return Err(Error::Likeness { bands: minhash.bands, rows: minhash.rows, half });
        }
        Ok(minhash)
    }

    fn check(&self) -> Result<()> {
        self.shingles.check()?;
        let functions = self.bands.saturating_mul(self.rows);
        if functions == 0 || functions > MinHash::MOST {
            let value = format!("{} x {}", self.bands, self.rows);
            return Err(Error::option("bands x rows", value, "1 to 16384 hash functions"));
        }
        Ok(())
    }

    /// The most hash functions.
    pub const MOST: usize = 16_384;

    /// Functions of a signature.
    pub fn functions(&self) -> usize {
        self.bands * self.rows
    }

    /// `P(s) = 1 - (1 - s^r)^b`: how likely two documents of Jaccard similarity `s` share a band.
    pub fn probability(&self, similarity: f64) -> f64 {
        1.0 - (1.0 - similarity.powf(self.rows as f64)).powf(self.bands as f64)
    }

    /// The similarity at which [`MinHash::probability`] is one half.
    pub fn threshold(&self) -> f64 {
        (1.0 - 0.5f64.powf(1.0 / self.bands as f64)).powf(1.0 / self.rows as f64)
    }
}

/// Turns texts into bands. It is shared by threads; each brings a [`Work`].
#[derive(Clone, Debug)]
pub struct MinHasher {
    minhash: MinHash,
    narrow: (Vec<u32>, Vec<u32>),
    wide: (Vec<u64>, Vec<u64>),
}

/// The scratch of one thread, and the results of its last text.
#[derive(Clone, Debug, Default)]
pub struct Work {
    units: Vec<u64>,
    shingles: Vec<u64>,
    wide: Vec<u64>,
    signature: Vec<u32>,
    bands: Vec<u64>,
}

impl Work {
    /// The shingles, in order, with repeats.
    pub fn shingles(&self) -> &[u64] {
        &self.shingles
    }

    /// The signature: of [`Family::Mersenne61`] the lower 32 bits of each minimum.
    pub fn signature(&self) -> &[u32] {
        &self.signature
    }

    /// One hash a band.
    pub fn bands(&self) -> &[u64] {
        &self.bands
    }
}

impl MinHasher {
    /// An error if a parameter is out of range.
    pub fn new(minhash: MinHash) -> Result<MinHasher> {
        minhash.check()?;
        let functions = minhash.functions();
        let mut hasher =
            MinHasher { minhash, narrow: (Vec::new(), Vec::new()), wide: (Vec::new(), Vec::new()) };
        match minhash.family {
            Family::Bits32 => {
                let mut random = Philox::new(minhash.seed, &["minhash", "u32"]);
                let (a, b) = (0..functions).map(|_| (random.next_u32() | 1, random.next_u32())).unzip();
                hasher.narrow = (a, b);
            }
            Family::Mersenne61 => {
                let mut random = Philox::new(minhash.seed, &["minhash", "m61"]);
                let (a, b) = (0..functions).map(|_| (1 + random.below(M61 - 1), random.below(M61))).unzip();
                hasher.wide = (a, b);
            }
        }
        Ok(hasher)
    }

    /// The parameters.
    pub fn minhash(&self) -> &MinHash {
        &self.minhash
    }

    /// Shingles, signature and bands of `text` into `work`. False if the text has no shingle: then it is like no other text,
    /// and signature and bands are empty.
    pub fn sign(&self, text: &str, work: &mut Work) -> bool {
        self.minhash.shingles.of(text, &mut work.units, &mut work.shingles);
        self.sign_shingles(work)
    }

    /// The same for shingles made elsewhere, which must be well-mixed 64-bit hashes.
    pub fn sign_hashes(&self, shingles: &[u64], work: &mut Work) -> bool {
        work.shingles.clear();
        work.shingles.extend_from_slice(shingles);
        self.sign_shingles(work)
    }

    fn sign_shingles(&self, work: &mut Work) -> bool {
        work.signature.clear();
        work.bands.clear();
        if work.shingles.is_empty() {
            return false;
        }
        let functions = self.minhash.functions();
        work.signature.resize(functions, 0);
        match self.minhash.family {
            Family::Bits32 => {
                minhash_u32(&work.shingles, &self.narrow.0, &self.narrow.1, &mut work.signature);
                let bands = work.signature.chunks(self.minhash.rows).zip(0u64..);
                work.bands
                    .extend(bands.map(|(rows, band)| of_band(band, rows.iter().map(|&v| u64::from(v)))));
            }
            Family::Mersenne61 => {
                work.wide.resize(functions, 0);
                minhash_m61(&work.shingles, &self.wide.0, &self.wide.1, &mut work.wide);
                work.signature.iter_mut().zip(&work.wide).for_each(|(low, &value)| *low = value as u32);
                let bands = work.wide.chunks(self.minhash.rows).zip(0u64..);
                work.bands.extend(bands.map(|(rows, band)| of_band(band, rows.iter().copied())));
            }
        }
        true
    }
}

/// One hash for the rows of a band.
fn of_band(band: u64, rows: impl Iterator<Item = u64>) -> u64 {
    mix(rows.fold(mix(band), step))
}

/// The share of functions on which two signatures agree: an estimate of the Jaccard similarity with standard deviation
/// `sqrt(s (1 - s) / functions)`. 0 for an empty signature.
pub fn agreement(a: &[u32], b: &[u32]) -> f64 {
    let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
    if a.is_empty() { 0.0 } else { same as f64 / a.len().max(b.len()) as f64 }
}

/// The Jaccard similarity of two sets of shingles; sorts them and removes repeats. 0 if both are empty.
pub fn jaccard(a: &mut Vec<u64>, b: &mut Vec<u64>) -> f64 {
    for set in [&mut *a, &mut *b] {
        set.sort_unstable();
        set.dedup();
    }
    let (both, all) = common(a, b);
    if all == 0 { 0.0 } else { both as f64 / all as f64 }
}

/// How many are in both of two sets, and how many in either; they are sorted, without repeats.
pub(crate) fn common(a: &[u64], b: &[u64]) -> (usize, usize) {
    let (mut i, mut j, mut both) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        both += usize::from(x == y);
        (i, j) = (i + usize::from(x <= y), j + usize::from(y <= x));
    }
    (both, a.len() + b.len() - both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::hash::hash64;

    fn random(seed: u64) -> Philox {
        Philox::new(seed, &["test"])
    }

    /// Two sets of `union` hashes in all, of which the first `both` are shared.
    fn pair(random: &mut Philox, union: usize, both: usize) -> (Vec<u64>, Vec<u64>) {
        let all: Vec<u64> = (0..union).map(|_| random.next_u64()).collect();
        let mut sets = (all[..both].to_vec(), all[..both].to_vec());
        for (i, &hash) in all[both..].iter().enumerate() {
            if i % 2 == 0 { sets.0.push(hash) } else { sets.1.push(hash) }
        }
        sets
    }

    #[test]
    fn presets_are_those_of_their_sources() {
        for (name, functions, half) in
            [("fineweb", 112, 0.685), ("dolma3", 286, 0.72), ("nemo", 260, 0.77), ("duplodocus", 100, 0.51)]
        {
            let minhash = Preset::by_name(name).unwrap().minhash;
            assert_eq!(minhash.functions(), functions);
            assert!((minhash.threshold() - half).abs() < 0.006, "{name} {}", minhash.threshold());
            assert!((minhash.probability(minhash.threshold()) - 0.5).abs() < 1e-12);
        }
        // As stated for FineWeb.
        let fineweb = Preset::by_name("fineweb").unwrap().minhash;
        assert!((fineweb.probability(0.8) - 0.924).abs() < 0.001);
        assert!((fineweb.probability(0.75) - 0.77).abs() < 0.005);
        assert_eq!(Preset::by_name("other"), None);
        assert!(MinHasher::new(MinHash { bands: 0, ..fineweb }).is_err());
        assert!(MinHasher::new(MinHash { bands: usize::MAX, ..fineweb }).is_err());
        assert!(MinHasher::new(MinHash { shingles: Shingles::Words(0), ..fineweb }).is_err());
    }

    #[test]
    fn own_parameters_stand_instead_of_those_of_a_preset_if_they_make_sense() {
        let nemo = Preset::by_name("nemo").unwrap().minhash;
        assert_eq!(nemo.with(&Own::default()).unwrap(), nemo);
        let own = Own { bands: Some(9), rows: None, ngram: Some(12), seed: Some(7) };
        let expected = MinHash { bands: 9, shingles: Shingles::Characters(12), seed: 7, ..nemo };
        assert_eq!(nemo.with(&own).unwrap(), expected);
        let of =
            |bands, rows, ngram| nemo.with(&Own { bands: Some(bands), rows: Some(rows), ngram, seed: None });
        assert!(of(4, 1, None).is_ok() && of(1, 600, None).is_ok() && of(128, 128, None).is_ok());
        assert!(matches!(of(20, 1, None), Err(Error::Likeness { bands: 20, rows: 1, half }) if half < 0.04));
        assert!(matches!(of(1, 1000, None), Err(Error::Likeness { .. })));
        for (bands, rows, ngram) in
            [(0, 5, None), (5, 0, None), (128, 129, None), (5, 5, Some(0)), (5, 5, Some(1025))]
        {
            assert!(matches!(of(bands, rows, ngram), Err(Error::Option { .. })), "{bands} {rows} {ngram:?}");
        }
        // Another seed draws other functions.
        let bands = |seed| {
            let mut work = Work::default();
            let own = Own { seed, ..Own::default() };
            MinHasher::new(nemo.with(&own).unwrap())
                .unwrap()
                .sign("a text of some words and letters", &mut work);
            work.bands().to_vec()
        };
        assert_eq!(bands(None), bands(Some(1)));
        assert_ne!(bands(None), bands(Some(2)));
    }

    #[test]
    fn functions_agree_as_often_as_the_sets_do() {
        for family in [Family::Bits32, Family::Mersenne61] {
            let hasher =
                MinHasher::new(MinHash { family, ..Preset::by_name("dolma3").unwrap().minhash }).unwrap();
            let (mut a, mut b) = (Work::default(), Work::default());
            for (union, pairs) in [(10, 400), (200, 200), (5000, 20)] {
                for tenths in [0, 1, 3, 5, 7, 9, 10] {
                    let mut random = random(union as u64 * 11 + tenths);
                    let both = union * tenths as usize / 10;
                    let s = both as f64 / union as f64;
                    let mut sum = 0.0;
                    for _ in 0..pairs {
                        let (x, y) = pair(&mut random, union, both);
                        hasher.sign_hashes(&x, &mut a);
                        hasher.sign_hashes(&y, &mut b);
                        sum += agreement(a.signature(), b.signature());
                    }
                    // The mean of pairs x 286 trials, within four deviations.
                    let error = sum / f64::from(pairs) - s;
                    let deviation = (s * (1.0 - s) / (f64::from(pairs) * 286.0)).sqrt();
                    assert!(
                        error.abs() <= 4.0 * deviation + 1e-9,
                        "{family:?} {union} {s}: {error} {deviation}"
                    );
                }
            }
        }
    }

    #[test]
    fn bands_meet_along_the_curve() {
        // All bands at once ask for more than each function: that functions are independent of each other.
        for (family, names) in [
            (Family::Bits32, &["fineweb", "dolma3", "nemo", "duplodocus"][..]),
            (Family::Mersenne61, &["fineweb"]),
        ] {
            for name in names {
                let hasher =
                    MinHasher::new(MinHash { family, ..Preset::by_name(name).unwrap().minhash }).unwrap();
                let (mut a, mut b) = (Work::default(), Work::default());
                for percent in [40, 60, 70, 80, 90] {
                    let mut random = random(percent);
                    let pairs = 2000;
                    let mut met = 0;
                    for _ in 0..pairs {
                        let (x, y) = pair(&mut random, 200, 2 * percent as usize);
                        hasher.sign_hashes(&x, &mut a);
                        hasher.sign_hashes(&y, &mut b);
                        met += u32::from(a.bands().iter().zip(b.bands()).any(|(a, b)| a == b));
                    }
                    let want = hasher.minhash().probability(percent as f64 / 100.0);
                    let got = f64::from(met) / f64::from(pairs);
                    let deviation = (want * (1.0 - want) / f64::from(pairs)).sqrt();
                    assert!(
                        (got - want).abs() <= 4.0 * deviation + 1e-3,
                        "{family:?} {name} {percent}: {got} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn sets_of_a_hundred_thousand_shingles_are_judged_alike() {
        let hasher = MinHasher::new(Preset::by_name("dolma3").unwrap().minhash).unwrap();
        let (mut a, mut b) = (Work::default(), Work::default());
        let mut sum = 0.0;
        for seed in 0..10 {
            let (x, y) = pair(&mut random(seed), 200_000, 100_000);
            hasher.sign_hashes(&x, &mut a);
            hasher.sign_hashes(&y, &mut b);
            sum += agreement(a.signature(), b.signature());
        }
        // 2860 trials at one half: a deviation of 0.0093.
        assert!((sum / 10.0 - 0.5).abs() < 0.037, "{sum}");
    }

    #[test]
    fn texts_without_shingles_have_no_bands_and_short_ones_have() {
        let hasher = MinHasher::new(Preset::by_name("fineweb").unwrap().minhash).unwrap();
        let mut work = Work::default();
        assert!(hasher.sign("two words", &mut work));
        assert_eq!((work.shingles().len(), work.signature().len(), work.bands().len()), (1, 112, 14));
        assert!(!hasher.sign(" ... ", &mut work));
        assert!(work.signature().is_empty() && work.bands().is_empty());
    }

    #[test]
    fn signatures_of_a_seed_never_change() {
        let mut all = Vec::new();
        for preset in PRESETS {
            for family in [Family::Bits32, Family::Mersenne61] {
                let hasher = MinHasher::new(MinHash { family, ..preset.minhash }).unwrap();
                let mut work = Work::default();
                hasher.sign(
                    "The same text, on every machine: same shingles, same functions, same bands.",
                    &mut work,
                );
                all.extend(work.bands().iter().flat_map(|band| band.to_le_bytes()));
            }
        }
        assert_eq!(hash64(&all, 0), 7_011_368_662_043_447_926);
    }

    #[test]
    fn jaccard_counts_sets() {
        assert_eq!(jaccard(&mut vec![3, 1, 2, 2], &mut vec![2, 3, 4, 3]), 0.5);
        assert_eq!(jaccard(&mut vec![], &mut vec![]), 0.0);
        assert_eq!(agreement(&[1, 2, 3, 4], &[1, 0, 3, 0]), 0.5);
        assert_eq!(agreement(&[], &[]), 0.0);
    }
}
