//! Blocks of tar files, as POSIX.1-1988 (ustar) has them: 512 bytes of names and octal numbers before each file, whose
//! content is filled up with zeros to a multiple of 512. Lengths from 8 GiB on are written in base 256, as GNU tar does.
//! Only plain files are written and read, and nothing of who wrote them when: one content, one tar file.

/// Length of a block.
pub(super) const BLOCK: usize = 512;

const MODE: &[u8; 8] = b"0000644\0";
const NONE: &[u8; 8] = b"0000000\0";
const MAGIC: &[u8; 8] = b"ustar\x0000";

/// A file in a tar file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) size: u64,
}

/// The block before a file; none if its path is too long.
pub(super) fn header(path: &str, size: u64) -> Option<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let (prefix, name) = split(path)?;
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[345..345 + prefix.len()].copy_from_slice(prefix.as_bytes());
    block[100..108].copy_from_slice(MODE);
    block[108..116].copy_from_slice(NONE);
    block[116..124].copy_from_slice(NONE);
    if size < 1 << 33 {
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    } else {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = b'0';
    block[257..265].copy_from_slice(MAGIC);
    let sum = checksum(&block);
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(block)
}

/// A path as prefix and name, cut at a slash.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= 100 {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| prefix.len() <= 155 && name.len() <= 100 && !name.is_empty())
}

/// The sum of a block's bytes, its own field taken as spaces.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let field = 148..156;
    block.iter().enumerate().map(|(i, &b)| u32::from(if field.contains(&i) { b' ' } else { b })).sum()
}

/// What a block says; none for a block of zeros, which ends the file.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Option<Entry>, String> {
    if block.iter().all(|&b| b == 0) {
        return Ok(None);
    }
    if block[257..262] != *b"ustar" {
        return Err("a file does not begin as one of a tar file does".into());
    }
    let sum = octal(&block[148..156]).ok_or("a checksum is no number")?;
    if sum != u64::from(checksum(block)) {
        return Err("the checksum before a file is wrong".into());
    }
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        String::from_utf8(bytes[..end].to_vec()).map_err(|_| "the name of a file is not UTF-8".to_string())
    };
    let (name, prefix) = (text(&block[..100])?, text(&block[345..500])?);
    let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
    if !matches!(block[156], b'0' | 0) {
        return Err(format!("`{path}` is not a plain file"));
    }
    let size = match block[124] {
        0x80 if block[125..128] == [0; 3] => {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&block[128..136]);
            Some(u64::from_be_bytes(bytes))
        }
        _ => octal(&block[124..136]),
    };
    let size = size.ok_or_else(|| format!("the length of `{path}` is no number"))?;
    Ok(Some(Entry { path, size }))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() || !text.bytes().all(|b| matches!(b, b'0'..=b'7')) {
        return None;
    }
    u64::from_str_radix(text, 8).ok()
}

/// Zeros that fill up a file of `size` bytes.
pub(super) fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_back_and_forth() {
        let long = format!("{}/{}", "d".repeat(150), "n".repeat(100));
        for (path, size) in [
            ("a", 0),
            ("corpus/key/manifest.json", 511),
            (&long, (1 << 33) - 1),
            ("b", 1 << 33),
            ("c", u64::MAX),
        ] {
            let block = header(path, size).unwrap();
            assert_eq!(parse(&block).unwrap().unwrap(), Entry { path: path.into(), size });
        }
        assert!(
            header(&"x".repeat(101), 1).is_none() && header(&format!("{}/x", "y".repeat(156)), 1).is_none()
        );
        assert_eq!(parse(&[0; BLOCK]).unwrap(), None);
        assert_eq!((padding(0), padding(1), padding(512)), (0, 511, 0));
    }

    #[test]
    fn any_changed_byte_is_noticed_or_changes_nothing() {
        let good = header("corpus/key/data.bin", 12345).unwrap();
        for at in 0..BLOCK {
            let mut bad = good;
            bad[at] ^= 1;
            assert!(parse(&bad).is_err() || parse(&bad).unwrap() == parse(&good).unwrap(), "byte {at}");
        }
        let mut link = good;
        link[156] = b'2';
        let sum = checksum(&link);
        link[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(parse(&link).unwrap_err().contains("not a plain file"));
    }
}
