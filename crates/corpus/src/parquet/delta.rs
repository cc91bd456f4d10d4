//! How many numbers a delta-encoded page says it holds. The Parquet library makes room for that many lengths before it reads
//! one of them.
//!
//! Source: `Encodings.md` of Apache Parquet, DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY.

use parquet::basic::Encoding;

use super::thrift::uleb128;

/// Numbers that one byte may stand for: a block of 2048 equal differences in nine bytes, the widest that writers make, has 228.
const A_BYTE: u64 = 256;
/// So many are always believed.
const FEW: u64 = 1 << 16;

/// Whether the values in `data`, encoded so, are no more than the `most` values of the page, and not many more than its
/// bytes can hold.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn check(encoding: Encoding, data: &[u8], most: u64) -> Result<(), String> {
    let streams = match encoding {
        Encoding::DELTA_BINARY_PACKED | Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        // The lengths of prefixes, then those of suffixes.
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => return Ok(()),
    };
    let mut rest = data;
    for behind in (0..streams).rev() {
        let mut stream = Stream { data: rest, at: 0 };
        let claimed = stream.pass(most, behind > 0)?;
        if claimed > FEW.max(A_BYTE.saturating_mul(data.len() as u64)) {
            return Err(format!("{claimed} delta-encoded values in {} bytes", data.len()));
        }
        rest = rest.get(stream.at..).unwrap_or_default();
    }
    Ok(())
}

struct Stream<'d> {
    data: &'d [u8],
    at: usize,
}

impl Stream<'_> {
    fn byte(&mut self) -> Result<u8, String> {
        let byte = *self.data.get(self.at).ok_or("a delta-encoded page ends in its header")?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, String> {
        uleb128(|| self.byte())?
            .ok_or_else(|| "a delta-encoded page has a number of more than 64 bits".into())
    }

    /// Read the header, and the blocks too if something comes behind them. Gives back the number of values.
    fn pass(&mut self, most: u64, blocks: bool) -> Result<u64, String> {
        let (block, minis, count) = (self.number()?, self.number()?, self.number()?);
        // The first value.
        self.number()?;
        if count > most {
            return Err(format!("{count} delta-encoded values in a page of {most}"));
        }
        if minis == 0 || !block.is_multiple_of(minis) || !(block / minis).is_multiple_of(32) || block == 0 {
            return Err(format!("delta-encoded blocks of {block} values in {minis} parts"));
        }
        let in_mini = block / minis;
        let mut left = if blocks { count.saturating_sub(1) } else { 0 };
        while left > 0 {
            // The least difference, then a width for each part.
            self.number()?;
            let widths = self.at;
            let minis = usize::try_from(minis).ok().and_then(|minis| widths.checked_add(minis));
            let end = minis.filter(|&end| end <= self.data.len());
            self.at = end.ok_or("a delta-encoded page ends in a block")?;
            for at in widths..self.at {
                if left == 0 {
                    // What widths behind the last value say does not count.
                    break;
                }
                let width = u64::from(self.data[at]);
                let bytes = usize::try_from((in_mini / 8).saturating_mul(width)).unwrap_or(usize::MAX);
                left = left.saturating_sub(in_mini);
                self.at = self.at.saturating_add(bytes);
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(mut value: u64, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn header(block: u64, minis: u64, count: u64) -> Vec<u8> {
        let mut out = Vec::new();
        [block, minis, count, 0].into_iter().for_each(|value| number(value, &mut out));
        out
    }

    #[test]
    fn claims_above_the_page_are_refused() {
        use Encoding::{DELTA_BINARY_PACKED, DELTA_BYTE_ARRAY, DELTA_LENGTH_BYTE_ARRAY, PLAIN};
        let huge = header(128, 4, 100_000_000_000_000_000);
        for encoding in [DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY] {
            let error = check(encoding, &huge, 10).unwrap_err();
            assert_eq!(error, "100000000000000000 delta-encoded values in a page of 10");
            assert!(check(encoding, &huge, u64::MAX).is_err());
            assert!(check(encoding, &huge[..2], 10).unwrap_err().contains("ends in its header"));
        }
        assert!(check(PLAIN, &huge, 10).is_ok());
        // A page that lies twice.
        let both = header(1 << 40, 1, 1 << 30);
        let error = check(DELTA_LENGTH_BYTE_ARRAY, &both, 1 << 30).unwrap_err();
        assert!(error.starts_with("1073741824 delta-encoded values in"), "{error}");
        for (block, minis) in [(0, 1), (128, 0), (128, 3), (64, 4)] {
            assert!(check(DELTA_LENGTH_BYTE_ARRAY, &header(block, minis, 1), 9).is_err());
        }
    }

    #[test]
    fn the_second_header_stands_behind_the_blocks_of_the_first() {
        // 40 prefixes: one block of 128 in four parts of 32, of which two are filled; widths 3, 1, 9, 9.
        let mut page = header(128, 4, 40);
        page.extend([0, 3, 1, 9, 9]);
        page.extend([0; 12 + 4]);
        let (good, bad) = (header(128, 4, 40), header(128, 4, 1 << 50));
        assert!(check(Encoding::DELTA_BYTE_ARRAY, &[&page[..], &good].concat(), 40).is_ok());
        let error = check(Encoding::DELTA_BYTE_ARRAY, &[&page[..], &bad].concat(), 40).unwrap_err();
        assert_eq!(error, "1125899906842624 delta-encoded values in a page of 40");
        assert!(check(Encoding::DELTA_BYTE_ARRAY, &page, 40).is_err(), "there is none");
        assert!(check(Encoding::DELTA_BYTE_ARRAY, &page[..8], 40).is_err());
    }
}
