//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011).
//!
//! A number depends on the seed, on what it is for, and on its index, never on how many were drawn before it. So a
//! document can be withheld, a run resumed or a batch split without moving any other random number.

/// A stream of random numbers for one purpose.
///
/// ```
/// use regimen_base::Philox;
/// let a = Philox::new(17, &["init", "layers.0.attn.qkv"]);
/// assert_eq!(a.block(3), Philox::new(17, &["init", "layers.0.attn.qkv"]).block(3));
/// ```
#[derive(Clone, Debug)]
pub struct Philox {
    key: [u32; 2],
    high: [u32; 2],
    next: u64,
    held: [u32; 4],
    left: usize,
}

const ROUNDS: usize = 10;
const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key[0] = key[0].wrapping_add(WEYL[0]);
            key[1] = key[1].wrapping_add(WEYL[1]);
        }
        let p0 = u64::from(MULTIPLIER[0]) * u64::from(counter[0]);
        let p1 = u64::from(MULTIPLIER[1]) * u64::from(counter[2]);
        counter = [
            ((p1 >> 32) as u32) ^ counter[1] ^ key[0],
            p1 as u32,
            ((p0 >> 32) as u32) ^ counter[3] ^ key[1],
            p0 as u32,
        ];
    }
    counter
}

impl Philox {
    /// The stream for `seed` and a purpose spelled as a path of words.
    pub fn new(seed: u64, purpose: &[&str]) -> Philox {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        for word in purpose {
            hasher.update(&(word.len() as u64).to_le_bytes());
            hasher.update(word.as_bytes());
        }
        let hash = hasher.finalize();
        let bytes = hash.as_bytes();
        let word = |i: usize| u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
        Philox { key: [word(0), word(4)], high: [word(8), word(12)], next: 0, held: [0; 4], left: 0 }
    }

    /// The four random words at `index`, without moving the stream.
    pub fn block(&self, index: u64) -> [u32; 4] {
        philox4x32([index as u32, (index >> 32) as u32, self.high[0], self.high[1]], self.key)
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.left == 0 {
            self.held = self.block(self.next);
            self.next += 1;
            self.left = 4;
        }
        self.left -= 1;
        self.held[3 - self.left]
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | (u64::from(self.next_u32()) << 32)
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..n` without bias (rejection).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "below(0)");
        let zone = u64::MAX - u64::MAX % n;
        loop {
            let x = self.next_u64();
            if x < zone {
                return x % n;
            }
        }
    }

    /// Standard normal, by Box and Muller: each call takes two uniform numbers and gives the cosine half of their pair, so
    /// that nothing is kept from one call to the next.
    pub fn normal(&mut self) -> f64 {
        let u = 1.0 - self.uniform();
        let v = self.uniform();
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_test_vectors() {
        // Random123 kat_vectors, philox4x32 with 10 rounds.
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn streams_differ_by_seed_and_purpose() {
        let first = |seed, purpose: &[&str]| Philox::new(seed, purpose).next_u64();
        let all =
            [first(1, &["a"]), first(2, &["a"]), first(1, &["b"]), first(1, &["a", "b"]), first(1, &["ab"])];
        for i in 0..all.len() {
            for j in 0..i {
                assert_ne!(all[i], all[j]);
            }
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Philox::new(3, &["test"]);
        let n = 40_000;
        let normal: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let mean = normal.iter().sum::<f64>() / n as f64;
        let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let uniform = (0..n).map(|_| stream.uniform()).sum::<f64>() / n as f64;
        assert!((uniform - 0.5).abs() < 0.01);
        let mut counts = [0usize; 7];
        (0..n).for_each(|_| counts[stream.below(7) as usize] += 1);
        assert!(counts.iter().all(|&c| (c as f64 / n as f64 - 1.0 / 7.0).abs() < 0.01), "{counts:?}");
    }
}
