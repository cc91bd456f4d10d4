//! Help and documentation from the field tables.

use regimen_recipe::docs::{describe, markdown};
use regimen_recipe::testing::audit;
use regimen_recipe::*;

use crate::toy::*;

#[test]
fn a_kind_describes_itself() {
    assert_eq!(
        describe(&MIX),
        "\
mix: Draw numbers.

Inputs (a stage's name, `key:...` or the path of an artifact):
  text: an artifact of kind gather, required
      What to mix.
  init: an artifact of kind mix or count, optional
      Where to start.

Fields:
  model: a table
      The model.
    layers: a whole number from 1 to 99, default 4
        Layers.
    heads: a whole number of at least 1, default 4
        Heads of attention.
    kv_heads: a whole number of at least 1, default none
        Heads of keys.
  rate: a number of at least 0, default 0.001
      Learning rate.
  share: a number from 0 to 1, default 0.5
      A share.
  tied: true or false, default true
      Whether the head is tied to the embedding.
  prompts: a list of: a text, default [], not part of the key
      What to show.

  seed: a whole number, default: the recipe's
      Seed of all random numbers of the stage.
"
    );
}

#[test]
fn the_page_of_all_kinds_holds_every_field_in_cells() {
    let page = markdown(&REGISTRY);
    for line in [
        "## gather",
        "| `sources` | a list of: a table | required | What to read. |",
        "| `sources.author` | \"human\" \\| \"machine\" \\| \"unknown\" | `\"unknown\"` | Who wrote it. |",
        "| `sources.share` | a number from 0 to 1 | `1.0; machine 0.5` | How much of it. |",
        "| `text` | an artifact of kind gather | yes | What to mix. |",
        "| `model.kv_heads` | a whole number of at least 1 | none | Heads of keys. |",
        "| `prompts` | a list of: a text | `[]` | What to show. Not part of the key. |",
        "| `seed` | a whole number | the recipe's | Seed of all random numbers of the stage. |",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}\n{page}");
    }
    // Every row of a table has the cells of its head.
    for line in page.lines().filter(|l| l.starts_with('|')) {
        assert_eq!(line.replace("\\|", "").matches('|').count(), 5, "{line}");
    }
}

static BAD: StageKind = StageKind {
    kind: "bad",
    version: 1,
    about: "Has every fault a table can have.",
    seeded: false,
    shared: false,
    inputs: &[Input { name: "seed", accepts: &["nothing"], required: false, doc: "" }],
    fields: &[
        Field::new("a", Ty::POSITIVE, "0", "Out of range."),
        Field::new("b", Ty::Bool, "tru", "No JSON."),
        Field::new("c", Ty::Str, "\"\"", ""),
        Field::new("t", Ty::Table(&[Field::new("x", Ty::Str, "1", "Another type.")]), "{}", "A table."),
        Field::new("c", Ty::Str, "\"\"", "Twice."),
        Field::by("d", Ty::Bool, "true", "e", &[("x", "2")], "Depends on what comes later."),
    ],
    check: no_check,
    forecast: |_| Ok(Forecast::default()),
    run: |_| Ok(()),
};

#[test]
fn an_audit_finds_faults_of_the_tables() {
    assert!(audit(&REGISTRY).is_empty(), "{:?}", audit(&REGISTRY));
    static TWICE: [&StageKind; 2] = [&BAD, &BAD];
    static ROOMS: [&[&StageKind]; 1] = [&TWICE];
    let found = audit(&Registry(&ROOMS));
    for part in [
        "the kind `bad` is there twice",
        "`seed` of `bad` is there twice",
        "takes the unknown kind `nothing`",
        "`a` of stage kind `bad` must be a whole number of at least 1, found 0",
        "the default of `b` of stage kind `bad` is not JSON",
        "`c` of `bad` is not explained",
        "`c` of `bad` is there twice",
        "must be a text, found 1",
        "the default of `d` of `bad` depends on `e`, which does not stand before it",
        "`d` of stage kind `bad` must be true or false, found 2",
    ] {
        assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:?}");
    }
}
