//! How the losses of an evaluation spread, from the file that it leaves: over tokens, and the documents at both ends.

use std::io::Read;
use std::path::Path;

use regimen_base::fs;
use serde::Deserialize;
use serde_json::Value;

/// Name of the file in the artifact of an evaluation.
const FILE: &str = "losses.json";
/// Bytes of it that are read at most.
const MOST: u64 = 4 << 20;

/// `losses.json`.
#[derive(Default, Deserialize)]
pub(crate) struct Losses {
    /// Width of bins in nats, and tokens in each.
    #[serde(default)]
    pub(crate) token_losses: Value,
    /// Documents that are shorter are not among them.
    #[serde(default)]
    pub(crate) least_bytes: u64,
    /// Most bits per byte first.
    #[serde(default)]
    pub(crate) worst: Vec<Document>,
    /// Fewest bits per byte first.
    #[serde(default)]
    pub(crate) best: Vec<Document>,
}

/// A document with its score.
#[derive(Deserialize)]
pub(crate) struct Document {
    /// `SOURCE:ID`, which `regimen trace doc` takes.
    pub(crate) name: String,
    /// Bytes of text.
    pub(crate) bytes: u64,
    /// Bits per byte under the model.
    pub(crate) bits_per_byte: f64,
    /// How its text begins.
    #[serde(default)]
    pub(crate) text: String,
}

impl Losses {
    /// Those of an evaluation in the folder `dir`, if it has any: older ones do not.
    pub(crate) fn read(dir: &Path) -> Option<Losses> {
        let mut bytes = Vec::new();
        fs::open(&dir.join(FILE)).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_broken_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Losses::read(folder.path()).is_none());
        fs::write(&folder.path().join(FILE), b"{\"worst\": [{\"na").unwrap();
        assert!(Losses::read(folder.path()).is_none());
        fs::write(
            &folder.path().join(FILE),
            b"{\"worst\": [{\"name\": \"a:1\", \"bytes\": 3, \"bits_per_byte\": 2.5, \"new\": 1}]}",
        )
        .unwrap();
        let losses = Losses::read(folder.path()).unwrap();
        assert_eq!((losses.worst[0].name.as_str(), losses.best.len()), ("a:1", 0));
    }
}
