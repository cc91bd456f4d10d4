//! Tables as text: CSV (RFC 4180) and the same with tabs, with a header row.
//!
//! A field may stand in quotes, in which commas, line feeds and doubled quotes belong to it; quotes inside of a field that does
//! not begin with one are characters like others. Rows end with a line feed, or a carriage return before one.
//!
//! Where rows end cannot be told from the middle of a file, so a thread [scans](Scan) it from the begin, remembering whether it
//! stands in quotes; taking [rows](fields) apart is the work of all threads.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::error::{Error, Place, Result};
use crate::read::attribute_row::shown;

/// Bytes of a row at most: a quote that is never closed would make a row of the rest of the file.
pub(crate) const MOST: usize = 256 << 20;
/// Columns at most.
const COLUMNS: usize = 1 << 14;
/// Columns that a message names at most.
const NAMED: usize = 40;

/// What a file is: what stands between its fields, and the names of its columns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub delimiter: u8,
    pub columns: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A field begins.
    Begin,
    /// In a field without quotes.
    Plain,
    /// In a field in quotes.
    Quoted,
    /// Behind a quote in such a field: it ends here, unless another quote follows.
    Behind,
}

/// Looks for the ends of rows.
#[derive(Debug)]
pub(crate) struct Scan {
    delimiter: u8,
    state: State,
    /// Where it goes on.
    pub at: usize,
    /// The quote that opened the field.
    quote: usize,
}

/// What is wrong with the bytes at an offset.
pub(crate) type Fault = (usize, &'static str);

impl Scan {
    pub fn new(delimiter: u8) -> Scan {
        Scan { delimiter, state: State::Begin, at: 0, quote: 0 }
    }

    /// Go on to the end of `data`, and add the places behind all rows that end there.
    ///
    /// # Errors
    /// For what follows a field in quotes and is no end of it.
    pub fn run(&mut self, data: &[u8], ends: &mut Vec<usize>) -> std::result::Result<(), Fault> {
        while self.at < data.len() {
            match self.state {
                State::Begin => {
                    if data[self.at] == b'"' {
                        (self.state, self.quote) = (State::Quoted, self.at);
                        self.at += 1;
                    } else {
                        self.state = State::Plain;
                    }
                }
                State::Plain => match memchr2(self.delimiter, b'\n', &data[self.at..]) {
                    None => self.at = data.len(),
                    Some(i) => self.end(data, self.at + i, ends),
                },
                State::Quoted => match memchr(b'"', &data[self.at..]) {
                    None => self.at = data.len(),
                    Some(i) => (self.state, self.at) = (State::Behind, self.at + i + 1),
                },
                State::Behind => match &data[self.at..] {
                    [b'"', ..] => (self.state, self.at) = (State::Quoted, self.at + 1),
                    // More is needed to tell.
                    [b'\r'] => return Ok(()),
                    [b'\r', b'\n', ..] => self.end(data, self.at + 1, ends),
                    [b, ..] if *b == self.delimiter || *b == b'\n' => self.end(data, self.at, ends),
                    _ => return Err((self.at, BEHIND)),
                },
            }
        }
        Ok(())
    }

    /// The field ends at `at`, and with a line feed the row.
    fn end(&mut self, data: &[u8], at: usize, ends: &mut Vec<usize>) {
        (self.state, self.at) = (State::Begin, at + 1);
        if data[at] == b'\n' {
            ends.push(at + 1);
        }
    }

    /// The data ends here: so does the last row.
    ///
    /// # Errors
    /// For a quote that was not closed.
    pub fn finish(&mut self, data: &[u8], ends: &mut Vec<usize>) -> std::result::Result<(), Fault> {
        if self.state == State::Quoted {
            return Err((self.quote, "the quote that opens a field here is never closed"));
        }
        if ends.last().copied().unwrap_or(0) < data.len() {
            ends.push(data.len());
        }
        (self.state, self.at) = (State::Begin, data.len());
        Ok(())
    }

    /// The first `bytes` of the data are taken away.
    pub fn forget(&mut self, bytes: usize) {
        self.at = self.at.saturating_sub(bytes);
        self.quote = self.quote.saturating_sub(bytes);
    }
}

const BEHIND: &str = "text follows the quote that closes a field; a quote in such a field must be doubled";

/// Whether a row has nothing in it, not even a delimiter.
pub(crate) fn is_blank(row: &[u8]) -> bool {
    matches!(row, b"" | b"\n" | b"\r\n")
}

/// The fields of a row, with or without its end.
///
/// # Errors
/// As [`Scan`]; offsets are those in the row.
pub(crate) fn fields(row: &str, delimiter: u8) -> std::result::Result<Vec<Cow<'_, str>>, Fault> {
    let row = row.strip_suffix('\n').unwrap_or(row);
    let bytes = row.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&b'"') {
            let (start, mut doubled) = (at + 1, false);
            let mut from = start;
            let end = loop {
                let Some(i) = memchr(b'"', &bytes[from..]) else {
                    return Err((at, "the quote that opens a field here is never closed"));
                };
                if bytes.get(from + i + 1) != Some(&b'"') {
                    break from + i;
                }
                (from, doubled) = (from + i + 2, true);
            };
            let field = &row[start..end];
            out.push(if doubled { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) });
            at = end + 1;
            match bytes.get(at) {
                None => return Ok(out),
                Some(b'\r') if at + 1 == bytes.len() => return Ok(out),
                Some(b) if *b == delimiter => at += 1,
                Some(_) => return Err((at, BEHIND)),
            }
        } else {
            match memchr(delimiter, &bytes[at..]) {
                Some(i) => {
                    out.push(Cow::Borrowed(&row[at..at + i]));
                    at += i + 1;
                }
                None => {
                    let last = &row[at..];
                    out.push(Cow::Borrowed(last.strip_suffix('\r').unwrap_or(last)));
                    return Ok(out);
                }
            }
        }
    }
}

impl Header {
    /// Read the header row of `file`.
    ///
    /// # Errors
    /// [`Error::Encoding`], [`Error::Marked`], [`Error::Foreign`], [`Error::Column`] for two columns of one name, [`Error::TooMany`].
    pub fn parse(file: &str, row: &[u8], delimiter: u8) -> Result<Header> {
        let text = std::str::from_utf8(row).map_err(|error| {
            let place = Place { file: file.into(), unit: "", number: 0 };
            Error::encoding(place, error.valid_up_to() as u64, row)
        })?;
        let columns =
            fields(text, delimiter).map_err(|(byte, reason)| fault(file, 0, byte as u64, reason))?;
        if columns.len() > COLUMNS {
            return Err(Error::TooMany { what: "columns", most: COLUMNS as u64 });
        }
        let header =
            Header { delimiter, columns: columns.into_iter().map(Cow::into_owned).collect::<Vec<_>>() };
        let mut sorted: Vec<&String> = header.columns.iter().collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => Err(header.column(file, two[0], "two columns have this name")),
            None => Ok(header),
        }
    }

    /// The number of a column.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// What is wrong with a column.
    pub fn column(&self, file: &str, column: &str, reason: &str) -> Error {
        let named = self.columns.iter().take(NAMED).map(|name| shown(name).into_owned());
        let more = self.columns.len().checked_sub(NAMED + 1).map(|more| format!("and {} more", more + 1));
        let columns = named.chain(more).collect();
        Error::Column { file: file.into(), column: shown(column).into(), reason: reason.into(), columns }
    }
}

/// A table is none: in its header (row 0) or another row, at a byte of the file.
pub(crate) fn fault(file: &str, row: u64, byte: u64, reason: impl Into<String>) -> Error {
    let field = if row == 0 { "header".into() } else { format!("row {row}") };
    Error::Foreign { file: file.into(), format: "CSV", offset: byte, field, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows by the scan, `step` bytes at a time, and their fields.
    fn rows(data: &str, delimiter: u8, step: usize) -> std::result::Result<Vec<Vec<String>>, Fault> {
        let (mut scan, mut ends) = (Scan::new(delimiter), Vec::new());
        for end in (0..data.len()).step_by(step).chain([data.len()]) {
            scan.run(&data.as_bytes()[..end], &mut ends)?;
        }
        scan.finish(data.as_bytes(), &mut ends)?;
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let each = starts.zip(&ends).map(|(start, &end)| &data[start..end]);
        let owned = |row: &str| Ok(fields(row, delimiter)?.into_iter().map(Cow::into_owned).collect());
        each.filter(|row| !is_blank(row.as_bytes())).map(owned).collect()
    }

    fn read(data: &str) -> Vec<Vec<String>> {
        rows(data, b',', 1).unwrap()
    }

    #[test]
    fn quotes_hold_commas_line_feeds_and_quotes() {
        assert_eq!(read("a,b\n1,2\n"), [["a", "b"], ["1", "2"]]);
        assert_eq!(
            read("\"x,y\",\"1\n2\"\r\n\"say \"\"no\"\"\",\"\""),
            [["x,y", "1\n2"], ["say \"no\"", ""]]
        );
        assert_eq!(read("a,\n,b\n,\n"), [["a", ""], ["", "b"], ["", ""]]);
        assert_eq!(read("\n\r\na\n\nb"), [["a"], ["b"]]);
        assert_eq!(read("5\" pipe,it\"s\"\n"), [["5\" pipe", "it\"s\""]], "quotes inside of plain fields");
        assert_eq!(read("\"\"\"\",\"a\r\nb\"\r\n"), [["\"", "a\r\nb"]]);
        assert_eq!(rows("a\t\"b\tc\"\nd,e\tf", b'\t', 3).unwrap(), [["a", "b\tc"], ["d,e", "f"]]);
        assert_eq!(read("é,\"中\u{0}\"\n"), [["é", "中\u{0}"]]);
    }

    #[test]
    fn what_is_no_table_is_told_with_its_byte() {
        let fault = |data: &str| rows(data, b',', 1).unwrap_err();
        assert_eq!(fault("a,b\n\"c\" d,e\n"), (7, BEHIND));
        let (at, reason) = fault("a,b\n1,\"c\nd\ne");
        assert!(at == 6 && reason.contains("never closed"), "{at} {reason}");
        assert_eq!(fault("\"a\"\rb").0, 3);
        let header = |row: &[u8]| Header::parse("x.csv", row, b',').unwrap_err().to_string();
        assert_eq!(header(b"a,b,a\n"), "`x.csv`: column `a`: two columns have this name");
        assert!(header(b"\xffa\0").contains("invalid UTF-8 at byte 0 of the file"));
        assert!(header(b"\xff\xfea\0").contains("UTF-16"));
        assert!(header("x,".repeat(COLUMNS + 1).as_bytes()).contains("columns"));
        let long = Header::parse("x.csv", ("a".repeat(500) + ",b").as_bytes(), b',').unwrap();
        assert!(long.column("x.csv", "t", "no").to_string().len() < 100);
    }

    /// A field as RFC 4180 has it.
    fn written(field: &str, quoted: bool, delimiter: char) -> String {
        let needs = field.contains([delimiter, '"', '\n', '\r']);
        if needs || quoted { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.into() }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_comes(
            table in prop::collection::vec(prop::collection::vec(("[a\"\n\r,\té🦀 ]{0,6}", any::<bool>()), 2..4), 0..8),
            (step, delimiter, end) in (1usize..9, 0usize..2, 0usize..2), last in any::<bool>(),
        ) {
            let (delimiter, end) = ([',', '\t'][delimiter], ["\n", "\r\n"][end]);
            let row = |row: &Vec<(String, bool)>| {
                let fields: Vec<String> = row.iter().map(|(f, quoted)| written(f, *quoted, delimiter)).collect();
                fields.join(&delimiter.to_string())
            };
            let mut data = table.iter().map(row).collect::<Vec<_>>().join(end);
            if last {
                data.push_str(end);
            }
            let expected: Vec<Vec<String>> =
                table.iter().map(|row| row.iter().map(|(field, _)| field.clone()).collect()).collect();
            prop_assert_eq!(rows(&data, delimiter as u8, step).unwrap(), expected);
        }

        #[test]
        fn any_bytes_are_cut_without_loss_or_refused(data in "[ab\"\",,\n\n\r\té]{0,40}", step in 1usize..9) {
            let (mut scan, mut ends) = (Scan::new(b','), Vec::new());
            let whole = scan.run(data.as_bytes(), &mut ends).and_then(|()| scan.finish(data.as_bytes(), &mut ends));
            match (whole, rows(&data, b',', step)) {
                (Ok(()), Ok(_)) => {
                    prop_assert!(ends.is_sorted() && ends.last().copied().unwrap_or(0) == data.len());
                }
                (Err(a), Err(b)) => prop_assert_eq!(a, b),
                (a, b) => prop_assert!(false, "{:?} {:?}", a, b),
            }
        }
    }
}
