//! From the bytes of tokens to text that may be shown: only whole characters, and nothing that may turn out to be the
//! beginning of a stop string.

/// Text that grows by the bytes of one token after the other, until a stop string is complete.
///
/// The stop string that ends first counts; of several that end at one place, the longest. So the result does not
/// depend on where one token ends and the next begins.
#[derive(Debug)]
pub struct TextStream<'a> {
    stop: &'a [String],
    /// Bytes that are the beginning of a character.
    open: Vec<u8>,
    text: String,
    /// Bytes of `text` that were handed out.
    sent: usize,
    /// Bytes of `text` that no stop string can take back.
    certain: usize,
    stopped: bool,
}

impl<'a> TextStream<'a> {
    /// An empty text with the strings that end it.
    pub fn new(stop: &'a [String]) -> TextStream<'a> {
        TextStream { stop, open: Vec::new(), text: String::new(), sent: 0, certain: 0, stopped: false }
    }

    /// Append the bytes of a token. Bytes that are not UTF-8 become U+FFFD, as in `String::from_utf8_lossy`. True
    /// once a stop string is complete; bytes after that are ignored.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        if self.stopped {
            return true;
        }
        let mut open = std::mem::take(&mut self.open);
        open.extend_from_slice(bytes);
        let mut rest = open.as_slice();
        while !rest.is_empty() && !self.stopped {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.append(text);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.append(&String::from_utf8_lossy(valid));
                    let Some(bad) = error.error_len() else {
                        self.open = after.to_vec();
                        break;
                    };
                    self.append("\u{FFFD}");
                    rest = &after[bad..];
                }
            }
        }
        self.settle();
        self.stopped
    }

    /// No more bytes will come: a character that was cut short becomes U+FFFD, and nothing is held back any more.
    /// True if that completed a stop string.
    pub fn finish(&mut self) -> bool {
        if !self.open.is_empty() && !self.stopped {
            self.open.clear();
            self.append("\u{FFFD}");
        }
        self.certain = self.text.len();
        self.stopped
    }

    /// The text that has become certain since the last call.
    pub fn fresh(&mut self) -> &str {
        let from = std::mem::replace(&mut self.sent, self.certain);
        &self.text[from..self.certain]
    }

    /// The text that is certain; after [`TextStream::finish`] all of it. The stop string is not part of it.
    pub fn into_text(mut self) -> String {
        self.text.truncate(self.certain);
        self.text
    }

    fn append(&mut self, more: &str) {
        for character in more.chars() {
            if self.stopped {
                return;
            }
            self.text.push(character);
            let stop = self.stop.iter().filter(|s| self.text.ends_with(s.as_str())).map(String::len).max();
            if let Some(length) = stop {
                self.text.truncate(self.text.len() - length);
                self.stopped = true;
            }
        }
    }

    fn settle(&mut self) {
        let held = if self.stopped {
            0
        } else {
            self.stop.iter().map(|s| overlap(&self.text, s)).max().unwrap_or(0)
        };
        self.certain = self.text.len() - held;
    }
}

/// Length in bytes of the longest end of `text` that `stop` begins with, short of all of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len().saturating_sub(1));
    (1..=longest).rev().find(|&n| text.as_bytes().ends_with(&stop.as_bytes()[..n])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text and the pieces as they were handed out.
    fn run(pieces: &[&[u8]], stop: &[String]) -> (String, Vec<String>, bool) {
        let mut stream = TextStream::new(stop);
        let mut shown = Vec::new();
        for piece in pieces {
            let stopped = stream.push(piece);
            shown.push(stream.fresh().to_string());
            if stopped {
                break;
            }
        }
        let stopped = stream.finish();
        shown.push(stream.fresh().to_string());
        (stream.into_text(), shown, stopped)
    }

    /// The definition: the first place where the text so far ends with a stop string.
    fn oracle(text: &str, stop: &[String]) -> (String, bool) {
        for end in (1..=text.len()).filter(|&i| text.is_char_boundary(i)) {
            if let Some(n) = stop.iter().filter(|s| text[..end].ends_with(s.as_str())).map(String::len).max()
            {
                return (text[..end - n].into(), true);
            }
        }
        (text.into(), false)
    }

    fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn token_borders_do_not_matter(
            text in "[ab\\né€]{0,24}", stop in prop::collection::vec("[ab\\né€]{1,4}", 0..4),
            cuts in prop::collection::vec(0usize..100, 0..12),
        ) {
            let (found, shown, stopped) = run(&pieces(text.as_bytes(), &cuts), &stop);
            prop_assert_eq!((found.clone(), stopped), oracle(&text, &stop));
            prop_assert_eq!(shown.concat(), found);
        }

        #[test]
        fn broken_bytes_read_as_the_standard_library_reads_them(
            bytes in prop::collection::vec(prop_oneof![Just(0xE2u8), Just(0x82), Just(0xAC), Just(0xF0), Just(b'a'), any::<u8>()], 0..20),
            cuts in prop::collection::vec(0usize..100, 0..12),
        ) {
            let (found, shown, _) = run(&pieces(&bytes, &cuts), &[]);
            prop_assert_eq!(&found, &String::from_utf8_lossy(&bytes));
            prop_assert_eq!(shown.concat(), found);
        }
    }

    #[test]
    fn what_may_be_a_stop_string_is_held_back() {
        let stop = ["\n\nQ:".to_string()];
        let (text, shown, stopped) = run(&[b"one\n", b"two\n", b"\nQ", b":three"], &stop);
        assert_eq!((text.as_str(), stopped), ("one\ntwo", true));
        assert_eq!(shown, ["one", "\ntwo", "", "", ""]);
        let (text, shown, stopped) = run(&[b"a\n", b"\nQ"], &stop);
        assert_eq!((text.as_str(), stopped), ("a\n\nQ", false));
        assert_eq!(shown, ["a", "", "\n\nQ"]);
    }

    #[test]
    fn characters_appear_whole() {
        let (text, shown, _) = run(&["€".as_bytes().split_at(1).0, "€".as_bytes().split_at(1).1], &[]);
        assert_eq!((text.as_str(), shown), ("€", vec!["".to_string(), "€".into(), "".into()]));
    }
}
