//! ARPA text files: `\data\`, the number of n-grams of each order, one section for each, `\end\`.
//!
//! What is not there is as back-off models define it, also in files that lack the lower orders of an n-gram (SRILM prunes
//! such): a missing context has no back-off weight. A model without `<unk>` gives unknown words -100, as KenLM does.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::LONGEST;
use super::vocabulary::{extend, is_unknown, word_hash};
use crate::error::{Error, Place, Result};

/// Longer than any n-gram; a file without line ends is refused before it fills the memory.
const LONGEST_LINE: u64 = 1 << 20;

/// A model in memory, by the keys of KenLM's own tables.
pub(crate) struct Tables {
    words: HashMap<u64, u32>,
    unigrams: Vec<(f32, f32)>,
    /// Log-probability and back-off weight, for orders 2 and up.
    ngrams: Vec<HashMap<u64, (f32, f32)>>,
}

impl Tables {
    pub fn order(&self) -> usize {
        self.ngrams.len() + 1
    }

    pub fn index(&self, word: &[u8]) -> u32 {
        self.words.get(&word_hash(word)).copied().unwrap_or(0)
    }

    /// Call `each` for the n-grams that end with `word`, the shortest first: words, log-probability, back-off weight.
    pub fn walk(&self, word: u32, context: &[u32], mut each: impl FnMut(usize, f32, f32)) {
        if let Some(&(log10, backoff)) = self.unigrams.get(word as usize) {
            each(1, log10, backoff);
        }
        let mut key = u64::from(word);
        for ((n, table), word) in self.ngrams.iter().enumerate().zip(context) {
            key = extend(key, *word);
            if let Some(&(log10, backoff)) = table.get(&key) {
                each(n + 2, log10, backoff);
            }
        }
    }

    /// Read a file, which may be packed.
    pub fn read(bytes: &[u8], file: &str) -> Result<Tables> {
        let input: Box<dyn BufRead + '_> = if bytes.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(bytes)))
        } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let decoder = zstd::stream::read::Decoder::with_buffer(bytes);
            let decoder = decoder.map_err(|error| packed(file, "zstd", &error))?;
            Box::new(BufReader::with_capacity(1 << 16, decoder))
        } else {
            Box::new(bytes)
        };
        let mut lines = Lines { input, line: Vec::new(), number: 0, file };
        let counts = lines.counts()?;
        let mut tables = Tables { words: HashMap::new(), unigrams: vec![(-100.0, 0.0)], ngrams: Vec::new() };
        lines.section(1, counts[0], counts.len() == 1, |words, log10, backoff| {
            let [word] = words else { return Ok(()) };
            if is_unknown(word) {
                tables.unigrams[0] = (log10, backoff);
                return Ok(());
            }
            // Of a word that comes again the first counts; a small packed file may repeat one without end.
            if let Entry::Vacant(place) = tables.words.entry(word_hash(word)) {
                place.insert(tables.unigrams.len() as u32);
                tables.unigrams.push((log10, backoff));
            }
            Ok(())
        })?;
        for (n, &count) in counts.iter().enumerate().skip(1) {
            let mut table = HashMap::new();
            lines.section(n + 1, count, n + 1 == counts.len(), |words, log10, backoff| {
                let mut key = None;
                for word in words.iter().rev() {
                    let index = tables.index(word);
                    if index == 0 && !is_unknown(word) {
                        let word = String::from_utf8_lossy(word);
                        return Err(format!("the word `{word}` is not among the 1-grams"));
                    }
                    key = Some(key.map_or(u64::from(index), |key| extend(key, index)));
                }
                table.entry(key.unwrap_or_default()).or_insert((log10, backoff));
                Ok(())
            })?;
            tables.ngrams.push(table);
        }
        lines.filled()?;
        if lines.line != b"\\end\\" {
            return Err(lines.refuse(format!("`\\end\\` is missing; there is `{}`", lines.shown())));
        }
        for mark in ["<s>", "</s>"] {
            if tables.index(mark.as_bytes()) == 0 {
                return Err(lines.refuse(format!("`{mark}` is not among its 1-grams")));
            }
        }
        Ok(tables)
    }
}

fn packed(file: &str, format: &'static str, error: &std::io::Error) -> Error {
    Error::Compressed { file: file.into(), format, reason: error.to_string() }
}

/// The lines of a file, with their numbers.
struct Lines<'a> {
    input: Box<dyn BufRead + 'a>,
    line: Vec<u8>,
    number: u64,
    file: &'a str,
}

impl Lines<'_> {
    fn refuse(&self, what: impl Into<String>) -> Error {
        let place = Place { file: self.file.into(), unit: "line", number: self.number };
        Error::Model { place, format: "KenLM", what: what.into() }
    }

    /// The line for a message.
    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.line[..self.line.len().min(60)]).into_owned()
    }

    /// Read a line. False at the end.
    fn next(&mut self) -> Result<bool> {
        self.line.clear();
        self.number += 1;
        let read = self.input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| packed(self.file, "gzip or zstd", &error))? as u64;
        if read == LONGEST_LINE && self.line.last() != Some(&b'\n') {
            return Err(self.refuse(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        while let Some(b'\n' | b'\r') = self.line.last() {
            self.line.pop();
        }
        Ok(read > 0)
    }

    /// Read up to a line that is not blank.
    fn filled(&mut self) -> Result<()> {
        while self.next()? {
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                return Ok(());
            }
        }
        Err(self.refuse("the file ends early"))
    }

    /// How many n-grams of each order there are said to be.
    fn counts(&mut self) -> Result<Vec<u64>> {
        self.filled()?;
        while self.line.starts_with(b"#") {
            self.filled()?;
        }
        if self.line != b"\\data\\" {
            return Err(
                self.refuse(format!("an ARPA file begins with `\\data\\`, this with `{}`", self.shown()))
            );
        }
        let mut counts = Vec::new();
        while self.next()? && !self.line.iter().all(u8::is_ascii_whitespace) {
            let wanted = format!("ngram {}=", counts.len() + 1);
            let count = std::str::from_utf8(&self.line).ok().and_then(|line| line.strip_prefix(&wanted));
            let Some(count) = count.and_then(|count| count.trim().parse().ok()) else {
                return Err(
                    self.refuse(format!("there should be `{wanted}COUNT`, there is `{}`", self.shown()))
                );
            };
            counts.push(count);
            if counts.len() > LONGEST {
                return Err(self.refuse(format!("n-grams of more than {LONGEST} words")));
            }
        }
        if counts.is_empty() { Err(self.refuse("no counts of n-grams")) } else { Ok(counts) }
    }

    /// Read the n-grams of one order.
    fn section(
        &mut self,
        order: usize,
        count: u64,
        last: bool,
        mut each: impl FnMut(&[&[u8]], f32, f32) -> std::result::Result<(), String>,
    ) -> Result<()> {
        self.filled()?;
        if self.line != format!("\\{order}-grams:").as_bytes() {
            return Err(self.refuse(format!("`\\{order}-grams:` should begin, there is `{}`", self.shown())));
        }
        for _ in 0..count {
            if !self.next()? {
                return Err(self.refuse(format!("the file ends before {count} {order}-grams")));
            }
            let taken = fields(&self.line, order, last)
                .and_then(|(words, log10, backoff)| each(&words, log10, backoff));
            taken.map_err(|what| self.refuse(format!("in `{}`: {what}", self.shown())))?;
        }
        Ok(())
    }
}

/// An n-gram: log-probability, words, and a back-off weight that may be missing.
fn fields(line: &[u8], order: usize, last: bool) -> std::result::Result<(Vec<&[u8]>, f32, f32), String> {
    let mut fields = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|field| !field.is_empty());
    let number = |field: Option<&[u8]>| -> std::result::Result<f32, String> {
        let text = std::str::from_utf8(field.unwrap_or_default()).unwrap_or_default();
        match text.parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("`{text}` is not a number")),
        }
    };
    let log10 = number(fields.next())?;
    if log10 > 0.0 {
        return Err(format!("{log10} is not the logarithm of a probability"));
    }
    let words: Vec<&[u8]> = fields.by_ref().take(order).collect();
    if words.len() < order {
        return Err(format!("{} words instead of {order}", words.len()));
    }
    let backoff = match fields.next() {
        None => 0.0,
        field => number(field)?,
    };
    if fields.next().is_some() {
        return Err(format!("more than {order} words"));
    }
    if last && backoff != 0.0 {
        return Err(format!("a back-off weight, {backoff}, for an n-gram of the longest order"));
    }
    Ok((words, log10, backoff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_comes_again_takes_no_memory() {
        let again = "-0.5\ta\n".repeat(1000);
        let text =
            format!("\\data\\\nngram 1=1003\n\n\\1-grams:\n-1\t<s>\n-2\t</s>\n-3\ta\n{again}\\end\\\n");
        let tables = Tables::read(text.as_bytes(), "x.arpa").unwrap();
        assert_eq!((tables.unigrams.len(), tables.words.len()), (4, 3));
        assert_eq!(tables.unigrams[tables.index(b"a") as usize], (-3.0, 0.0));
    }
}
