//! The documents of the test project: made from a seed, so that every run of the tests reads the same bytes.

use std::io::Write;
use std::path::Path;

/// Common words first: a text needs some of them to pass the quality rules.
const WORDS: &str = "the of and to that have with be in a we it was for on as our this by which from they all will an \
     been are more must great people nation years country world work time state union law peace war river \
     mountain winter summer harvest ship letter garden window morning evening water stone bridge road city farm \
     horse teacher student paper lamp engine signal number question answer reason story song measure market \
     island harbour forest valley machine record history council freedom justice labour winter science careful";

/// A small generator of numbers (Knuth's MMIX constants): the tests need no more.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

/// A text of about `words` words in sentences and paragraphs.
pub fn text(dice: &mut Dice, words: u64) -> String {
    let all: Vec<&str> = WORDS.split_whitespace().collect();
    let mut text = String::new();
    let mut left = words;
    while left > 0 {
        let length = (6 + dice.below(9)).min(left);
        for i in 0..length {
            // Half of the words are among the twenty commonest, as in any text.
            let most = if dice.below(2) == 0 { 20 } else { all.len() as u64 };
            let word = all[dice.below(most) as usize];
            if i == 0 {
                text.push_str(&word[..1].to_uppercase());
                text.push_str(&word[1..]);
            } else {
                text.push(' ');
                text.push_str(word);
            }
        }
        left -= length;
        text.push_str(if dice.below(5) == 0 { ".\n\n" } else { ". " });
    }
    text.trim_end().to_string()
}

/// A row of a JSONL file.
pub fn row(id: &str, text: &str) -> String {
    format!("{{\"id\":{},\"text\":{}}}\n", serde_json::Value::from(id), serde_json::Value::from(text))
}

/// Three sources in three formats, with duplicates and with documents that the quality rules drop.
pub fn write(root: &Path) {
    let data = root.join("data");
    std::fs::create_dir_all(data.join("notes")).unwrap();
    let mut dice = Dice(7);
    let mut letters = String::new();
    for i in 0..40 {
        let words = 60 + dice.below(50);
        let text = text(&mut dice, words);
        letters.push_str(&row(&format!("letter-{i}"), &text));
        if i % 15 == 3 {
            letters.push_str(&row(&format!("copy-of-{i}"), &text));
        }
    }
    letters.push_str(&row("too-short", "Nothing to see here."));
    letters.push_str(&row("symbols", &"# ## 12 34 -- ".repeat(30)));
    zst(&data.join("letters.jsonl.zst"), letters.as_bytes());

    let mut manuals = String::new();
    for i in 0..25 {
        let text = text(&mut dice, 80);
        let metadata =
            if i % 5 == 0 { ",\"metadata\":{\"license\":\"MIT\",\"author_kind\":\"machine\"}" } else { "" };
        let text = serde_json::Value::from(text);
        manuals.push_str(&format!("{{\"id\":\"m{i}\",\"text\":{text}{metadata}}}\n"));
    }
    gz(&data.join("manuals.jsonl.gz"), manuals.as_bytes());

    for i in 0..6 {
        std::fs::write(data.join(format!("notes/note-{i}.txt")), text(&mut dice, 120)).unwrap();
    }
}

/// Write a zstd file.
pub fn zst(path: &Path, bytes: &[u8]) {
    std::fs::write(path, zstd::encode_all(bytes, 1).unwrap()).unwrap();
}

/// Write a gzip file. Its data are stored, not packed: how they are packed depends on the processor.
pub fn gz(path: &Path, bytes: &[u8]) {
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    file.write_all(bytes).unwrap();
    std::fs::write(path, file.finish().unwrap()).unwrap();
}
