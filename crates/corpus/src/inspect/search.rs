//! Search for an exact text or a regular expression, in document order whatever the number of threads.
//!
//! Exact text is found by `memchr::memmem` (the Two-Way algorithm behind a vectorised prefilter: linear time).
//! Regular expressions are those of the crate `regex-automata`: no look-around and no back-references. Its searches are
//! linear, one by one; where a text has many matches that each read far ahead, [`all_matches`](super::all_matches) finds the rest, so
//! that all of them take linear time. `^` and `$` stand for the ends of lines. Matches do not overlap and never go from one
//! document into the next.

use std::ops::Range;

use memchr::memmem;
use rayon::prelude::*;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use serde::Serialize;

use super::all_matches::AllMatches;
use super::error::{Error, Result};
use super::originals::{Absent, Originals};
use crate::corpus::Corpus;
use crate::edit::{KeptRange, Sources};

/// Bytes of text that are one piece of work.
const PIECE: u64 = 1 << 20;
/// Pieces per thread that are searched before their matches are handed out.
const WINDOW: usize = 8;
/// Bytes of a line that are shown on either side of a match.
const AROUND: usize = 80;
/// Bytes that a compiled regular expression may take.
const PATTERN: usize = 32 << 20;

/// What searches of one text, one after the other, may read: so many bytes for each of its bytes, and so many more.
const READ: [usize; 2] = [64, 4 << 20];
/// Longest matches, in bytes, that a search need not read far ahead for.
const AHEAD: usize = 256;

/// What is searched for.
pub struct Pattern(Kind);

enum Kind {
    Text(Box<memmem::Finder<'static>>),
    Regex(Box<Expression>),
}

struct Expression {
    regex: Regex,
    /// Bytes of the longest match, if there is one.
    most: Option<usize>,
    /// The other way to find all matches, if one search after the other may read a text many times.
    all: Option<AllMatches>,
}

impl Expression {
    fn each(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        let (mut begin, mut read, mut line_end) = (0, 0, 0);
        for place in self.regex.find_iter(text).map(|m| m.range()) {
            let end = place.end;
            found(place);
            let Some(all) = &self.all else { continue };
            // What the search may have read at most.
            let mut last = self.most.map_or(text.len(), |most| text.len().min(end.saturating_add(most)));
            if all.stays_in_line() {
                if line_end < end {
                    line_end = memchr::memchr(b'\n', &text[end..]).map_or(text.len(), |i| end + i + 1);
                }
                last = last.min(line_end);
            }
            read += last - begin;
            begin = end;
            if read > READ[0] * text.len() + READ[1] {
                return all.each(text, begin, found);
            }
        }
    }
}

impl Pattern {
    /// An exact text.
    ///
    /// # Errors
    /// [`Error::MatchesNothing`] if it is empty.
    pub fn text(text: &str) -> Result<Pattern> {
        if text.is_empty() {
            return Err(Error::MatchesNothing { pattern: text.into() });
        }
        Ok(Pattern(Kind::Text(Box::new(memmem::Finder::new(text.as_bytes()).into_owned()))))
    }

    /// An exact text whatever its letters' case, by the simple case folding of Unicode.
    ///
    /// # Errors
    /// As [`Pattern::text`].
    pub fn text_ignoring_case(text: &str) -> Result<Pattern> {
        Pattern::regex(&regex_syntax::escape(text), true)
    }

    /// A regular expression.
    ///
    /// # Errors
    /// [`Error::Pattern`] if it is none or needs too much memory, [`Error::MatchesNothing`] if it can match the empty text.
    pub fn regex(pattern: &str, ignore_case: bool) -> Result<Pattern> {
        let bad = |reason: String| Error::Pattern { pattern: pattern.into(), reason };
        let hir = regex_syntax::ParserBuilder::new()
            .case_insensitive(ignore_case)
            .multi_line(true)
            .build()
            .parse(pattern)
            .map_err(|error| bad(error.to_string()))?;
        if hir.properties().minimum_len().unwrap_or(0) == 0 {
            return Err(Error::MatchesNothing { pattern: pattern.into() });
        }
        let syntax = syntax::Config::new().case_insensitive(ignore_case).multi_line(true);
        let regex = Regex::builder()
            .configure(Regex::config().nfa_size_limit(Some(PATTERN)))
            .syntax(syntax)
            .build(pattern)
            .map_err(|error| bad(error.to_string()))?;
        let most = hir.properties().maximum_len();
        // Short matches end a search soon.
        let short = most.is_some_and(|most| most <= AHEAD);
        let all = if short { None } else { AllMatches::new(pattern, syntax) };
        Ok(Pattern(Kind::Regex(Box::new(Expression { regex, most, all }))))
    }

    /// Words as they are typed into a search box: an exact text, whatever its letters' case unless one of them is a
    /// capital.
    ///
    /// # Errors
    /// As [`Pattern::text`].
    pub fn words(text: &str) -> Result<Pattern> {
        if text.chars().any(char::is_uppercase) {
            Pattern::text(text)
        } else {
            Pattern::text_ignoring_case(text)
        }
    }

    /// Whether it occurs in a text.
    pub fn occurs(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Text(finder) => finder.find(text.as_bytes()).is_some(),
            Kind::Regex(expression) => expression.regex.is_match(text.as_bytes()),
        }
    }

    /// Where it occurs in a text, in rising order.
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut places = Vec::new();
        self.each(text.as_bytes(), |place| places.push(place));
        places
    }

    fn each(&self, text: &[u8], mut found: impl FnMut(Range<usize>)) {
        match &self.0 {
            Kind::Text(finder) => {
                let length = finder.needle().len();
                finder.find_iter(text).for_each(|start| found(start..start + length));
            }
            Kind::Regex(expression) => expression.each(text, &mut found),
        }
    }
}

/// One match.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Match {
    /// `source:id` of the document.
    pub document: String,
    /// Its number.
    pub ordinal: u32,
    /// Its key.
    pub key: String,
    /// Where it came from: file and line.
    pub place: String,
    /// Training or validation; none if it was dropped.
    pub split: Option<&'static str>,
    /// Why it was dropped; none if it was kept.
    pub dropped: Option<String>,
    /// Offset of the match in the text in bytes: in the kept text, or in the source text of a dropped document.
    pub start: u32,
    /// Offset behind it.
    pub end: u32,
    /// Offset of its first byte in the source text; none if edits put it in.
    pub source_start: Option<u32>,
    /// Line of the text in which it begins, from 1.
    pub line: u32,
    /// What stands before it in its line, cut to about 80 bytes.
    pub before: String,
    /// The match.
    pub text: String,
    /// What stands behind it in its line, cut to about 80 bytes.
    pub after: String,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Searched {
    /// Matches found.
    pub matches: u64,
    /// Documents that have one.
    pub documents: u64,
    /// Bytes of text searched.
    pub bytes: u64,
    /// Whether the search stopped early because enough was found: then the counts are least counts.
    pub stopped: bool,
}

/// Matches in one piece of work.
#[derive(Default)]
struct Found {
    places: Vec<(u32, u32, u32)>,
    matches: u64,
    documents: u64,
    bytes: u64,
}

/// Search the kept texts. `take` gets up to `most` matches in document order; once it has them the search stops, unless
/// `count` asks for whole counts.
///
/// # Errors
/// Those of `take`, and [`Error::Corpus`] for a damaged corpus.
pub fn search(
    corpus: &Corpus,
    pattern: &Pattern,
    most: u64,
    count: bool,
    take: &mut dyn FnMut(Match) -> Result<()>,
) -> Result<Searched> {
    let mut sum = Searched::default();
    let mut given = 0;
    let pieces = cut(corpus);
    let window = WINDOW * rayon::current_num_threads().max(1);
    for window in pieces.chunks(window) {
        if given >= most && !count {
            sum.stopped = true;
            break;
        }
        let wanted = (most - given).min(usize::MAX as u64) as usize;
        let found: Vec<Found> =
            window.par_iter().map(|range| search_piece(corpus, pattern, range.clone(), wanted)).collect();
        let mut shown: Option<Shown> = None;
        for piece in found {
            sum.matches += piece.matches;
            sum.documents += piece.documents;
            sum.bytes += piece.bytes;
            for (ordinal, start, end) in piece.places {
                if given < most {
                    given += 1;
                    let shown = match &mut shown {
                        Some(shown) if shown.ordinal == ordinal => shown,
                        // Read with the check: what is shown is text.
                        other => other.insert(Shown::new(
                            corpus,
                            ordinal,
                            corpus.text(ordinal)?.unwrap_or_default(),
                        )?),
                    };
                    take(shown.a_match(start, end))?;
                }
            }
        }
    }
    Ok(sum)
}

/// The same in the source texts of the dropped documents, which are read again. Also gives back the documents whose text
/// could not be had.
///
/// # Errors
/// As [`search`].
pub fn search_dropped(
    corpus: &Corpus,
    originals: &Originals,
    pattern: &Pattern,
    most: u64,
    count: bool,
    take: &mut dyn FnMut(Match) -> Result<()>,
) -> Result<(Searched, Vec<Absent>)> {
    let dropped: Vec<u32> = (0..corpus.len() as u32).filter(|&ordinal| !corpus.row(ordinal).kept()).collect();
    let mut sum = Searched::default();
    let mut given = 0;
    let mut absent = Vec::new();
    // File by file, so that a search that finds enough does not read all of them.
    for some in dropped.chunk_by(|&a, &b| corpus.row(a).file == corpus.row(b).file) {
        if given >= most && !count {
            sum.stopped = true;
            break;
        }
        absent.extend(originals.each(corpus, some, &mut |ordinal, text| {
            let before = sum.matches;
            let mut fault = None;
            let mut shown = Shown::new(corpus, ordinal, text)?;
            pattern.each(text.as_bytes(), |range| {
                sum.matches += 1;
                if given < most && fault.is_none() {
                    given += 1;
                    fault = take(shown.a_match(range.start as u32, range.end as u32)).err();
                }
            });
            sum.documents += u64::from(sum.matches > before);
            sum.bytes += text.len() as u64;
            fault.map_or(Ok(()), Err)
        })?);
    }
    Ok((sum, absent))
}

/// Ranges of ordinals with about one piece of text each.
fn cut(corpus: &Corpus) -> Vec<Range<u32>> {
    let mut pieces = Vec::new();
    let (mut start, mut from) = (0, 0);
    for ordinal in 0..corpus.len() as u32 {
        let end = corpus.range(ordinal).end;
        if end - from >= PIECE {
            pieces.push(start..ordinal + 1);
            (start, from) = (ordinal + 1, end);
        }
    }
    pieces.push(start..corpus.len() as u32);
    pieces
}

fn search_piece(corpus: &Corpus, pattern: &Pattern, range: Range<u32>, wanted: usize) -> Found {
    let mut found = Found::default();
    for ordinal in range {
        let text = corpus.bytes(ordinal);
        let before = found.matches;
        pattern.each(text, |range| {
            found.matches += 1;
            if found.places.len() < wanted {
                found.places.push((ordinal, range.start as u32, range.end as u32));
            }
        });
        found.documents += u64::from(found.matches > before);
        found.bytes += text.len() as u64;
    }
    found
}

/// A document whose matches are shown in rising order: its lines are counted once.
struct Shown<'c> {
    corpus: &'c Corpus,
    ordinal: u32,
    text: &'c str,
    map: Option<Vec<KeptRange>>,
    sources: Sources,
    /// The byte up to which lines are counted, how many ended before it, and where the last of them did.
    at: usize,
    lines: u32,
    line_start: usize,
    /// Where the line ends in which the match before ended.
    line_end: usize,
}

impl<'c> Shown<'c> {
    fn new(corpus: &'c Corpus, ordinal: u32, text: &'c str) -> Result<Shown<'c>> {
        let map = if corpus.row(ordinal).kept() { corpus.keep_map(ordinal)? } else { None };
        let sources = Sources::default();
        Ok(Shown { corpus, ordinal, text, map, sources, at: 0, lines: 0, line_start: 0, line_end: 0 })
    }

    fn a_match(&mut self, start: u32, end: u32) -> Match {
        let (corpus, text) = (self.corpus, self.text);
        let row = corpus.row(self.ordinal);
        let source_start = match &self.map {
            None => Some(start),
            Some(map) => self.sources.of(map, &corpus.names().replacements, start),
        };
        // A pattern over bytes may end inside of a character.
        let (from, to) = (text.floor_char_boundary(start as usize), text.ceil_char_boundary(end as usize));
        for feed in memchr::memchr_iter(b'\n', &text.as_bytes()[self.at..from]) {
            (self.lines, self.line_start) = (self.lines + 1, self.at + feed + 1);
        }
        self.at = from;
        if self.line_end <= to {
            self.line_end = memchr::memchr(b'\n', &text.as_bytes()[to..]).map_or(text.len(), |i| to + i);
        }
        let (line_start, line_end) = (self.line_start, self.line_end);
        let left = text.floor_char_boundary(line_start.max(from.saturating_sub(AROUND)));
        let right = text.ceil_char_boundary(line_end.min(to + AROUND));
        let dots = |cut: bool| if cut { "…" } else { "" };
        Match {
            document: corpus.name(self.ordinal),
            ordinal: self.ordinal,
            key: row.key.to_string(),
            place: corpus.place(self.ordinal).to_string(),
            split: row.kept().then(|| row.split.name()),
            dropped: row.dropped.map(|reason| corpus.reason_name(reason).into()),
            start,
            end,
            source_start,
            line: self.lines + 1,
            before: format!("{}{}", dots(left > line_start), &text[left..from]),
            text: text[from..to].into(),
            after: format!("{}{}", &text[to..right], dots(right < line_end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &Pattern, text: &str) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        pattern.each(text.as_bytes(), |range| all.push(range));
        all
    }

    #[test]
    fn patterns_that_match_nothing_are_refused() {
        for empty in ["a*", "", "^", r"\b", "x?|y", "(a*)*"] {
            assert!(matches!(Pattern::regex(empty, false), Err(Error::MatchesNothing { .. })), "{empty}");
        }
        assert!(matches!(Pattern::text(""), Err(Error::MatchesNothing { .. })));
        assert!(matches!(Pattern::regex("(a", false), Err(Error::Pattern { .. })));
        assert!(matches!(Pattern::regex(r"(a)\1", false), Err(Error::Pattern { .. })));
        assert!(matches!(Pattern::regex("((a{1000}){1000}){1000}", false), Err(Error::Pattern { .. })));
    }

    #[test]
    fn texts_and_patterns_are_found() {
        assert_eq!(found(&Pattern::text("aa").unwrap(), "aaaa b aa"), [0..2, 2..4, 7..9]);
        assert_eq!(found(&Pattern::text_ignoring_case("é.").unwrap(), "É. éa é."), [0..3, 8..11]);
        assert_eq!(found(&Pattern::regex("^b.*$", false).unwrap(), "a\nbc\nb"), [2..4, 5..6]);
    }

    #[test]
    fn what_blows_up_a_backtracker_takes_linear_time() {
        let text = "a".repeat(200_000);
        assert!(found(&Pattern::regex("(a+)+b", false).unwrap(), &text[..2_000]).is_empty());
        assert_eq!(found(&Pattern::regex("(a|a)*a", false).unwrap(), &text).len(), 1);
        // One search after the other would read 20 thousand million letters.
        let each = found(&Pattern::regex(".*x|.", false).unwrap(), &text);
        assert!(each.len() == text.len() && each.iter().zip(0..).all(|(place, at)| *place == (at..at + 1)));
    }
}
