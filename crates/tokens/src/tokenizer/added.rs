//! Added tokens that are no special ones: they are cut out of a text before anything else happens to it.
//!
//! As in the `tokenizers` crate, the longest added token at the leftmost place is taken, special ones among them; those
//! are text here, so where one of them is found nothing is cut out, and nothing inside it is either.

/// A set of added tokens that are looked for together.
#[derive(Debug, Default)]
pub(super) struct Added {
    /// By their first two bytes, whether any token begins with them.
    begins: Vec<u64>,
    /// Tokens and their ids, the longest first among those with the same first byte; none for special ones.
    tokens: Vec<(Box<[u8]>, Option<u32>)>,
    /// Where those with each first byte begin in `tokens`, and where they end.
    starts: Vec<u32>,
}

impl Added {
    /// Tokens that are not empty, and their ids (none: special).
    pub(super) fn new(mut tokens: Vec<(Box<[u8]>, Option<u32>)>) -> Added {
        if tokens.iter().all(|(_, id)| id.is_none()) {
            return Added::default();
        }
        tokens.retain(|(bytes, _)| !bytes.is_empty());
        tokens.sort_by(|(a, _), (b, _)| (a[0], b.len(), a).cmp(&(b[0], a.len(), b)));
        let mut begins = vec![0; 1 << 10];
        for (bytes, _) in &tokens {
            let seconds = match bytes.get(1) {
                Some(&second) => second..=second,
                None => 0..=255,
            };
            for second in seconds {
                let both = usize::from(bytes[0]) << 8 | usize::from(second);
                begins[both >> 6] |= 1 << (both & 63);
            }
        }
        let starts = (0..=256u32)
            .map(|first| tokens.partition_point(|(bytes, _)| u32::from(bytes[0]) < first) as u32)
            .collect();
        Added { begins, tokens, starts }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The ids that may be found.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.tokens.iter().filter_map(|(_, id)| *id)
    }

    /// The length of the token at the beginning of `rest`, and its id.
    fn token(&self, rest: &[u8]) -> Option<(usize, Option<u32>)> {
        let (&first, second) = (rest.first()?, rest.get(1).copied().unwrap_or_default());
        let both = usize::from(first) << 8 | usize::from(second);
        if self.begins[both >> 6] >> (both & 63) & 1 == 0 {
            return None;
        }
        let first = usize::from(first);
        let alike = &self.tokens[self.starts[first] as usize..self.starts[first + 1] as usize];
        let (bytes, id) = alike.iter().find(|(bytes, _)| rest.starts_with(bytes))?;
        Some((bytes.len(), *id))
    }

    /// The text between the tokens, and the tokens, in order; no text is empty.
    pub(super) fn cut<'t>(&self, text: &'t str) -> Vec<Cut<'t>> {
        let mut cuts = Vec::new();
        let (mut from, mut at) = (0, 0);
        while at < text.len() && !self.is_empty() {
            match self.token(&text.as_bytes()[at..]) {
                Some((length, Some(id))) => {
                    if from < at {
                        cuts.push(Cut::Text(&text[from..at]));
                    }
                    cuts.push(Cut::Token(id));
                    at += length;
                    from = at;
                }
                Some((length, None)) => at += length,
                None => at += 1,
            }
        }
        if from < text.len() {
            cuts.push(Cut::Text(&text[from..]));
        }
        cuts
    }
}

/// A piece of a text that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut<'t> {
    Text(&'t str),
    Token(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(tokens: &[(&str, Option<u32>)]) -> Added {
        Added::new(tokens.iter().map(|(text, id)| (text.as_bytes().into(), *id)).collect())
    }

    #[test]
    fn the_longest_at_the_leftmost_place_is_taken() {
        let set =
            added(&[("ab", Some(1)), ("abc", Some(2)), ("bcd", Some(3)), ("x", Some(4)), ("é", Some(5))]);
        assert_eq!(set.cut("abcd"), [Cut::Token(2), Cut::Text("d")]);
        assert_eq!(
            set.cut("zabdbcdx"),
            [Cut::Text("z"), Cut::Token(1), Cut::Text("d"), Cut::Token(3), Cut::Token(4)]
        );
        assert_eq!(set.cut("èé"), [Cut::Text("è"), Cut::Token(5)]);
        assert_eq!(set.cut(""), []);
    }

    #[test]
    fn special_ones_are_text_and_hide_what_is_in_them() {
        let set = added(&[("<s>", None), ("s>x", Some(1)), ("s", Some(2))]);
        assert_eq!(set.cut("<s>xs"), [Cut::Text("<s>x"), Cut::Token(2)]);
        assert_eq!(set.cut("s>x"), [Cut::Token(1)]);
        let special = added(&[("<s>", None)]);
        assert!(special.is_empty());
        assert_eq!(special.cut("a<s>"), [Cut::Text("a<s>")]);
    }
}
