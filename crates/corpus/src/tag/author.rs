//! The kind of author that a document's own metadata declares: `author_kind`, one of human, machine, mixed, unknown.

use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, flag};
use crate::author::Author;
use crate::read::field;

static ATTRIBUTES: [Attribute; 5] = [
    flag("human", "`author_kind` says human"),
    flag("machine", "`author_kind` says machine"),
    flag("mixed", "`author_kind` says mixed"),
    flag("unknown", "`author_kind` says unknown"),
    flag("undeclared", "there is no `author_kind`, or it says something else"),
];

pub(super) static KIND: Kind = Kind {
    name: "author",
    aliases: &[],
    version: 2,
    about: "The author kind that a document's metadata declares.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Declared))
    },
};

struct Declared;

impl Tagger for Declared {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let declared = field::text(document.metadata, "author_kind");
        let attribute = match declared.and_then(|kind| Author::parse(&kind)) {
            Some(Author::Human) => 0,
            Some(Author::Machine) => 1,
            Some(Author::Mixed) => 2,
            Some(Author::Unknown) => 3,
            None => 4,
        };
        out.value(attribute, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::tags_of;

    #[test]
    fn what_is_declared_is_told_and_nothing_else() {
        let of = |metadata: &str| tags_of("author", "x", metadata)[0].0.clone();
        assert_eq!(of(r#"{"author_kind":"machine","a":1}"#), "machine");
        assert_eq!(of(r#"{"author_kind":"unknown"}"#), "unknown");
        assert_eq!(of(r#"{"author_kind":"human","n":1e999,"author_kind":"mixed"}"#), "mixed");
        for none in ["", "{}", r#"{"author_kind":"robot"}"#, r#"{"author_kind":3}"#, "[1]"] {
            assert_eq!(of(none), "undeclared");
        }
    }
}
