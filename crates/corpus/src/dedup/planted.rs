//! Near duplicates planted at known rates of edits: what is found of them, and how much of what is found is right.

use regimen_base::Philox;

use super::error::Result;
use super::keep::{Keep, Kept};
use super::lsh::Lsh;
use super::minhash::{MinHash, MinHasher, Preset, Work, agreement, jaccard};
use super::partition::Budget;
use super::verify::Verify;

/// A word of a vocabulary of 30 000, common ones more often.
fn word(random: &mut Philox) -> String {
    let rank = (random.uniform() * 30_000f64.ln()).exp() as u64;
    // Letters alone: runs of digits are alike.
    std::iter::successors(Some(rank), |&r| (r >= 26).then_some(r / 26))
        .map(|r| (b'a' + (r % 26) as u8) as char)
        .collect()
}

fn words(random: &mut Philox, n: usize) -> Vec<String> {
    (0..n).map(|_| word(random)).collect()
}

/// A copy in which each word is replaced, dropped or doubled with a new neighbour at `rate`.
fn edited(random: &mut Philox, original: &[String], rate: f64) -> Vec<String> {
    let mut copy = Vec::new();
    for old in original {
        if random.uniform() >= rate {
            copy.push(old.clone());
            continue;
        }
        match random.below(3) {
            0 => copy.push(word(random)),
            1 => {}
            _ => copy.extend([old.clone(), word(random)]),
        }
    }
    copy
}

struct Corpus {
    bands: Vec<Vec<u64>>,
    signatures: Vec<Vec<u32>>,
    shingles: Vec<Vec<u64>>,
}

fn sign(minhash: MinHash, texts: &[Vec<String>]) -> Corpus {
    let hasher = MinHasher::new(minhash).unwrap();
    let mut work = Work::default();
    let mut corpus = Corpus { bands: Vec::new(), signatures: Vec::new(), shingles: Vec::new() };
    for text in texts {
        assert!(hasher.sign(&text.join(" "), &mut work));
        corpus.bands.push(work.bands().to_vec());
        corpus.signatures.push(work.signature().to_vec());
        corpus.shingles.push(work.shingles().to_vec());
    }
    corpus
}

fn lsh(corpus: &Corpus, dir: &std::path::Path) -> Lsh {
    let mut lsh = Lsh::new(&Budget { memory: 1 << 28, dir: dir.into() }).unwrap();
    for (i, bands) in (0..).zip(&corpus.bands) {
        lsh.push(i, bands).unwrap();
    }
    lsh
}

#[test]
fn recall_follows_the_curve_of_the_true_similarity() {
    let dir = tempfile::tempdir().unwrap();
    for (name, pairs) in [("fineweb", 6000u32), ("dolma3", 3000)] {
        let minhash = Preset::by_name(name).unwrap().minhash;
        let (mut all_found, mut all_expected, mut all) = (0.0, 0.0, 0.0);
        for percent in [1, 2, 5, 10, 20, 30] {
            let mut random = Philox::new(percent, &["planted", name]);
            let mut texts = Vec::new();
            for _ in 0..pairs {
                let original = words(&mut random, 120);
                texts.push(edited(&mut random, &original, percent as f64 / 100.0));
                texts.push(original);
            }
            let mut corpus = sign(minhash, &texts);
            let clusters = lsh(&corpus, dir.path()).finish(2 * pairs).unwrap();
            let (mut found, mut expected) = (0.0, 0.0);
            for i in 0..pairs {
                found += f64::from(u8::from(clusters.together(2 * i, 2 * i + 1)));
                let [a, b] = corpus.shingles[2 * i as usize..][..2].as_mut() else { panic!() };
                expected += minhash.probability(jaccard(a, b));
            }
            let n = f64::from(pairs);
            let points = 100.0 * (found - expected) / n;
            assert!(points.abs() <= 1.0, "{name} at {percent} %: {found} instead of {expected} of {pairs}");
            all_found += found;
            all_expected += expected;
            all += n;
            // Nothing else is found: all originals are unlike each other.
            assert_eq!(f64::from(clusters.duplicates()), found, "{name} at {percent} %");
        }
        assert!((all_found - all_expected).abs() / all < 0.005, "{name}: {all_found} {all_expected}");
    }
}

#[test]
fn verified_pairs_are_alike_where_bands_alone_mislead() {
    // Families that share 60 % of their words in one piece are no duplicates of each other, but meet often in 20 x 5 bands.
    let dir = tempfile::tempdir().unwrap();
    let minhash = Preset::by_name("duplodocus").unwrap().minhash;
    let mut random = Philox::new(5, &["siblings"]);
    let mut texts = Vec::new();
    for _ in 0..400 {
        let shared = words(&mut random, 90);
        for _ in 0..4 {
            let original = [shared.clone(), words(&mut random, 90)].concat();
            texts.push(edited(&mut random, &original, 0.02));
            texts.push(original);
        }
    }
    let mut corpus = sign(minhash, &texts);
    let documents = texts.len() as u32;
    let precision = |kept: &Kept, shingles: &mut [Vec<u64>]| {
        let (mut right, mut dropped) = (0.0, 0.0);
        for (i, &representative) in (0..).zip(kept.representatives()) {
            if representative != i {
                let (mut a, mut b) =
                    (shingles[i as usize].clone(), shingles[representative as usize].clone());
                right += f64::from(u8::from(jaccard(&mut a, &mut b) >= 0.5));
                dropped += 1.0;
            }
        }
        (right / dropped, dropped)
    };
    let kept = |clusters| Kept::new(&clusters, Keep::First, |_| unreachable!());
    let plain = kept(lsh(&corpus, dir.path()).finish(documents).unwrap());
    let signatures = &corpus.signatures;
    let alike = |a: u32, b: u32| -> Result<bool> {
        Ok(agreement(&signatures[a as usize], &signatures[b as usize]) >= 0.6)
    };
    let by_signature = kept(lsh(&corpus, dir.path()).finish_verified(documents, alike).unwrap());
    let verify = Verify::new(minhash.shingles, 0.5, documents, 1 << 24).unwrap();
    let joined: Vec<String> = texts.iter().map(|words| words.join(" ")).collect();
    let alike = |a: u32, b: u32| -> Result<bool> {
        let text = |i: u32| (i, &joined[i as usize][..]);
        let alike = || verify.alike(text(a), text(b), false, || false);
        Ok(verify.known(a, b).or_else(alike).unwrap_or_default())
    };
    let by_jaccard = kept(lsh(&corpus, dir.path()).finish_verified(documents, alike).unwrap());

    assert!(precision(&plain, &mut corpus.shingles).0 < 0.9);
    for kept in [by_signature, by_jaccard] {
        let (precision, dropped) = precision(&kept, &mut corpus.shingles);
        assert!(precision >= 0.95, "{precision}");
        // 1600 copies at a similarity of about 0.8.
        assert!(dropped >= 1500.0, "{dropped}");
    }
}
