//! The byte-level alphabet of GPT-2: every byte has a printable character, so that a vocabulary of byte strings can be
//! written as text. Printable Latin-1 bytes stand for themselves, the others for U+0100 onwards.

use std::sync::LazyLock;

/// The characters of bytes are below this.
const END: usize = 0x144;

static CHARS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = 0x100u32;
    std::array::from_fn(|byte| match byte as u8 {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte as u8),
        _ => {
            next += 1;
            char::from_u32(next - 1).expect("U+0100 to U+0143 are characters")
        }
    })
});

static BYTES: LazyLock<[Option<u8>; END]> = LazyLock::new(|| {
    let mut bytes = [None; END];
    CHARS.iter().zip(0..=255).for_each(|(&c, byte)| bytes[c as usize] = Some(byte));
    bytes
});

/// The character of a byte.
pub(crate) fn char_of(byte: u8) -> char {
    CHARS[usize::from(byte)]
}

/// The bytes that a token of the alphabet stands for; none if it has other characters.
pub(crate) fn bytes_of(token: &str) -> Option<Vec<u8>> {
    // A token of other characters is told by the first of them.
    let mut bytes = Vec::with_capacity(token.len());
    for c in token.chars() {
        bytes.push((*BYTES.get(c as usize)?)?);
    }
    Some(bytes)
}

/// Bytes written in the alphabet.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char_of(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    #[test]
    fn it_is_the_alphabet_of_the_tokenizers_crate() {
        let mut ours = CHARS.to_vec();
        let mut theirs: Vec<char> = ByteLevel::alphabet().into_iter().collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs);
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes_of(&text_of(&all)), Some(all));
        assert_eq!(bytes_of("\u{2581}x"), None);
    }
}
