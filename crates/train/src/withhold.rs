//! Which documents a run trains without.

use regimen_base::Hint;
use regimen_corpus::{Corpus, Split};
use regimen_tokens::WithheldSet;

use crate::error::{Error, Result};

/// The ordinals of the documents that `names` stand for (keys, prefixes of keys, ids, or `source:id`), ascending.
///
/// # Errors
/// [`Error::Withheld`] for a validation document, for one that the filter dropped, and for a dropped duplicate unless
/// `with_duplicates`: its text was learned through the copy that stayed.
pub fn resolve(corpus: &Corpus, names: &[String], with_duplicates: bool) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for name in names {
        let refuse = |message: String, hint: String| Err(Error::Withheld { id: name.clone(), message, hint });
        let ordinal = match corpus.find(name) {
            Ok(ordinal) => ordinal,
            Err(error) => return refuse(error.to_string(), error.hint().unwrap_or_default()),
        };
        let row = corpus.row(ordinal);
        let kept = match row.representative {
            Some(representative) if representative != ordinal => {
                if !with_duplicates {
                    let key = corpus.row(representative).key;
                    return refuse(
                        format!("it was dropped as a copy of `{}`", corpus.id(representative)),
                        format!("withhold {key} instead, or set `with_duplicates = true`"),
                    );
                }
                representative
            }
            _ => ordinal,
        };
        let row = corpus.row(kept);
        if let Some(reason) = row.dropped {
            return refuse(
                format!("the corpus dropped it: {}", corpus.reason_name(reason)),
                "no step can see it; leave it out of `withheld`".into(),
            );
        }
        if row.split == Split::Validation {
            return refuse(
                "it is a validation document".into(),
                "no step trains on it; leave it out of `withheld`".into(),
            );
        }
        found.push(kept);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The same as a set for batches.
pub fn set(ordinals: &[u32]) -> WithheldSet {
    WithheldSet::new(ordinals.iter().copied())
}
