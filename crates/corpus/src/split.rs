//! Training or validation, decided by the document's key alone, or by its text alone where equal texts are kept: a
//! document keeps its side when others come or go.

use regimen_base::DocKey;
use serde::{Deserialize, Serialize};

/// The side of the split that a document is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The model learns from it.
    Train,
    /// The model is scored on it.
    Validation,
}

impl Split {
    /// Both sides.
    pub const ALL: [Split; 2] = [Split::Train, Split::Validation];

    /// The word for it, also in file names.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
        }
    }

    /// The side of the document with this key or this hash of its text, when `share` (in [0, 1]) of all go to validation: the first 53 bits
    /// of blake3("split", 0, key), read as a number in [0, 1), are below the share.
    pub fn of(key: DocKey, share: f64) -> Split {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"split\0");
        hasher.update(&key.0);
        let mut head = [0u8; 8];
        head.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        let place = (u64::from_be_bytes(head) >> 11) as f64 / (1u64 << 53) as f64;
        if place < share { Split::Validation } else { Split::Train }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_met_and_a_larger_share_only_adds() {
        let keys: Vec<DocKey> = (0..20_000).map(|i| DocKey::new("s", &i.to_string())).collect();
        let side = |share| keys.iter().map(|&k| Split::of(k, share) == Split::Validation).collect::<Vec<_>>();
        let (five, ten) = (side(0.05), side(0.1));
        let count = five.iter().filter(|&&v| v).count();
        assert!((850..1150).contains(&count), "{count} of 20000 at 5 %");
        assert!(five.iter().zip(&ten).all(|(&a, &b)| !a || b));
        assert!(side(0.0).iter().all(|&v| !v) && side(1.0).iter().all(|&v| v));
    }
}
