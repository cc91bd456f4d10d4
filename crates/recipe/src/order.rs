//! The order in which stages can run.

use crate::error::Wrong;
use crate::recipe::{InputRef, Stage};

/// The stages, each after those it takes from, otherwise in the order given.
pub(crate) fn sort(stages: Vec<Stage>) -> Result<Vec<Stage>, Wrong> {
    let mut open = stages;
    let mut sorted: Vec<Stage> = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let ready = open
            .iter()
            .position(|stage| feeds(stage).all(|(_, name)| sorted.iter().any(|done| done.name == name)));
        match ready {
            Some(i) => sorted.push(open.remove(i)),
            None => return Err(cycle(&open)),
        }
    }
    Ok(sorted)
}

fn feeds(stage: &Stage) -> impl Iterator<Item = (&str, &str)> {
    stage.inputs.iter().filter_map(|(input, filled)| match filled {
        InputRef::Stage(name) => Some((input.as_str(), name.as_str())),
        _ => None,
    })
}

/// The error for stages that all wait for one another: walking from any of them to one it waits for must come back.
fn cycle(open: &[Stage]) -> Wrong {
    let mut path: Vec<(&Stage, &str)> = Vec::new();
    let mut at = &open[0];
    let start = loop {
        if let Some(i) = path.iter().position(|(stage, _)| stage.name == at.name) {
            break i;
        }
        let next = feeds(at).find_map(|(input, name)| Some((input, open.iter().find(|s| s.name == name)?)));
        let Some((input, stage)) = next else { break 0 };
        path.push((at, input));
        at = stage;
    };
    let ring = &path[start..];
    let mut names: Vec<&str> = ring.iter().map(|(stage, _)| stage.name.as_str()).collect();
    names.push(&at.name);
    let place = ring.first().and_then(|(stage, input)| stage.places.get(*input).or(stage.header.as_ref()));
    Wrong::new(place, format!("the stages wait for each other: {}", names.join(" <- ")))
        .hint("a stage can take only from stages that do not take from it")
}
