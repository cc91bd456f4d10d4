//! Cutting a stream into chunks of whole lines, whole texts or blocks, each small enough to be one piece of work.
//! Where a chunk ends depends on the content alone.

use std::sync::Arc;

use regimen_base::units;

use crate::error::{Error, Place, Result};
use crate::memory::{Long, Memory, is_long};
use crate::read::attribute_lines::{Lines, MOST, Rows};
use crate::read::page::{PageKind, Raw};
use crate::read::stream::Stream;
use crate::read::table::{self, Header, Scan};

/// Bytes after which a chunk of lines or blocks ends. One longer line makes a longer chunk.
pub(crate) const CHUNK: usize = 1 << 20;

/// A piece of one file that ends where a document ends.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// Number of the source.
    pub source: u16,
    /// Number of the file.
    pub file: u32,
    /// Number of its first line or block, from 1.
    pub first: u64,
    /// Offset of its first byte in the file, decompressed.
    pub offset: u64,
    /// The bytes.
    pub data: Vec<u8>,
    /// Ends of the documents in it, for plain text, and of the rows of a table; none for lines.
    pub ends: Option<Vec<usize>>,
    /// The header of the table of which it is a part. The header's row stands at the begin of the first chunk.
    pub header: Option<Arc<Header>>,
    /// Documents that are not lines, instead of the bytes.
    pub pages: Vec<Raw>,
    /// Bytes of these.
    pub pages_bytes: usize,
    /// Rows of other files that belong to its rows, one by one.
    pub paired: Vec<Chunk>,
    /// The rows of attribute files that belong to its lines.
    pub beside: Vec<Rows>,
    /// Held while anybody works on it, if it has a long document.
    pub long: Option<Long>,
    /// Whether its lines were rows of a table, which go by their numbers there.
    pub of_table: bool,
}

/// The lines of `data` that are not blank, with their numbers; `first` is that of the first line. At the `start` of a file
/// a byte order mark is left out.
pub(crate) fn lines(data: &[u8], first: u64, start: bool) -> impl Iterator<Item = (u64, &[u8])> {
    let data = match data.strip_prefix("\u{feff}".as_bytes()) {
        Some(rest) if start => rest,
        _ => data,
    };
    let all = (first..).zip(data.split(|&b| b == b'\n'));
    all.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
}

impl Chunk {
    /// Bytes of its documents and of what belongs to them.
    pub fn bytes(&self) -> u64 {
        let paired = self.paired.iter().map(Chunk::bytes).sum::<u64>();
        let beside = self.beside.iter().map(|rows| rows.data.len()).sum::<usize>();
        (self.data.len() + self.pages_bytes + beside) as u64 + paired
    }

    /// What the numbers of its lines count.
    pub fn unit(&self) -> &'static str {
        if self.of_table { "row" } else { "line" }
    }

    /// Call `each` for every line that is not blank, with what tells its place in the file called `file`.
    ///
    /// # Errors
    /// [`Error::Encoding`] and [`Error::Marked`] for what is not UTF-8, and what `each` gives back.
    pub fn rows(
        &self,
        file: &str,
        mut each: impl FnMut(&str, &dyn Fn() -> Place) -> Result<()>,
    ) -> Result<()> {
        for (number, line) in self.lines() {
            let place = || Place { file: file.into(), unit: self.unit(), number };
            let line = std::str::from_utf8(line).map_err(|e| {
                let start = if self.offset == 0 { &self.data[..] } else { &[] };
                Error::encoding(place(), e.valid_up_to() as u64, start)
            })?;
            each(line, &place)?;
        }
        Ok(())
    }

    /// Its lines that are not blank, each with its number, without line feed and without the mark of the byte order.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut start = 0;
        let mut next = self.first;
        std::iter::from_fn(move || {
            while start < self.data.len() {
                let end = memchr::memchr(b'\n', &self.data[start..]).map_or(self.data.len(), |i| start + i);
                let mut line = &self.data[start..end];
                if self.offset == 0 && start == 0 {
                    line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
                }
                let number = next;
                start = end + 1;
                next += 1;
                if !line.iter().all(u8::is_ascii_whitespace) {
                    return Some((number, line));
                }
            }
            None
        })
    }
}

/// The chunks of one file.
pub(crate) struct Chunks {
    stream: Stream,
    how: How,
    source: u16,
    file: u32,
    next: u64,
    offset: u64,
    rest: Vec<u8>,
    done: bool,
    beside: Vec<Lines>,
    /// Bytes of a document at most.
    most: u64,
    memory: Option<Arc<Memory>>,
    long: Option<Long>,
    table: Option<Box<Table>>,
}

/// A table on the way.
struct Table {
    scan: Scan,
    header: Option<Arc<Header>>,
    /// Bytes of a row at most.
    most: usize,
}

impl Table {
    fn new(delimiter: u8) -> Table {
        Table { scan: Scan::new(delimiter), header: None, most: table::MOST }
    }
}

/// What makes a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    /// Each line is a row.
    Lines,
    /// The file.
    Whole,
    /// Each block of about so many bytes.
    Blocks(usize),
    /// Each row of a table with a header, with this byte between its fields.
    Table(u8),
    /// Each record, row or page.
    Pages(PageKind),
}

impl Chunks {
    pub fn new(stream: Stream, how: How, source: u16, file: u32) -> Chunks {
        Chunks {
            stream,
            how,
            source,
            file,
            next: 1,
            offset: 0,
            rest: Vec::new(),
            done: false,
            beside: Vec::new(),
            // Lengths of documents are counted in 32 bits.
            most: u64::from(u32::MAX),
            memory: None,
            long: None,
            table: match how {
                How::Table(delimiter) => Some(Box::new(Table::new(delimiter))),
                _ => None,
            },
        }
    }

    /// Within a memory, which says how long a document may be.
    pub fn within(self, memory: &Arc<Memory>) -> Chunks {
        Chunks { most: memory.longest(), memory: Some(Arc::clone(memory)), ..self }
    }

    /// With documents of so many bytes at most, for any number of threads at once.
    pub fn up_to(self, most: u64) -> Chunks {
        Chunks { most, ..self }
    }

    /// With attribute files, whose rows come in step with the lines.
    pub fn beside(self, beside: Vec<Lines>) -> Chunks {
        Chunks { beside, ..self }
    }

    /// The next chunk; none at the end of the file.
    pub fn next(&mut self) -> Result<Option<Chunk>> {
        let mut chunk = self.cut()?;
        match &mut chunk {
            None => self.beside.iter_mut().try_for_each(Lines::end)?,
            Some(chunk) if !self.beside.is_empty() => {
                let rows = || lines(&chunk.data, chunk.first, chunk.offset == 0);
                let count = rows().count() as u64;
                let file = self.stream.path();
                let most = self.most.min(MOST as u64) as usize + 2 * chunk.data.len();
                let missing = |row: u64| {
                    let number = rows().nth(row as usize).map_or(0, |(number, _)| number);
                    Place { file: file.into(), unit: "line", number }
                };
                let beside = self.beside.iter_mut().map(|file| file.take(count, most, missing));
                chunk.beside = beside.collect::<Result<_>>()?;
            }
            Some(_) => {}
        }
        Ok(chunk)
    }

    /// The same for who may have the turn of a long document: it is used, or taken, and given back.
    pub fn next_in(&mut self, turn: &mut Option<Long>) -> Result<Option<Chunk>> {
        self.long = turn.take();
        let mut chunk = self.next()?;
        *turn = chunk.as_mut().and_then(|chunk| chunk.long.take()).or_else(|| self.long.take());
        Ok(chunk)
    }

    fn cut(&mut self) -> Result<Option<Chunk>> {
        if self.done && self.rest.is_empty() {
            return Ok(None);
        }
        let mut data = std::mem::take(&mut self.rest);
        let (ends, cut) = match self.how {
            How::Lines => (None, self.lines(&mut data)?),
            How::Whole => {
                while !self.done {
                    self.not_too_long(data.len())?;
                    self.read(&mut data, CHUNK)?;
                }
                self.fits(data.len(), true)?;
                (Some(vec![data.len()]), data.len())
            }
            How::Table(delimiter) => {
                let ends = self.rows(&mut data, delimiter)?;
                let cut = ends.last().copied().unwrap_or(0);
                (Some(ends), cut)
            }
            // Such files are opened by `Pages`.
            How::Pages(_) => return Ok(None),
            How::Blocks(size) => {
                let ends = self.blocks(&mut data, size)?;
                let cut = ends.last().copied().unwrap_or(0);
                (Some(ends), cut)
            }
        };
        if data.is_empty() {
            return Ok(None);
        }
        self.rest = data.split_off(cut);
        let header = self.table.as_ref().and_then(|table| table.header.clone());
        let documents = match &ends {
            // The header is no row.
            Some(ends) => ends.len() as u64 - u64::from(header.is_some() && self.offset == 0),
            None => memchr::memchr_iter(b'\n', &data).count() as u64,
        };
        let chunk = Chunk {
            source: self.source,
            file: self.file,
            first: self.next,
            offset: self.offset,
            data,
            ends,
            header,
            pages: Vec::new(),
            pages_bytes: 0,
            paired: Vec::new(),
            beside: Vec::new(),
            long: self.long.take(),
            of_table: false,
        };
        self.next += documents;
        self.offset += cut as u64;
        Ok(Some(chunk))
    }

    fn read(&mut self, data: &mut Vec<u8>, bytes: usize) -> Result<()> {
        let got = self.stream.append(data, bytes)?;
        self.done = got < bytes;
        Ok(())
    }

    /// A document of which so many bytes were read is not longer than it may be, and a long one is for one thread at a time.
    fn not_too_long(&mut self, bytes: usize) -> Result<()> {
        self.fits(bytes, false)
    }

    /// The same of a document that has so many bytes, if it is `whole`.
    fn fits(&mut self, bytes: usize, whole: bool) -> Result<()> {
        let most = self.most;
        if bytes as u64 > most {
            let (unit, number) = if self.how == How::Lines { ("line", self.next) } else { ("", 0) };
            let place = Place { file: self.stream.path().into(), unit, number };
            let bytes = if whole { bytes as u64 } else { self.length(bytes)? };
            return Err(match bytes <= u64::from(u32::MAX) {
                true => Error::LongDocument { place, bytes, most },
                false => Error::TooLong { place, bytes },
            });
        }
        if let Some(memory) = &self.memory
            && is_long(bytes)
            && self.long.is_none()
        {
            self.long = Some(memory.long());
        }
        Ok(())
    }

    /// How long a document is of which so many bytes were read: it is read on to its end, or to more than any may have, and
    /// nothing of it is kept.
    fn length(&mut self, read: usize) -> Result<u64> {
        let (mut bytes, mut piece) = (read as u64, Vec::new());
        let mut table = self.table.take();
        if let Some(table) = &mut table {
            table.scan.forget(read);
        }
        while !self.done && bytes <= u64::from(u32::MAX) {
            piece.clear();
            self.read(&mut piece, CHUNK)?;
            let end = match (self.how, &mut table) {
                (How::Whole, _) => None,
                (_, None) => piece.iter().position(|&b| b == b'\n'),
                (_, Some(table)) => {
                    let mut ends = Vec::new();
                    // What is wrong with the rest is told when it is read.
                    let fault = table.scan.run(&piece, &mut ends).err();
                    table.scan.forget(piece.len());
                    ends.first().copied().or(fault.map(|(at, _)| at))
                }
            };
            bytes += end.unwrap_or(piece.len()) as u64;
            if end.is_some() {
                break;
            }
        }
        Ok(bytes)
    }

    /// Fill `data` to a chunk that ends behind a line feed or at the end of the file; gives back where.
    fn lines(&mut self, data: &mut Vec<u8>) -> Result<usize> {
        let mut searched = 0;
        loop {
            if data.len() < CHUNK && !self.done {
                let missing = CHUNK - data.len();
                self.read(data, missing)?;
            }
            let last = memchr::memrchr(b'\n', &data[searched..]).map(|found| searched + found + 1);
            if let Some(end) = if self.done { Some(data.len()) } else { last } {
                // With the last bytes that were read the first line may be longer than what was let pass before.
                let first =
                    memchr::memchr(b'\n', &data[searched..]).map_or(data.len(), |found| searched + found);
                self.fits(first, true)?;
                return Ok(end);
            }
            searched = data.len();
            self.not_too_long(searched)?;
            // A line longer than what was read so far: grow with it, so that long lines do not cost many steps.
            self.read(data, CHUNK.max(searched / 4))?;
        }
    }

    /// Fill `data` to a chunk that ends with a row of a table; gives back the ends of its rows. The header is among them.
    fn rows(&mut self, data: &mut Vec<u8>, delimiter: u8) -> Result<Vec<usize>> {
        let mut table = self.table.take().unwrap_or_else(|| Box::new(Table::new(delimiter)));
        let mut ends = Vec::new();
        loop {
            if data.len() < CHUNK && !self.done {
                let missing = CHUNK - data.len();
                self.read(data, missing)?;
            }
            if self.offset == 0 && table.scan.at == 0 && data.starts_with("\u{feff}".as_bytes()) {
                table.scan.at = 3;
            }
            let scanned = table.scan.run(data, &mut ends).and_then(|()| match self.done {
                true => table.scan.finish(data, &mut ends),
                false => Ok(()),
            });
            let row = (self.next + ends.len() as u64).saturating_sub(u64::from(self.offset == 0));
            if let Err((byte, reason)) = scanned {
                return Err(table::fault(self.stream.path(), row, self.offset + byte as u64, reason));
            }
            if self.done || !ends.is_empty() {
                if let Some(&first) = ends.first() {
                    self.table = Some(table);
                    self.fits(first, true)?;
                    table = self.table.take().unwrap_or_else(|| Box::new(Table::new(delimiter)));
                }
                break;
            }
            if data.len() > table.most {
                let reason = format!("a row of more than {}", units::bytes(table.most as u64));
                return Err(table::fault(self.stream.path(), row, self.offset, reason));
            }
            self.table = Some(table);
            self.not_too_long(data.len())?;
            table = self.table.take().unwrap_or_else(|| Box::new(Table::new(delimiter)));
            // As for long lines.
            self.read(data, CHUNK.max(data.len() / 4).min(table.most + 1 - data.len()))?;
        }
        if let (None, Some(&end)) = (&table.header, ends.first()) {
            let row = data[..end].strip_prefix("\u{feff}".as_bytes()).unwrap_or(&data[..end]);
            table.header = Some(Arc::new(Header::parse(self.stream.path(), row, delimiter)?));
        }
        table.scan.forget(ends.last().copied().unwrap_or(0));
        self.table = Some(table);
        Ok(ends)
    }

    /// Fill `data` and cut it into blocks; gives back their ends. At least one, unless there is no data.
    fn blocks(&mut self, data: &mut Vec<u8>, size: usize) -> Result<Vec<usize>> {
        let mut ends = Vec::new();
        let mut start = 0;
        loop {
            match cut(&data[start..], size, self.done) {
                Some(end) => {
                    start += end;
                    ends.push(start);
                    if start == data.len() && self.done {
                        return Ok(ends);
                    }
                }
                None if self.done => return Ok(ends),
                None if start >= CHUNK => return Ok(ends),
                None => {
                    self.not_too_long(data.len() - start)?;
                    let more = CHUNK.max(2 * size).max(data.len() - start);
                    self.read(data, more)?;
                }
            }
        }
    }
}

/// Where the first block of `data` ends: behind the last blank line of its second half up to `size` bytes, or else
/// behind the last line feed up to there, or else behind the next one. None if more data is needed or there is none.
/// A last piece of at most a quarter stays with the block before it.
fn cut(data: &[u8], size: usize, complete: bool) -> Option<usize> {
    let most = size + size / 4;
    if data.len() <= most {
        return (complete && !data.is_empty()).then_some(data.len());
    }
    let window = &data[..size];
    let feeds = || (0..size).rev().filter(|&i| window[i] == b'\n');
    let blank = |&i: &usize| {
        i > 0 && (window[i - 1] == b'\n' || (window[i - 1] == b'\r' && i > 1 && window[i - 2] == b'\n'))
    };
    if let Some(i) = feeds().take_while(|&i| i >= size / 2).find(blank) {
        return Some(i + 1);
    }
    if let Some(i) = feeds().next() {
        return Some(i + 1);
    }
    match data[size..].iter().position(|&b| b == b'\n') {
        Some(i) => Some(size + i + 1),
        None => complete.then_some(data.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::input;
    use proptest::prelude::*;

    fn chunks(content: &[u8], how: How) -> Vec<Chunk> {
        let dir = tempfile::tempdir().unwrap();
        let file = input(dir.path(), "a.txt", content);
        let mut chunks = Chunks::new(Stream::open(&file, Arc::default()).unwrap(), how, 3, 5);
        std::iter::from_fn(|| chunks.next().unwrap()).collect()
    }

    fn documents(content: &[u8], how: How) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for chunk in chunks(content, how) {
            let mut start = 0;
            for end in chunk.ends.unwrap() {
                out.push(chunk.data[start..end].to_vec());
                start = end;
            }
        }
        out
    }

    #[test]
    fn lines_are_never_torn_and_are_numbered() {
        let line = |i: usize| format!("{i}:{}\n", "x".repeat(i * 7919 % 30_000));
        let mut content: String = (1..300).map(line).collect();
        content.push_str(&"y".repeat(3 * CHUNK));
        content.push_str("\nlast");
        let chunks = chunks(content.as_bytes(), How::Lines);
        assert!(chunks.len() > 3);
        let mut offset = 0;
        for chunk in &chunks {
            assert_eq!((chunk.source, chunk.file, chunk.offset), (3, 5, offset));
            offset += chunk.data.len() as u64;
            let text = std::str::from_utf8(&chunk.data).unwrap();
            let number: u64 = match text.split(':').next().unwrap() {
                "last" => 301,
                ys if ys.starts_with('y') => 300,
                digits => digits.parse().unwrap(),
            };
            assert_eq!(number, chunk.first);
        }
        let all: Vec<u8> = chunks.into_iter().flat_map(|c| c.data).collect();
        assert_eq!(all, content.as_bytes());
    }

    #[test]
    fn how_long_a_document_may_be_does_not_depend_on_what_was_read_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let most = 3 * CHUNK as u64;
        let fault = |content: &[u8], how: How| {
            let file = input(dir.path(), "a.txt", content);
            let mut chunks = Chunks::new(Stream::open(&file, Arc::default()).unwrap(), how, 0, 0).up_to(most);
            loop {
                match chunks.next() {
                    Ok(None) => return None,
                    Ok(Some(_)) => {}
                    Err(Error::LongDocument { bytes, .. }) => return Some(bytes),
                    Err(error) => panic!("{error}"),
                }
            }
        };
        for over in [0, 1, CHUNK / 5, CHUNK - 1, CHUNK, 9 * CHUNK] {
            let expected = (over > 0).then_some(most + over as u64);
            let long = "y".repeat(most as usize + over);
            for before in ["", "short\n", &format!("{}\n", "x".repeat(CHUNK / 2)), &"x\n".repeat(CHUNK)] {
                for after in ["", "\n", "\nshort\n", &"\nz".repeat(CHUNK)] {
                    let content = format!("{before}{long}{after}");
                    assert_eq!(fault(content.as_bytes(), How::Lines), expected, "{over} {}", before.len());
                }
            }
            assert_eq!(fault(long.as_bytes(), How::Whole), expected, "{over}");
            // A row of a table has its line feed.
            let table = format!("a\n{}\nb\n", &long[1..]);
            assert_eq!(fault(table.as_bytes(), How::Table(b',')), expected, "{over}");
        }
    }

    #[test]
    fn blocks_end_at_blank_lines_then_at_line_ends_and_lose_nothing() {
        let text = b"one one\none one\n\ntwo two two\ntwo two two\nthree three three three three three three";
        let blocks = documents(text, How::Blocks(24));
        let shown: Vec<&str> = blocks.iter().map(|b| std::str::from_utf8(b).unwrap()).collect();
        assert_eq!(
            shown,
            [
                "one one\none one\n\n",
                "two two two\ntwo two two\n",
                "three three three three three three three"
            ]
        );
        assert_eq!(documents(b"short\n", How::Blocks(24)), [b"short\n"]);
        assert!(documents(b"", How::Blocks(24)).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn blocks_put_together_are_the_text(
            lines in proptest::collection::vec("[a-z]{0,60}", 0..60), size in 1usize..200, ending in 0usize..2
        ) {
            let text = lines.join(["\n", "\r\n"][ending]);
            let blocks = documents(text.as_bytes(), How::Blocks(size));
            prop_assert_eq!(blocks.concat(), text.as_bytes());
            prop_assert!(blocks.iter().all(|b| !b.is_empty()));
            let longest = lines.iter().map(String::len).max().unwrap_or(0) + 2;
            prop_assert!(blocks.iter().all(|b| b.len() <= size + size / 4 + longest));
        }
    }

    #[test]
    fn rows_of_a_table_are_never_torn_and_are_numbered() {
        let row = |i: usize| format!("{i},\"{}\n\"\"{}\"\r\n", "x".repeat(i * 7919 % 30_000), i);
        let content: String =
            std::iter::once("\u{feff}\"n\",text\r\n".into()).chain((1..300).map(row)).collect();
        let chunks = chunks(content.as_bytes(), How::Table(b','));
        assert!(chunks.len() > 3);
        let (mut offset, mut next) = (0, 1);
        for chunk in &chunks {
            assert_eq!((chunk.offset, chunk.first), (offset, next));
            assert_eq!(chunk.header.as_ref().unwrap().columns, ["n", "text"]);
            let mut start = 0;
            for &end in chunk.ends.as_ref().unwrap() {
                let record = std::str::from_utf8(&chunk.data[start..end]).unwrap();
                if offset + start as u64 > 0 {
                    assert_eq!(record, row(next as usize));
                    next += 1;
                }
                start = end;
            }
            offset += chunk.data.len() as u64;
        }
        assert_eq!((next, offset), (300, content.len() as u64));
    }

    #[test]
    fn a_row_may_be_long_but_not_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let open = |content: &[u8]| {
            let file = input(dir.path(), "a.csv", content);
            Chunks::new(Stream::open(&file, Arc::default()).unwrap(), How::Table(b','), 0, 0)
        };
        let long = format!("id,text\n1,\"{}\"\n2,b\n", "line\n".repeat(20 << 20));
        let mut chunks = open(long.as_bytes());
        let first = chunks.next().unwrap().unwrap();
        assert_eq!((first.ends.unwrap(), first.first), (vec![8], 1), "the header stands alone");
        let second = chunks.next().unwrap().unwrap();
        assert_eq!((second.first, second.data.len()), (1, long.len() - 8));
        assert!(second.data.capacity() < 2 * long.len());
        assert!(chunks.next().unwrap().is_none());
        // Nothing but a quote that is never closed.
        let endless = format!("id,text\n1,\"{}", "x".repeat(9 << 20));
        let mut chunks = open(endless.as_bytes());
        chunks.table.as_mut().unwrap().most = 5 << 20;
        chunks.next().unwrap();
        let error = chunks.next().unwrap_err().to_string();
        assert!(error.starts_with("`a.csv`, byte 8: CSV row 1: a row of more than"), "{error}");
        let mut cut = open(b"id,text\n1,a\n2,\"b\n");
        let error = cut.next().unwrap_err().to_string();
        assert!(error.starts_with("`a.csv`, byte 14: CSV row 2: the quote"), "{error}");
        assert!(open(b"").next().unwrap().is_none());
    }

    #[test]
    fn long_text_is_cut_alike_whatever_was_read_at_once() {
        let text: Vec<u8> = (0..400_000).flat_map(|i: u32| format!("{i}\n").into_bytes()).collect();
        let blocks = documents(&text, How::Blocks(10_000));
        assert_eq!(blocks.concat(), text);
        assert!(blocks[..blocks.len() - 1].iter().all(|b| b.len() > 9_990 && b.len() <= 10_000));
    }
}
