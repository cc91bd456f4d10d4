//! Files that would make the `tokenizers` crate panic are errors here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use super::json::Json;

/// Refuse merges that the crate would read beyond a buffer for: those whose result is longer than any token, or whose
/// right half is shorter than the prefix that is cut off it.
pub(super) fn merges(json: &Json) -> Result<(), String> {
    let model = &json.rest["model"];
    let (Some(vocab), Some(merges)) = (&json.vocab, model["merges"].as_array()) else {
        return Ok(());
    };
    let longest = vocab.keys().map(|token| token.len()).max().unwrap_or(0);
    let prefix = model["continuing_subword_prefix"].as_str().unwrap_or_default().len();
    for (rank, merge) in merges.iter().enumerate() {
        let Some((left, right)) = halves(merge) else { continue };
        let fits = right.is_char_boundary(prefix) && left.len() + right.len() - prefix <= longest;
        if !fits {
            return Err(format!("merge {rank} (`{left}` and `{right}`) makes no token of its vocabulary"));
        }
    }
    Ok(())
}

/// Both tokens of a merge, which may be written as an array or with a space between.
pub(super) fn halves(merge: &Value) -> Option<(&str, &str)> {
    match merge {
        Value::String(both) => both.split_once(' '),
        pair => Some((pair[0].as_str()?, pair[1].as_str()?)),
    }
}

/// Do what may panic on a file that nobody has looked at.
pub(super) fn foreign<T, E: ToString>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            Err(format!("the tokenizers library broke off: {words}"))
        }
    }
}
