//! SHA-256 (FIPS 180-4), which data cards name files by.

use std::io::Read;
use std::path::Path;

use regimen_base::fs;

/// The first 32 bits of the fractional parts of the square roots of the first 8 primes.
const START: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes: computed, in whole numbers.
const fn round_constants() -> [u32; 64] {
    let mut out = [0; 64];
    let (mut n, mut found) = (2u128, 0);
    while found < 64 {
        let mut divisor = 2;
        let mut prime = true;
        while divisor * divisor <= n {
            if n.is_multiple_of(divisor) {
                prime = false;
            }
            divisor += 1;
        }
        if prime {
            // The greatest root with root^3 <= n * 2^96 is the cube root of n times 2^32.
            let (mut low, mut high) = (0u128, 1 << 36);
            while high - low > 1 {
                let middle = (low + high) / 2;
                if middle * middle * middle <= n << 96 { low = middle } else { high = middle }
            }
            out[found] = low as u32;
            found += 1;
        }
        n += 1;
    }
    out
}

const ROUNDS: [u32; 64] = round_constants();

/// A hash being computed.
pub(super) struct Sha256 {
    state: [u32; 8],
    block: Vec<u8>,
    length: u64,
}

impl Sha256 {
    pub fn new() -> Sha256 {
        Sha256 { state: START, block: Vec::with_capacity(64), length: 0 }
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if !self.block.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(64 - self.block.len()));
            self.block.extend_from_slice(head);
            bytes = rest;
            if self.block.len() < 64 {
                return;
            }
            let block = std::mem::take(&mut self.block);
            block.as_chunks::<64>().0.iter().for_each(|block| compress(&mut self.state, block));
        }
        let (blocks, rest) = bytes.as_chunks::<64>();
        blocks.iter().for_each(|block| compress(&mut self.state, block));
        self.block.extend_from_slice(rest);
    }

    /// The hash in hexadecimal digits.
    pub fn finish(mut self) -> String {
        let bits = self.length * 8;
        let mut end = vec![0x80];
        end.resize(1 + (119 - self.block.len()) % 64, 0);
        end.extend_from_slice(&bits.to_be_bytes());
        self.update(&end);
        self.state.iter().map(|word| format!("{word:08x}")).collect()
    }
}

fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut w = [0u32; 64];
    for (word, bytes) in w.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for t in 16..64 {
        let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ (w[t - 15] >> 3);
        let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ (w[t - 2] >> 10);
        w[t] = w[t - 16].wrapping_add(s0).wrapping_add(w[t - 7]).wrapping_add(s1);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (k, w) in ROUNDS.iter().zip(w) {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let one = h.wrapping_add(s1).wrapping_add(choice).wrapping_add(*k).wrapping_add(w);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let two = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(one), c, b, a, one.wrapping_add(two));
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *old = old.wrapping_add(new);
    }
}

/// The hash of a file in hexadecimal digits, and its length.
pub(super) fn of_file(path: &Path) -> fs::Result<(String, u64)> {
    let mut file = fs::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hash.update(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fs::Error::new("read", path, error)),
        }
    }
    let length = hash.length;
    Ok((hash.finish(), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_nist() {
        let of = |parts: &[&[u8]]| {
            let mut hash = Sha256::new();
            parts.iter().for_each(|part| hash.update(part));
            hash.finish()
        };
        assert_eq!((ROUNDS[0], ROUNDS[63]), (0x428a2f98, 0xc67178f2));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of(&[]), empty);
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(&[b"a", b"", b"bc"]), abc);
        let long = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
        assert_eq!(of(&[b"abcdbcdecdefdefgefghfghighijhijk", b"ijkljklmklmnlmnomnopnopq"]), long);
        let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        assert_eq!(of(&vec![&[b'a'; 1000][..]; 1000]), million);
        for length in [55, 56, 63, 64, 65, 119, 120] {
            let bytes = vec![7u8; length];
            assert_eq!(of(&[&bytes]), of(&[&bytes[..length / 2], &bytes[length / 2..]]));
        }
    }
}
