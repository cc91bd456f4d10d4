//! Stretches that came before are found by several tasks as by one machine.

use crate::task_rounds::{alone, by_tasks};
use crate::tasks::{RECIPE, project};

#[test]
fn stretches_are_those_of_one_machine() {
    let one = project();
    let plain = alone(&one, RECIPE);
    let with = format!("{RECIPE}substrings = {{ min_bytes = 40 }}\n");
    let paragraphs = "paragraphs = { dedup = \"exact\", min_bytes = 30 }\n";
    // After paragraphs and a mix, and alone.
    let only = with.replace(paragraphs, "").replace("near = ", "# near = ").replace(", weight = 2.0", "");
    for (recipe, rounds) in
        [(with.clone(), &["paragraphs.again", "substrings.again"][..]), (only, &["substrings.again"])]
    {
        let expected = alone(&one, &recipe);
        assert!(!expected.values().eq(plain.values()), "some stretches came before");
        by_tasks(&one, &expected, rounds);
    }
}
