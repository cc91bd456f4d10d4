//! The fields of the stage `corpus`: the table that recipes, help and docs read.

use regimen_recipe::{Field, Ty};

use super::LEAST_MEMORY;
use crate::quality;
use crate::source;

/// Fields of one entry of `tag`.
static TAG: &[Field] = &[
    Field::required("tagger", Ty::Str, "Name of the tagger; `regimen corpus taggers` lists them."),
    Field::new(
        "name",
        Ty::Maybe(&Ty::Str),
        "null",
        "What its attributes are called after; the tagger's own name if it is left out. Needed when one tagger is used twice.",
    ),
    Field::new(
        "bad_words",
        Ty::Maybe(&Ty::Files),
        "null",
        "File with a word or phrase a line, for `c4@dolma`.",
    ),
    Field::new(
        "model",
        Ty::Maybe(&Ty::Files),
        "null",
        "File of a model: fastText for `fasttext`, `language`, `classes` and `languages`, KenLM for `perplexity`.",
    ),
    Field::new(
        "sentencepiece",
        Ty::Maybe(&Ty::Files),
        "null",
        "File of a SentencePiece unigram model into whose pieces `perplexity` cuts the text, such as CCNet's `en.sp.model`.",
    )
    .later(),
    Field::new(
        "normalise",
        Ty::Maybe(&Ty::OneOf(&["ccnet", "datatrove"])),
        "null",
        "How `perplexity` normalises the text: ccnet as cc_net does before its models, datatrove as datatrove does. null: not at all.",
    )
    .later(),
    Field::new("label", Ty::Maybe(&Ty::Str), "null", "Label asked for of a classifier; `en` for `language`."),
    Field::new("list", Ty::Maybe(&Ty::Files), "null", "File of hosts, URLs or filter lines, for `url`."),
    Field::new(
        "key",
        Ty::Maybe(&Ty::Str),
        "null",
        "Key of the metadata that holds the URL, for `url`; `url` if left out.",
    ),
    Field::new("seed", Ty::Maybe(&Ty::COUNT), "null", "Seed of `random_number`; 0 if left out."),
    Field::new(
        "items",
        Ty::Maybe(&Ty::Files),
        "null",
        "File of evaluation items, one a row, for `decontaminate`.",
    ),
    Field::new(
        "field",
        Ty::Maybe(&Ty::Str),
        "null",
        "Field of a row that holds the item's text; `text` if left out.",
    ),
    Field::new(
        "n",
        Ty::Maybe(&Ty::Int { min: 2, max: 100 }),
        "null",
        "Words of an n-gram for `decontaminate`; 13 if left out.",
    ),
    Field::new(
        "exact",
        Ty::Maybe(&Ty::Bool),
        "null",
        "Whether `decontaminate` also looks for whole items, character for character; false if left out.",
    )
    .later(),
];

/// Fields of one entry of `edit`.
static EDIT: &[Field] = &[
    Field::required("spans", Ty::Str, "An attribute that marks spans, such as `pii@dolma.EMAIL_ADDRESS`."),
    Field::new("replace", Ty::Str, "\"\"", "What stands in place of each span; nothing cuts it out."),
    Field::new("when", Ty::Maybe(&Ty::Str), "null", "Expression that must hold for the document."),
    Field::new(
        "least",
        Ty::Maybe(&Ty::Float { min: f64::NEG_INFINITY, max: f64::INFINITY }),
        "null",
        "Least score of a span that is edited.",
    ),
];

/// Fields of the table `near`.
static NEAR: &[Field] = &[
    Field::new(
        "preset",
        Ty::OneOf(&["none", "fineweb", "dolma3", "nemo", "duplodocus"]),
        "\"none\"",
        "Parameters of MinHash: fineweb (words, 5-grams, 14 bands of 8), dolma3 (26 of 11), nemo (24 characters, 20 of 13), \
         duplodocus (20 of 5). none: near duplicates are kept.",
    ),
    Field::new(
        "keep",
        Ty::OneOf(&["first", "last", "longest", "newest", "source-order"]),
        "\"first\"",
        "Which document of a cluster stays (the newest by the day of `created`); between equals the first in document order.",
    ),
    Field::new(
        "bands",
        Ty::Maybe(&Ty::POSITIVE),
        "null",
        "Bands, instead of those of the preset: more find more.",
    )
    .later(),
    Field::new(
        "rows",
        Ty::Maybe(&Ty::POSITIVE),
        "null",
        "Hash functions of a band, instead of those of the preset: more ask for more likeness.",
    )
    .later(),
    Field::new(
        "ngram",
        Ty::Maybe(&Ty::Int { min: 1, max: 1024 }),
        "null",
        "Words of a shingle (with nemo characters), instead of those of the preset.",
    )
    .later(),
    Field::new("seed", Ty::Maybe(&Ty::COUNT), "null", "Seed of the hash functions; 1 if left out.").later(),
    Field::new(
        "verify",
        Ty::Maybe(&Ty::Float { min: f64::MIN_POSITIVE, max: 1.0 }),
        "null",
        "Texts that share a band are near copies only if the sets of their shingles have this Jaccard similarity, counted from the \
         texts; left out, all that share a band are.",
    )
    .later(),
];

/// Fields of the table `paragraphs`.
static PARAGRAPHS: &[Field] = &[
    Field::new(
        "dedup",
        Ty::OneOf(&["none", "exact", "bloom"]),
        "\"none\"",
        "exact: of equal paragraphs (lines, without the white space around them) in all kept documents the first stays. \
         bloom: the same by a Bloom filter, in less memory and with false positives. With `words` their n-grams are compared.",
    ),
    Field::new(
        "min_bytes",
        Ty::Int { min: 0, max: u32::MAX as i64 },
        "0",
        "Shorter paragraphs are not compared.",
    ),
    Field::new(
        "expected",
        Ty::POSITIVE,
        "20000000",
        "Different paragraphs (with `words` n-grams) that the Bloom filter is sized for; more are an error.",
    ),
    Field::new(
        "rate",
        Ty::Float { min: f64::MIN_POSITIVE, max: 0.5 },
        "1e-6",
        "Rate of false positives of the Bloom filter at that number.",
    ),
    Field::new(
        "words",
        Ty::Maybe(&Ty::Int { min: 1, max: 1000 }),
        "null",
        "Paragraphs go of whose n-grams of so many words enough came before, as for `corpus dedup --by ngram`; 13 is the usual value. \
         Left out, whole paragraphs are compared.",
    )
    .later(),
    Field::new(
        "overlap",
        Ty::Maybe(&Ty::Float { min: 1e-6, max: 1.0 }),
        "null",
        "Share of a paragraph's n-grams that must have come before; 1 if left out.",
    )
    .later(),
    Field::new(
        "stride",
        Ty::Maybe(&Ty::Int { min: 1, max: u32::MAX as i64 }),
        "null",
        "Words from the begin of an n-gram to that of the next, from the second on; 1 if left out.",
    )
    .later(),
    Field::new(
        "skip_short",
        Ty::Maybe(&Ty::Bool),
        "null",
        "Whether paragraphs with fewer than two n-grams are not compared as a whole: one n-gram decides alone, and without any a \
         paragraph stays; false if left out.",
    )
    .later(),
];

/// Fields of the table `substrings`.
static SUBSTRINGS: &[Field] = &[Field::new(
    "min_bytes",
    Ty::Int { min: 0, max: 65_536 },
    "0",
    "Stretches of so many bytes or more that occurred before, in any kept document, are cut out; the first stays. 500 is the \
     usual value; 0: none are looked for.",
)];

/// Fields of the table `mix`.
static MIX: &[Field] = &[
    Field::new(
        "temperature",
        Ty::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
        "1",
        "Shares of sources go by their bytes to the power of 1 / temperature, times their weights: above 1 flattens them.",
    ),
    Field::new(
        "budget_bytes",
        Ty::COUNT,
        "0",
        "Bytes of text to take in all, to within a document (or a 16,384th) of each source and at most all of each; validation is among them, and \
         paragraphs and substrings are cut afterwards. 0: as much as there is at the shares wanted.",
    ),
    Field::new(
        "max_copies",
        Ty::Int { min: 1, max: 1 << 14 },
        "1",
        "How often a training document is taken at most, where its source is wanted more often than it is there: its text is \
         stored once, the stage `tokens` repeats it.",
    )
    .later(),
];

/// Fields of the stage.
pub(crate) static FIELDS: &[Field] = &[
    Field::required(
        "sources",
        Ty::List(&Ty::Table(source::FIELDS)),
        "Where documents come from, in document order: of two equal texts the first is kept.",
    ),
    Field::new(
        "filter",
        Ty::Table(quality::FIELDS),
        "{}",
        "Thresholds that a document must meet. What is dropped stays in the table with its reason.",
    ),
    Field::new(
        "tag",
        Ty::List(&Ty::Table(TAG)),
        "[]",
        "Taggers to run over every document; their attributes are kept, and `drop` and `edit` may look at them.",
    )
    .later(),
    Field::new(
        "drop",
        Ty::List(&Ty::Str),
        "[]",
        "Expressions over attributes; a document for which one holds is dropped, the first one being the reason.",
    )
    .later(),
    Field::new(
        "edit",
        Ty::List(&Ty::Table(EDIT)),
        "[]",
        "Spans to cut out of the texts or to replace. A keep map leads from what is left back to the source.",
    )
    .later(),
    Field::new(
        "metadata",
        Ty::List(&Ty::Str),
        "[\"url\"]",
        "Keys of the metadata of rows and pages that the corpus keeps beside the texts, for `trace doc`, `inspect`, exports and \
         expressions over the finished corpus; `*` is all of them but the text and the id.",
    )
    .later(),
    Field::new(
        "dedup_url",
        Ty::Bool,
        "false",
        "Whether of documents with the same URL (`metadata.url`, in one spelling) the first is kept.",
    )
    .later(),
    Field::new("near", Ty::Table(NEAR), "{}", "Near duplicates, by MinHash over the edited texts.").later(),
    Field::new("paragraphs", Ty::Table(PARAGRAPHS), "{}", "Paragraphs that came before, in any document.").later(),
    Field::new(
        "substrings",
        Ty::Table(SUBSTRINGS),
        "{}",
        "Stretches of bytes that came before, wherever they lie in their documents, in what `paragraphs` leaves.",
    )
    .later(),
    Field::new(
        "mix",
        Ty::Table(MIX),
        "{}",
        "How much of each source is taken of what deduplication left: documents are left out by the hash of their keys.",
    )
    .later(),
    Field::new(
        "memory",
        Ty::Int { min: LEAST_MEMORY as i64, max: i64::MAX },
        "4000000000",
        "Bytes that may be taken for what grows with the input: what is between reader and writer, long documents, what is \
         held of every document, records and tables of deduplication (beyond them it works with files). About 100 MiB and 24 \
         MiB a thread come on top. What cannot fit is refused with the sizes.",
    )
    .unkeyed(),
    Field::new(
        "dedup",
        Ty::OneOf(&["exact", "none"]),
        "\"exact\"",
        "exact: of documents with the same text the first is kept. none: all are kept, and all of them are on the same \
         side of the split.",
    ),
    Field::new(
        "validation",
        Ty::FRACTION,
        "0.05",
        "Share of documents held out for validation, chosen by the hash of their keys, or of their texts if `dedup` is \
         none.",
    ),
    Field::new(
        "limit_bytes",
        Ty::COUNT,
        "0",
        "Stop after the document with which the kept text reaches so many bytes; 0 reads all.",
    ),
    Field::new(
        "invalid_utf8",
        Ty::OneOf(&["error", "replace", "drop"]),
        "\"error\"",
        "What becomes of text that is not UTF-8. replace: invalid parts become U+FFFD.",
    ),
    Field::new(
        "invalid_licence",
        Ty::OneOf(&["error", "noassertion"]),
        "\"error\"",
        "What becomes of a row whose licence is not an SPDX expression. noassertion: it counts as NOASSERTION.",
    )
    .later(),
    Field::new(
        "missing_text",
        Ty::OneOf(&["error", "drop"]),
        "\"error\"",
        "What becomes of a row without a text, and of a damaged record of a crawl. drop: each is passed over, with its reason.",
    ),
    Field::new(
        "invalid_row",
        Ty::OneOf(&["error", "drop"]),
        "\"error\"",
        "What becomes of a row that cannot be read: a line that is no JSON object, or a row of a table with more or fewer \
         fields than the header.",
    )
    .later(),
];
