//! Pages that are looked at before the Parquet library decodes them: it makes room for what their headers claim, whatever the
//! page holds.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use parquet::basic::{Compression, Encoding};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::RowGroupReader;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use super::delta;
use super::fields::PAGE;
use super::source::Source;
use super::thrift::{Fault, walk};
use crate::error::Error;

/// Bytes in which a page's header is looked for at first.
const HEADER: u64 = 1 << 10;
/// Bytes that a page of DEFLATE data may become without a look at how many they are: the library has no limit of its own.
const UNSEEN: u64 = 1 << 29;

/// A row group whose pages are looked at.
pub(super) struct Checked<'g> {
    pub group: Box<dyn RowGroupReader + 'g>,
    /// What the library is told of it, with the types that are wanted.
    pub told: RowGroupMetaData,
    pub source: Arc<dyn Source>,
    pub page: Arc<PageLimit>,
}

/// How large a page may become, and the size of one that was refused for it.
#[derive(Debug)]
pub(super) struct PageLimit {
    most: u64,
    refused: AtomicU64,
}

impl PageLimit {
    pub fn new(most: u64) -> PageLimit {
        PageLimit { most, refused: AtomicU64::new(0) }
    }

    /// The error about a page that was refused, if one was.
    pub fn error(&self, file: &str) -> Option<Error> {
        let bytes = self.refused.load(Ordering::Relaxed);
        (bytes > 0).then(|| Error::LongPage { file: file.into(), bytes, most: self.most })
    }
}

impl RowGroupReader for Checked<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        &self.told
    }

    fn num_columns(&self) -> usize {
        self.group.num_columns()
    }

    fn get_column_page_reader(&self, column: usize) -> Result<Box<dyn PageReader>> {
        let about = self.group.metadata().column(column);
        let (start, length) = about.byte_range();
        Ok(Box::new(Pages {
            column: about.column_path().string(),
            page: 0,
            pages: self.group.get_column_page_reader(column)?,
            levels: [about.column_descr().max_rep_level(), about.column_descr().max_def_level()],
            headers: Headers {
                source: Arc::clone(&self.source),
                page: Arc::clone(&self.page),
                compression: about.compression(),
                at: start,
                left: length,
                seen: None,
            },
        }))
    }

    fn get_column_bloom_filter(&self, column: usize) -> Option<&Sbbf> {
        self.group.get_column_bloom_filter(column)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

fn refuse<T>(reason: String) -> Result<T> {
    Err(ParquetError::General(reason))
}

/// The headers of the pages of a column, read before the library reads them.
struct Headers {
    source: Arc<dyn Source>,
    page: Arc<PageLimit>,
    compression: Compression,
    /// Where the next page begins, and what is left of the column from there.
    at: u64,
    left: u64,
    /// Bytes of the next page with its header, if it was looked at.
    seen: Option<u64>,
}

impl Headers {
    /// Look at the next page and go on behind it, passing over pages of an index, as the library does.
    fn pass(&mut self) -> Result<()> {
        loop {
            let (bytes, index) = self.look()?;
            if bytes == 0 {
                return Ok(());
            }
            self.seen = None;
            self.at += bytes;
            self.left -= bytes;
            if !index {
                return Ok(());
            }
        }
    }

    /// Bytes of the next page, 0 at the end, and whether it is one of an index.
    fn look(&mut self) -> Result<(u64, bool)> {
        if self.left == 0 {
            return Ok((0, false));
        }
        let mut room = HEADER;
        loop {
            let length = room.min(self.left).min(self.source.length().saturating_sub(self.at));
            let bytes = self.source.bytes(self.at, length as usize)?;
            // PageHeader: 1 is the kind of page, 2 its bytes, 3 those in the file; in 8, for pages of the second version, 5
            // and 6 are the bytes of levels that are not packed.
            let (mut fields, mut levels) = ([0i64; 3], [0i64; 2]);
            let walked = walk(&bytes, PAGE, &mut |path, value| {
                match path {
                    [field @ 1..=3] => fields[*field as usize - 1] = value,
                    [8, field @ 5..=6] => levels[*field as usize - 5] = value,
                    _ => {}
                }
                Ok(())
            });
            match walked {
                Ok(header) => return self.sizes(header as u64, fields, levels),
                Err(Fault::Wrong(reason)) => return refuse(format!("header of a page: {reason}")),
                Err(Fault::Ended) if length < room => return refuse("header of a page: it is cut".into()),
                Err(Fault::Ended) => room *= 4,
            }
        }
    }

    fn sizes(
        &mut self,
        header: u64,
        [kind, bytes, packed]: [i64; 3],
        levels: [i64; 2],
    ) -> Result<(u64, bool)> {
        let (Ok(bytes), Ok(packed)) = (u64::try_from(bytes), u64::try_from(packed)) else {
            return refuse(format!("a page of {packed} bytes that become {bytes}"));
        };
        let levels = levels.iter().try_fold(0u64, |sum, &n| Some(sum.saturating_add(u64::try_from(n).ok()?)));
        let Some(levels) = levels.filter(|&levels| levels <= packed) else {
            return refuse(format!("a page of {packed} bytes with more bytes of levels"));
        };
        let whole = header.saturating_add(packed);
        if whole > self.left {
            return refuse(format!("a page of {packed} bytes, where {} are left", self.left - header));
        }
        if bytes > most(self.compression, packed) {
            let reason = format!("a page of {packed} bytes that become {bytes}: {} cannot", self.compression);
            return refuse(reason);
        }
        if bytes.max(packed) > self.page.most {
            self.page.refused.store(bytes.max(packed), Ordering::Relaxed);
            return refuse(format!("a page of {packed} bytes that become {bytes}"));
        }
        if self.seen.is_none()
            && matches!(self.compression, Compression::GZIP(_))
            && most(self.compression, packed) > UNSEEN
        {
            let data = self.source.bytes(self.at + header, packed as usize)?;
            let data = data.get(levels as usize..).unwrap_or_default();
            let mut count = MultiGzDecoder::new(data).take(bytes + 1);
            // What is wrong with it in other ways the library says.
            if std::io::copy(&mut count, &mut std::io::sink()).is_ok_and(|found| found > bytes) {
                return refuse(format!("a page that becomes more than its {bytes} bytes"));
            }
        }
        self.seen = Some(whole);
        Ok((whole, kind == 1))
    }
}

/// What so many bytes can become at most. A copy in Snappy is up to 64 bytes in three, a match of DEFLATE 258 in two bits, a
/// block of Zstandard 128 KiB in four bytes, a byte of a length in LZ4 counts 255; the library knows no other packings.
fn most(compression: Compression, bytes: u64) -> u64 {
    let times = match compression {
        Compression::SNAPPY => 22,
        Compression::GZIP(_) => 1032,
        Compression::ZSTD(_) => 1 << 15,
        Compression::LZ4_RAW => 255,
        // The size that is claimed does not matter.
        _ => return u64::MAX,
    };
    bytes.saturating_mul(times)
}

struct Pages {
    /// The column, for messages, and the number of the next page in its row group, from 0.
    column: String,
    page: u64,
    pages: Box<dyn PageReader>,
    /// The largest levels of repetition and definition.
    levels: [i16; 2],
    headers: Headers,
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.read();
        let page = page.map_err(|error| told(error, &self.column, self.page))?;
        self.page += 1;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.headers.look()?;
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.headers.pass()?;
        self.page += 1;
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.headers.look()?;
        self.pages.at_record_boundary()
    }
}

impl Pages {
    /// The next page, looked at and decoded. The library checks its checksum, where it has one.
    fn read(&mut self) -> Result<Option<Page>> {
        self.headers.pass()?;
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            check(page, self.levels)?;
        }
        Ok(page)
    }
}

/// The same fault with its page.
fn told(error: ParquetError, column: &str, page: u64) -> ParquetError {
    let reason = match error {
        ParquetError::General(reason) => reason,
        other => other.to_string(),
    };
    let reason = match &*reason {
        "Page CRC checksum mismatch" => "its bytes do not have its checksum",
        other => other,
    };
    ParquetError::General(format!("page {page} of the column `{column}`: {reason}"))
}

/// Whether the library can go on with a page whose columns have these levels.
fn check(page: &Page, levels: [i16; 2]) -> Result<()> {
    match page {
        // An entry has at least one byte.
        Page::DictionaryPage { buf, num_values, .. } if *num_values as usize > buf.len() => {
            refuse(format!("a dictionary of {num_values} entries in a page of {} bytes", buf.len()))
        }
        Page::DictionaryPage { .. } => Ok(()),
        Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, .. } => {
            let mut rest = &buf[..];
            for (level, how) in levels.into_iter().zip([rep_level_encoding, def_level_encoding]) {
                if level > 0 {
                    // The library says what is wrong with levels.
                    let Some(behind) = levels_end(level, *num_values, *how, rest) else { return Ok(()) };
                    rest = behind;
                }
            }
            delta::check(*encoding, rest, u64::from(*num_values)).or_else(refuse)
        }
        Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
            let at = (*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize);
            let Some(rest) = buf.get(at..) else {
                return refuse(format!("levels of {at} bytes in a page of {}", buf.len()));
            };
            delta::check(*encoding, rest, u64::from(*num_values)).or_else(refuse)
        }
    }
}

/// What stands behind the levels at the begin of a page of the first version.
#[expect(deprecated, reason = "old files have it")]
fn levels_end(level: i16, values: u32, how: Encoding, bytes: &[u8]) -> Option<&[u8]> {
    match how {
        Encoding::RLE => {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            rest.get(u32::from_le_bytes(*length) as usize..)
        }
        Encoding::BIT_PACKED => {
            let bits = u64::from(values) * u64::from(i16::BITS - level.leading_zeros());
            bytes.get(usize::try_from(bits.div_ceil(8)).ok()?..)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::{GzipLevel, ZstdLevel};

    fn dictionary(num_values: u32) -> Page {
        let buf = vec![0; 16].into();
        Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false }
    }

    #[test]
    fn a_dictionary_must_fit_into_its_page() {
        assert!(check(&dictionary(16), [0, 0]).is_ok());
        let error = check(&dictionary(1_961_481_127), [0, 0]).unwrap_err().to_string();
        assert!(error.contains("a dictionary of 1961481127 entries in a page of 16 bytes"), "{error}");
    }

    #[test]
    fn delta_encoded_values_are_counted_behind_the_levels() {
        // Block of 128 in 4 parts, 2^35 values.
        let huge = [0x80, 1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0];
        let first = |levels: &[u8], how| Page::DataPage {
            buf: [levels, &huge].concat().into(),
            num_values: 9,
            encoding: Encoding::DELTA_LENGTH_BYTE_ARRAY,
            def_level_encoding: how,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let told = |page: &Page, levels| check(page, levels).unwrap_err().to_string();
        let words = "34359738368 delta-encoded values in a page of 9";
        assert!(told(&first(&[], Encoding::RLE), [0, 0]).contains(words));
        let levels = [1, 0, 0, 0, 7, 2, 0, 0, 0, 7, 7];
        assert!(told(&first(&levels, Encoding::RLE), [1, 2]).contains(words));
        #[expect(deprecated)]
        let packed = Encoding::BIT_PACKED;
        assert!(told(&first(&[7; 3], packed), [0, 2]).contains(words));
        let second = Page::DataPageV2 {
            buf: [&levels[..], &huge].concat().into(),
            num_values: 9,
            encoding: Encoding::DELTA_BYTE_ARRAY,
            num_nulls: 0,
            num_rows: 9,
            def_levels_byte_len: 5,
            rep_levels_byte_len: 6,
            is_compressed: true,
            statistics: None,
        };
        assert!(told(&second, [1, 1]).contains(words));
    }

    /// The headers of one page whose header has these numbers, in front of `data`.
    fn headers(compression: Compression, bytes: u8, packed: u8, data: &[u8]) -> Headers {
        // Numbers are twice themselves, and below 64 one byte.
        let file = [&[0x15, 0, 0x15, 2 * bytes, 0x15, 2 * packed, 0][..], data].concat();
        let left = file.len() as u64;
        let source: Arc<dyn Source> = Arc::new(bytes::Bytes::from(file));
        Headers { source, page: Arc::new(PageLimit::new(u64::MAX)), compression, at: 0, left, seen: None }
    }

    #[test]
    fn sizes_must_be_possible() {
        let look = |compression, bytes, packed: u8| headers(compression, bytes, packed, &[0; 3]).look();
        let told = |compression, bytes, packed| look(compression, bytes, packed).unwrap_err().to_string();
        assert_eq!(look(Compression::SNAPPY, 22, 1).unwrap(), (8, false));
        assert!(told(Compression::SNAPPY, 23, 1).contains("a page of 1 bytes that become 23: SNAPPY cannot"));
        assert!(told(Compression::SNAPPY, 9, 4).contains("a page of 4 bytes, where 3 are left"));
        assert!(look(Compression::ZSTD(ZstdLevel::default()), 63, 1).is_ok());
        assert!(look(Compression::UNCOMPRESSED, 63, 1).is_ok());
        assert_eq!(most(Compression::GZIP(GzipLevel::default()), 2), 2064);
        let mut cut = Headers { left: 4, ..headers(Compression::SNAPPY, 1, 1, &[]) };
        assert!(cut.look().unwrap_err().to_string().contains("it is cut"));
        // The library would read the kind out of what is a list, and all that follows shifted.
        let file = [0x19, 0x25, 0, 0, 0x15, 2, 0x15, 2, 0, 0];
        let left = file.len() as u64;
        let source: Arc<dyn Source> = Arc::new(bytes::Bytes::copy_from_slice(&file));
        let mut other = Headers {
            source,
            page: Arc::new(PageLimit::new(u64::MAX)),
            compression: Compression::SNAPPY,
            at: 0,
            left,
            seen: None,
        };
        assert!(other.look().unwrap_err().to_string().contains("field 1 has type 9, and must be a whole"));
        let mut none = Headers { left: 0, ..headers(Compression::SNAPPY, 1, 1, &[]) };
        assert_eq!(none.look().unwrap(), (0, false));
    }
}
