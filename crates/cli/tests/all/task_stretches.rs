//! Stretches that came before are found by several tasks as by one machine.

use crate::common::data::{Dice, row, text};
use crate::task_rounds::{alone, by_tasks};
use crate::tasks::{RECIPE, project};

#[test]
fn stretches_are_those_of_one_machine() {
    let one = project();
    // Texts that are gone through in several pieces.
    let mut dice = Dice(5);
    let mut long = || text(&mut dice, 16_000);
    let (a, b) = (long(), long());
    let (share, other) = (&a[20_000..], &b[..30_000]);
    one.write(
        "data/a/9.jsonl",
        row("long", &a) + &row("again", &format!("{other} {share}")) + &row("other", &b),
    );
    let with = format!("{RECIPE}substrings = {{ min_bytes = 40 }}\n");
    // After paragraphs and a mix, and alone.
    let paragraphs = "paragraphs = { dedup = \"exact\", min_bytes = 30 }\n";
    let only = with.replace(paragraphs, "").replace("near = ", "# near = ").replace(", weight = 2.0", "");
    for (recipe, rounds) in
        [(with, &["paragraphs.again", "substrings.again"][..]), (only, &["substrings.again"])]
    {
        let without = alone(&one, &recipe.replace("min_bytes = 40 }", "min_bytes = 0 }"));
        let expected = alone(&one, &recipe);
        assert!(!expected.values().eq(without.values()), "some stretches came before");
        by_tasks(&one, &expected, rounds);
    }
}
