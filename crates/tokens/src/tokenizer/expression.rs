//! The expressions of the later family as they are spelled in tokenizer.json files, branch by branch.

use super::split::{Contractions, Family, Later, Letters};

/// What comes ahead of all else. The second spelling is OpenAI's own, as in tiktoken.
const CONTRACTIONS: [(&str, Contractions); 3] = [
    (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|", Contractions::First),
    (r"'(?i:[sdmt]|ll|ve|re)|", Contractions::First),
    ("", Contractions::None),
];

/// Words: Llama 3 and Qwen 2 (cl100k_base), the same written so that it never tracks back, Qwen 3.5, GPT-4o
/// (o200k_base), and Mistral's Tekken.
const WORDS: [(&str, Letters, Contractions); 6] = [
    (r"[^\r\n\p{L}\p{N}]?\p{L}+|", Letters::Plain, Contractions::None),
    (r"[^\r\n\p{L}\p{N}]?+\p{L}+|", Letters::Plain, Contractions::None),
    (r"[^\r\n\p{L}\p{N}]?+\p{L}++|", Letters::Plain, Contractions::None),
    (r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|", Letters::Marks, Contractions::None),
    (
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        ),
        Letters::Cased,
        Contractions::After,
    ),
    (
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
        ),
        Letters::Cased,
        Contractions::None,
    ),
];

/// Digits, and how many of them make a piece.
const DIGITS: [(&str, usize); 6] = [
    (r"\p{N}{1,3}|", 3),
    (r"\p{N}{1,3}+|", 3),
    (r"\p{N}{1,2}|", 2),
    (r"\p{N}{1}|", 1),
    (r"\p{N}|", 1),
    (r"\p{N}+|", usize::MAX),
];

/// All other characters: whether marks are among the letters, and whether slashes follow.
const OTHERS: [(&str, bool, bool); 5] = [
    (r" ?[^\s\p{L}\p{N}]+[\r\n]*|", false, false),
    (r" ?[^\s\p{L}\p{N}]++[\r\n]*|", false, false),
    (r" ?[^\s\p{L}\p{N}]++[\r\n]*+|", false, false),
    (r" ?[^\s\p{L}\p{N}]+[\r\n/]*|", false, true),
    (r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|", true, false),
];

/// White space, and whether that at the end is one piece. `\s*[\r\n]` ends where `\s*[\r\n]+` does: at the last newline.
/// A single `\s` in the end is as good as `\s+`, as only one character is left to it.
const SPACES: [(&str, bool); 3] = [
    (r"\s*[\r\n]+|\s+(?!\S)|\s+", false),
    (r"\s*[\r\n]|\s+(?!\S)|\s+", false),
    (r"\s++$|\s*[\r\n]|\s+(?!\S)|\s", true),
];

/// GPT-2's, which `ByteLevel` has built in.
pub(super) const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The scanner for an expression; none if it is spelled otherwise than any that is known.
pub(super) fn family(expression: &str) -> Option<Family> {
    if expression == GPT2 {
        return Some(Family::Gpt2);
    }
    for (first, contractions) in CONTRACTIONS {
        for (word, letters, after) in WORDS {
            let Some(rest) = expression.strip_prefix(first).and_then(|rest| rest.strip_prefix(word)) else {
                continue;
            };
            let contractions = match (contractions, after) {
                (Contractions::None, after) => after,
                (first, Contractions::None) => first,
                _ => return None,
            };
            return later(rest, contractions, letters).map(Family::Later);
        }
    }
    None
}

fn later(rest: &str, contractions: Contractions, letters: Letters) -> Option<Later> {
    let (rest, digits) = DIGITS.iter().find_map(|&(text, most)| Some((rest.strip_prefix(text)?, most)))?;
    let (rest, marks, slash) =
        OTHERS.iter().find_map(|&(text, marks, slash)| Some((rest.strip_prefix(text)?, marks, slash)))?;
    let &(_, last_space) = SPACES.iter().find(|(text, _)| *text == rest)?;
    // Words with marks go with other characters without them, and the reverse.
    let agree = marks == (letters == Letters::Marks);
    agree.then_some(Later { contractions, letters, digits, slash, last_space })
}

/// All spellings that are known, for tests.
#[cfg(test)]
pub(super) fn all() -> Vec<String> {
    let mut all = vec![GPT2.to_string()];
    for (first, _) in CONTRACTIONS {
        for (word, ..) in WORDS {
            for (digits, _) in DIGITS {
                for (others, ..) in OTHERS {
                    all.extend(
                        SPACES.iter().map(|(spaces, _)| [first, word, digits, others, spaces].concat()),
                    );
                }
            }
        }
    }
    all.retain(|expression| family(expression).is_some());
    all
}

/// All ways to cut a text that differ, for tests.
#[cfg(test)]
pub(super) fn splits() -> Vec<super::split::Split> {
    let mut splits = Vec::new();
    for family in all().iter().filter_map(|expression| family(expression)) {
        for each_digit in [false, true] {
            let split = super::split::Split { family, each_digit };
            if !splits.contains(&split) {
                splits.push(split);
            }
        }
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_in_the_wild_are_known() {
        let later = |contractions, letters, digits, slash| {
            Some(Family::Later(Later { contractions, letters, digits, slash, last_space: false }))
        };
        let (first, after, none) = (Contractions::First, Contractions::After, Contractions::None);
        for (expression, expected) in [
            // Llama 3, OLMo 2, SmolLM 3.
            (
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                later(first, Letters::Plain, 3, false),
            ),
            // Qwen 2, 2.5 and 3, StableLM 2, Grok 2.
            (
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                later(first, Letters::Plain, 1, false),
            ),
            // Qwen 3.5.
            (
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                later(first, Letters::Marks, 1, false),
            ),
            // Ling (Bailing).
            (
                r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
                later(first, Letters::Plain, 1, false),
            ),
            // GPT-4o, gpt-oss, Llama 4, Phi 4 mini.
            (
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                later(after, Letters::Cased, 3, true),
            ),
            // Mistral Nemo (Tekken).
            (
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                later(none, Letters::Cased, 1, true),
            ),
        ] {
            assert_eq!(family(expression), expected, "{expression}");
        }
        assert_eq!(family(GPT2), Some(Family::Gpt2));
    }

    #[test]
    fn anything_else_is_not() {
        for expression in ["", r"\s+", r"\p{N}{1,3}", r"[^\r\n\p{L}\p{N}]?\p{L}+|"] {
            assert_eq!(family(expression), None, "{expression}");
        }
        for known in all() {
            assert_eq!(family(&format!("{known}|x")), None);
            assert_eq!(family(&known[1..]), None, "{known}");
        }
    }
}
