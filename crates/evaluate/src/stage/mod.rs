//! The stages of this room.

mod evaluate;
mod forecast;
mod generate;
mod ngram;
#[cfg(test)]
mod tests;

pub(crate) use evaluate::EVALUATE;
pub(crate) use generate::GENERATE;
pub(crate) use ngram::NGRAM;

/// Append a value as one line of JSON.
fn push_line(lines: &mut Vec<u8>, value: &impl serde::Serialize) {
    serde_json::to_writer(&mut *lines, value).expect("rows of texts and finite numbers always encode");
    lines.push(b'\n');
}
