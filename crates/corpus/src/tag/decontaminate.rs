//! Overlap with evaluation sets by n-grams of words, as GPT-3 measured it (Brown et al. 2020, appendix C: 13-grams, lower
//! case, without punctuation).
//!
//! Words are runs without white space, of which only letters and numbers count, in lower case. `items` names a file of
//! rows (JSON lines, or a table by its name), each an evaluation item with its text in `field`. All n-grams of all items are looked up in every document; an
//! item of fewer than n words (but at least 5) is looked up as a whole. Runs of hits of one item are one span, so a span
//! is the longest stretch of words that document and item share, if that has at least n words.
//!
//! - `hits`: those spans, with the number of the item (its row, from 1) as score: the report of every hit
//! - `overlap`: of the item that is covered best, the share of its different n-grams that occur in the document
//! - `items`: how many items have a hit
//! - `exact`: with `exact = true`, stretches that are the whole text of an item (of at least 20 characters, without the white
//!   space around it), character for character; the score is the item's number
//! - `shares`: the stretches of `hits` in the same order; the score is the share of the item's different n-grams that occur in
//!   the document
//!
//! n-grams are told apart by 64 bits. Cost: a look at one bit for each word, which tells whether an n-gram of an item may begin
//! there; only then one into a table for each length of n-gram.

mod runs;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use regimen_base::{Hash256, fs};
use regimen_recipe::InputFile;

use runs::{Beginnings, Sums, pieces, power};

use super::{Attribute, Buffers, Document, Kind, Params, Scratch, Tagger, Tags, fraction, spans, value};
use crate::error::{Error, Place, Result};
use crate::memory::Memory;
use crate::read::chunk::Chunk;
use crate::read::lines::{self, Form, RowFile};
use crate::read::row::{Fields, Scalar, parse};

const N: usize = 13;
/// Items of fewer words cannot be told from chance.
const LEAST: usize = 5;
/// The same of characters, for whole items.
const LEAST_CHARACTERS: usize = 20;

static ATTRIBUTES: [Attribute; 5] = [
    spans("hits", "stretches of words shared with an item; the score is the item's number"),
    fraction("overlap", "greatest share of an item's n-grams that occur here"),
    value("items", "items with a hit"),
    spans("exact", "whole items, if `exact` asks for them; the score is the item's number"),
    spans("shares", "the stretches of `hits`; the score is the share of the item's n-grams that occur here"),
];

pub(super) static KIND: Kind = Kind {
    name: "decontaminate",
    aliases: &[],
    version: 4,
    about: "Overlap with the evaluation items of the file `items` by n-grams of words (`n`, 13; text in `field`), and whole items.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.only(&["items", "field", "n", "exact"])?;
        let n = match params.integer("n")? {
            None => N,
            Some(n) if (2..=100).contains(&n) => n as usize,
            Some(n) => return Err(params.wrong("n", format!("{n} is not from 2 to 100"))),
        };
        let field = params.text("field")?.unwrap_or("text");
        let items = params
            .opened("items", |path| items(path, field, params))?
            .ok_or_else(|| params.wrong("items", "it is missing: it names the file of items"))?;
        let mut index = Index::new(&items, n);
        if params.flag("exact")? {
            index.whole =
                Some(Whole::new(&items, &index.alike).map_err(|reason| params.wrong("items", reason))?);
        }
        if !index.finds_something() {
            return Err(Error::TaggerField {
                tagger: params.tagger().into(),
                field: "field".into(),
                reason: format!(
                    "no item has {} words or more in `{field}`, and shorter ones are not looked for",
                    least_words(n)
                ),
                hint: "name the field that holds the text of the items with --field (`field` of the tagger in a recipe)".into(),
            });
        }
        Ok(Box::new(index))
    },
};

/// Words that an item needs to be looked for by n-grams of `n`; no n-gram that is looked for is shorter.
fn least_words(n: usize) -> usize {
    n.min(LEAST)
}

/// What of an item is looked for whole, if that is long enough.
fn whole_item(text: &str) -> Option<&str> {
    let text = text.trim();
    (text.chars().count() >= LEAST_CHARACTERS).then_some(text)
}

/// Tells which items have the same text. Of these the first is looked for, and stands for all: many a set asks `Which of these
/// is true?` hundreds of times, and a hit for each of them would say no more.
#[derive(Default)]
pub(crate) struct Alike {
    first: HashMap<Hash256, u32>,
    /// For each item how many have its text, itself among them; 0 for all but the first.
    pub counts: Vec<u32>,
}

impl Alike {
    /// Take the text of the next item.
    pub fn add(&mut self, text: &str) {
        let number = self.counts.len() as u32;
        let first = *self.first.entry(Hash256::of(text.trim().as_bytes())).or_insert(number);
        self.counts.push(0);
        self.counts[first as usize] += 1;
    }
}

/// Tells which items are too short to be looked for.
pub(crate) struct Shortness {
    words: usize,
    exact: bool,
    buffers: Buffers,
}

impl Shortness {
    /// For n-grams of `n` words, and with `exact` for whole items too.
    pub fn new(n: usize, exact: bool) -> Shortness {
        Shortness { words: least_words(n), exact, buffers: Buffers::default() }
    }

    /// Whether nothing of this item is looked for.
    pub fn of(&mut self, text: &str) -> bool {
        pieces(&self.buffers.view(text)).len() < self.words && !(self.exact && whole_item(text).is_some())
    }
}

/// The rows of an evaluation set.
pub(crate) struct ItemRows<'f> {
    rows: RowFile,
    /// The field of the text as it was named, and in the rows as they come: those of tables have another shape.
    named: &'f str,
    field: &'f str,
}

impl<'f> ItemRows<'f> {
    /// Open the set at `path`, called `name`, whose texts are in the field or column `named`.
    pub fn open(path: &Path, name: &str, named: &'f str, memory: &Arc<Memory>) -> Result<ItemRows<'f>> {
        lines::is_rows(name)?;
        let (fields, field) = match Form::of_name(name) {
            Form::Lines => (lines::Fields::default(), named),
            Form::Table(_) | Form::Parquet => {
                (lines::Fields { text: Some(named.into()), ..lines::Fields::default() }, "text")
            }
        };
        let bytes = fs::size(path)?;
        let file = InputFile { path: name.into(), full: path.into(), blake3: Hash256::of(&[]), bytes };
        let rows = RowFile::open(&file, &fields, 0, memory.window_log(1), Arc::default(), memory)?;
        Ok(ItemRows { rows: rows.with_own_ids(), named, field })
    }

    /// The text of the item in a row of these; none if it has none.
    pub fn text<'l>(&self, line: &'l str) -> Option<Cow<'l, str>> {
        match parse(line, Fields { text: self.field, id: "id" }).ok()?.text {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The next chunk; none at the end.
    pub fn next(&mut self) -> Result<Option<Chunk>> {
        match self.rows.next() {
            Err(Error::MissingText { place, .. }) => Err(without(place, self.named, "")),
            next => next,
        }
    }
}

/// A row without the text of an item.
fn without(place: Place, field: &str, fields: &str) -> Error {
    Error::Attributes {
        place,
        reason: format!("the row has no field `{field}` that holds the text of an item"),
        hint: format!("name the field with --field (`field` of the tagger in a recipe){fields}"),
    }
}

/// The texts of all items.
fn items(path: &Path, field: &str, params: &Params) -> Result<Vec<String>> {
    let name = params.called(path);
    let mut rows = ItemRows::open(path, &name, field, &Arc::new(Memory::unlimited()))?;
    let mut out = Vec::new();
    while let Some(chunk) = rows.next()? {
        chunk.rows(&name, |line, place| {
            let row = parse(line, Fields { text: rows.field, id: "id" })
                .map_err(|bad| params.wrong("items", format!("{}: {}", place(), bad.reason)))?;
            match row.text {
                Scalar::Text(text) => out.push(text.into_owned()),
                Scalar::Null => return Err(without(place(), field, &fields(line))),
                other => {
                    let found = other.kind();
                    return Err(params.wrong(
                        "items",
                        format!("{}: field `{field}` must be a text, found {found}", place()),
                    ));
                }
            }
            Ok(())
        })?;
    }
    if out.is_empty() {
        return Err(params.wrong("items", format!("`{name}` has no rows")));
    }
    Ok(out)
}

/// Which fields a row has.
fn fields(line: &str) -> String {
    let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap_or_default();
    let names: Vec<String> = row.keys().take(12).map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "; the row has none".into() } else { format!("; the row has {}", names.join(", ")) }
}

/// All n-grams of one length.
struct Length {
    n: usize,
    power: u64,
    /// Hash and item, sorted.
    entries: Vec<(u64, u32)>,
    /// Places of hashes in `entries`, plus one; 0 is free.
    table: Vec<u32>,
}

impl Length {
    fn new(n: usize, mut entries: Vec<(u64, u32)>) -> Length {
        entries.sort_unstable();
        entries.dedup();
        let mut table = vec![0; (2 * entries.len()).next_power_of_two().max(16)];
        let mask = table.len() - 1;
        for (at, &(hash, _)) in entries.iter().enumerate() {
            if at > 0 && entries[at - 1].0 == hash {
                continue;
            }
            let mut i = hash as usize & mask;
            while table[i] > 0 {
                i = (i + 1) & mask;
            }
            table[i] = at as u32 + 1;
        }
        Length { n, power: power(n), entries, table }
    }

    /// The place of the first entry with this hash.
    fn find(&self, hash: u64) -> Option<usize> {
        let mask = self.table.len() - 1;
        let mut i = hash as usize & mask;
        loop {
            let at = self.table[i].checked_sub(1)? as usize;
            if self.entries[at].0 == hash {
                return Some(at);
            }
            i = (i + 1) & mask;
        }
    }
}

/// The n-grams of all items.
struct Index {
    lengths: Vec<Length>,
    beginnings: Beginnings,
    /// Different n-grams of each item; none of those that are [`Alike`] an earlier one.
    sizes: Vec<u32>,
    /// How many items each stands for.
    alike: Vec<u32>,
    /// The whole items, if they are asked for.
    whole: Option<Whole>,
}

/// All items, looked for at once (Aho and Corasick 1975), in time linear in the text and the hits.
struct Whole {
    automaton: AhoCorasick,
    /// The item of every pattern.
    items: Vec<u32>,
}

impl Whole {
    /// Of these items, without those that are [`Alike`] an earlier one.
    fn new(items: &[String], alike: &[u32]) -> std::result::Result<Whole, String> {
        let first = (0u32..).zip(items).zip(alike).filter(|(_, alike)| **alike > 0);
        let long = first.filter_map(|((number, item), _)| Some((number, whole_item(item)?)));
        let (items, texts): (Vec<u32>, Vec<&str>) = long.unzip();
        let automaton = AhoCorasick::new(texts).map_err(|e| format!("too many items: {e}"))?;
        Ok(Whole { automaton, items })
    }

    fn tag(&self, text: &str, out: &mut Tags) {
        let mut found: Vec<(u32, u32, u32)> = self
            .automaton
            .find_overlapping_iter(text)
            .map(|hit| (hit.start() as u32, self.items[hit.pattern().as_usize()], hit.end() as u32))
            .collect();
        found.sort_unstable();
        found.into_iter().for_each(|(start, item, end)| out.span(3, start..end, f64::from(item + 1)));
    }
}

impl Index {
    fn new(items: &[String], n: usize) -> Index {
        let least = least_words(n);
        let mut by_length: BTreeMap<usize, Vec<(u64, u32)>> = BTreeMap::new();
        let mut beginnings = Vec::new();
        let mut buffers = Buffers::default();
        let mut all = Alike::default();
        items.iter().for_each(|text| all.add(text));
        let alike = all.counts;
        for ((item, text), _) in (0u32..).zip(items).zip(&alike).filter(|(_, alike)| **alike > 0) {
            let pieces = pieces(&buffers.view(text));
            let length = pieces.len().min(n);
            if length >= least {
                let sums = Sums::new(&pieces);
                by_length.entry(length).or_default().extend(sums.runs(length).map(|hash| (hash, item)));
                beginnings.extend(sums.runs(least).take(pieces.len() - length + 1));
            }
        }
        beginnings.sort_unstable();
        beginnings.dedup();
        let beginnings = Beginnings::new(least, &beginnings);
        let lengths: Vec<Length> =
            by_length.into_iter().map(|(n, entries)| Length::new(n, entries)).collect();
        let mut sizes = vec![0; items.len()];
        lengths.iter().flat_map(|length| &length.entries).for_each(|&(_, item)| sizes[item as usize] += 1);
        Index { lengths, beginnings, sizes, alike, whole: None }
    }
}

impl Index {
    /// Whether any item is long enough to be looked for.
    fn finds_something(&self) -> bool {
        self.sizes.iter().any(|&size| size > 0)
            || self.whole.as_ref().is_some_and(|whole| !whole.items.is_empty())
    }
}

impl Tagger for Index {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let pieces = pieces(&document.view);
        // Of every n-gram of an item that stands here: its length and first entry, and its range of bytes.
        let mut places: Vec<(u32, u32, u32, u32)> = Vec::new();
        let sums = Sums::new(&pieces);
        for (i, beginning) in sums.runs(self.beginnings.words).enumerate() {
            if !self.beginnings.has(beginning) {
                continue;
            }
            for (number, length) in (0u32..).zip(&self.lengths) {
                let Some(hash) = sums.run(i, length.n, length.power) else { continue };
                let Some(at) = length.find(hash) else { continue };
                places.push((number, at as u32, pieces[i].start, pieces[i + length.n - 1].end));
            }
        }
        places.sort_unstable();
        // Each item with the places of one of its n-grams: many items may share one that stands here many times.
        let mut of_items: Vec<(u32, u32, u32)> = Vec::new();
        let mut from = 0;
        for same in places.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (number, at, ..) = same[0];
            let entries = &self.lengths[number as usize].entries[at as usize..];
            let to = from + same.len() as u32;
            let sharing = entries.iter().take_while(|entry| entry.0 == entries[0].0);
            of_items.extend(sharing.map(|&(_, item)| (item, from, to)));
            from = to;
        }
        of_items.sort_unstable();
        let (mut overlap, mut items) = (0.0f64, 0);
        let mut marked = Vec::new();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for of_item in of_items.chunk_by(|a, b| a.0 == b.0) {
            let item = of_item[0].0;
            let share = of_item.len() as f64 / f64::from(self.sizes[item as usize]);
            overlap = overlap.max(share);
            items += self.alike[item as usize];
            ranges.clear();
            let own = of_item.iter().flat_map(|&(_, from, to)| &places[from as usize..to as usize]);
            ranges.extend(own.map(|&(_, _, start, end)| (start, end)));
            ranges.sort_unstable();
            for &(start, end) in &ranges {
                match marked.last_mut() {
                    Some((of, _, last, _)) if *of == item && start < *last => *last = end.max(*last),
                    _ => marked.push((item, start, end, share)),
                }
            }
        }
        marked.sort_unstable_by_key(|&(item, start, ..)| (start, item));
        for (item, start, end, share) in marked {
            out.span(0, start..end, f64::from(item + 1));
            out.span(4, start..end, share);
        }
        out.value(1, overlap);
        out.value(2, f64::from(items));
        if let Some(whole) = &self.whole {
            whole.tag(document.view.text, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::{Set, Wanted};
    use proptest::prelude::*;

    fn found(index: &Index, text: &str) -> (Vec<(u32, String)>, f64, f64) {
        let mut buffers = Buffers::default();
        let mut out = Tags::default();
        out.begin(ATTRIBUTES.len(), text.len() as u32);
        index.tag(&Document { view: buffers.view(text), metadata: "" }, &mut Scratch::default(), &mut out);
        let hits =
            out.spans(0).iter().map(|s| (s.score as u32, text[s.start as usize..s.end as usize].into()));
        (hits.collect(), out.spans(1)[0].score, out.spans(2)[0].score)
    }

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| s.to_string()).collect()
    }

    #[test]
    fn the_longest_shared_stretches_are_found_whatever_case_and_punctuation() {
        let index = Index::new(
            &words(&[
                "one two three four five six seven",
                "a b c d e f",
                "what is the capital of France?",
                "too short",
            ]),
            4,
        );
        let text = "So: One, two - THREE four (five) and six. What is the capital of France... too short";
        let (hits, overlap, items) = found(&index, text);
        assert_eq!(
            hits,
            [(1, "One, two - THREE four (five)".into()), (3, "What is the capital of France...".into())]
        );
        assert_eq!((overlap, items), (1.0, 2.0));
        let (hits, overlap, items) = found(&index, "nothing of it one two three");
        assert_eq!((hits.len(), overlap, items), (0, 0.0, 0.0));
        // Items of fewer words than n are looked up whole.
        let whole = Index::new(&words(&["alpha beta gamma delta epsilon", "a b"]), 13);
        assert_eq!(found(&whole, "x Alpha beta, gamma delta epsilon y").0.len(), 1);
        assert_eq!(found(&whole, "alpha beta gamma delta").0.len(), 0);
        assert_eq!(found(&whole, "").1, 0.0);
    }

    #[test]
    fn of_items_with_the_same_text_the_first_stands_for_all() {
        let same = "Which of the following is true?";
        let items = words(&[
            "a b c d e f",
            same,
            "Which of the following is false?",
            " Which of the following is true?\n",
        ]);
        let mut index = Index::new(&items, 4);
        index.whole = Some(Whole::new(&items, &index.alike).unwrap());
        assert_eq!(index.alike, [1, 2, 1, 0]);
        let (hits, overlap, count) = found(&index, same);
        assert_eq!(hits, [(2, same.into()), (3, "Which of the following is".into())]);
        assert_eq!((overlap, count), (1.0, 3.0));
        let mut out = Tags::default();
        out.begin(ATTRIBUTES.len(), same.len() as u32);
        index.whole.as_ref().unwrap().tag(same, &mut out);
        assert_eq!(out.spans(3).iter().map(|span| span.score).collect::<Vec<_>>(), [2.0]);
    }

    #[test]
    fn whole_items_are_found_to_the_letter() {
        let items = words(&[
            "What is the capital of France?",
            "the capital of France",
            "too short",
            "何".repeat(20).as_str(),
        ]);
        let short = |exact| {
            let mut shortness = Shortness::new(13, exact);
            items.iter().map(|item| shortness.of(item)).collect::<Vec<bool>>()
        };
        assert_eq!(short(false), [false, true, true, true]);
        assert_eq!(short(true), [false, false, true, false]);
        let mut index = Index::new(&items, 13);
        index.whole = Some(Whole::new(&items, &index.alike).unwrap());
        let exact = |text: &str| {
            let (mut buffers, mut out) = (Buffers::default(), Tags::default());
            out.begin(ATTRIBUTES.len(), text.len() as u32);
            index.tag(
                &Document { view: buffers.view(text), metadata: "" },
                &mut Scratch::default(),
                &mut out,
            );
            out.spans(3).iter().map(|s| (s.score as u32, s.start, s.end)).collect::<Vec<_>>()
        };
        assert_eq!(exact("é What is the capital of France? too short"), [(1, 3, 33), (2, 11, 32)]);
        assert_eq!(exact("what is the Capital of France?"), []);
        assert_eq!(exact(&"何".repeat(21)), [(4, 0, 60), (4, 3, 63)]);
    }

    #[test]
    fn files_of_items_are_read_and_faults_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("items.jsonl");
        let set = |content: &str, more: &[(&str, serde_json::Value)]| {
            std::fs::write(&path, content).unwrap();
            let mut params = serde_json::json!({"items": path}).as_object().unwrap().clone();
            params.extend(more.iter().map(|(k, v)| (k.to_string(), v.clone())));
            Set::new(&[Wanted { tagger: "decontaminate".into(), name: None, params }])
                .map(drop)
                .map_err(|e| e.to_string())
        };
        let field = ("field", serde_json::json!("question"));
        assert!(set("{\"question\":\"what is that over there\"}\n", std::slice::from_ref(&field)).is_ok());
        assert!(
            set("{\"text\":\"what is that\"}\n", std::slice::from_ref(&field))
                .unwrap_err()
                .contains("line 1")
        );
        assert!(set("nonsense\n", &[]).unwrap_err().contains("line 1"));
        assert!(set("", &[]).unwrap_err().contains("no rows"));
        assert!(
            set("{\"text\":\"x\"}", &[("n", serde_json::json!(1))]).unwrap_err().contains("from 2 to 100")
        );
        let short = set("{\"text\":\"q 1\"}\n{\"text\":\"q 2\"}", &[]).unwrap_err();
        assert!(short.contains("no item has 5 words or more in `text`"), "{short}");
        let none = Set::new(&[Wanted::named("decontaminate")]).err().unwrap().to_string();
        assert!(none.contains("items"), "{none}");
    }

    #[test]
    fn every_hit_has_the_share_of_its_own_item() {
        let index = Index::new(&words(&["a b c d e f g h", "p q r s t u"]), 5);
        let mut buffers = Buffers::default();
        let mut out = Tags::default();
        let text = "x p q r s t u y a b c d e f z a b c d e";
        out.begin(ATTRIBUTES.len(), text.len() as u32);
        index.tag(&Document { view: buffers.view(text), metadata: "" }, &mut Scratch::default(), &mut out);
        let each: Vec<(f64, f64)> =
            out.spans(0).iter().zip(out.spans(4)).map(|(hit, share)| (hit.score, share.score)).collect();
        assert_eq!(each, [(2.0, 1.0), (1.0, 0.5), (1.0, 0.5)]);
        assert!(out.spans(0).iter().zip(out.spans(4)).all(|(a, b)| (a.start, a.end) == (b.start, b.end)));
    }

    proptest! {
        #[test]
        fn hits_are_those_of_the_book(
            text in "([abc] ){0,60}", items in prop::collection::vec("([ab] ){1,9}", 1..4), n in 2usize..9
        ) {
            let index = Index::new(&items, n);
            let words: Vec<&str> = text.split_whitespace().collect();
            let (hits, overlap, count) = found(&index, &text);
            let (mut best, mut with) = (0.0f64, 0);
            for item in &items {
                let i = items.iter().position(|first| first == item).unwrap();
                let own: Vec<&str> = item.split_whitespace().collect();
                let n = n.min(own.len());
                if n < LEAST && own.len() < index.beginnings.words {
                    prop_assert!(!hits.iter().any(|(of, _)| *of as usize == i + 1));
                    continue;
                }
                let grams: std::collections::BTreeSet<&[&str]> = own.windows(n).collect();
                let here = grams.iter().filter(|gram| words.windows(n).any(|w| w == **gram)).count();
                best = best.max(here as f64 / grams.len() as f64);
                with += usize::from(here > 0);
                prop_assert_eq!(hits.iter().any(|(of, _)| *of as usize == i + 1), here > 0);
            }
            prop_assert_eq!((overlap, count as usize), (best, with));
        }
    }
}
