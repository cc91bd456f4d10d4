//! Making a model about four times smaller: each number of the input matrix becomes a byte.
//!
//! The file is fastText's own (`.ftz`), a product quantiser (Joulin et al., "FastText.zip", 2016, arXiv:1612.03651, section
//! 3.1) whose parts are single numbers: the 256 centroids of a column are those of Lloyd's algorithm (1982) on its values. The
//! output matrix, the vocabulary and the n-grams stay as they are.

use super::bytes::Cursor;
use super::dictionary::Dictionary;
use super::matrix::sizes;
use super::{FORMAT, Header, flag};
use crate::error::Result;

/// Centroids of a column.
const CENTROIDS: usize = 256;
/// Rounds of Lloyd's algorithm.
const ROUNDS: usize = 30;

/// The same model with bytes instead of numbers in its input matrix.
///
/// # Errors
/// [`crate::Error::Model`] if `model` is no model with plain numbers.
pub fn quantise(model: &[u8]) -> Result<Vec<u8>> {
    let mut cursor = Cursor::new(model, "the model", FORMAT);
    let header = Header::read(&mut cursor)?;
    Dictionary::read(&mut cursor, header.cut)?;
    let head = cursor.at();
    if flag(&mut cursor, "the kind of the input matrix")? {
        return Err(cursor.refuse("its input matrix is quantised"));
    }
    let (rows, columns) = sizes(&mut cursor, "the input matrix")?;
    let length = rows.checked_mul(columns as u64).filter(|n| i32::try_from(*n).is_ok());
    let length = length.ok_or_else(|| cursor.refuse(format!("{rows} x {columns} numbers are too many")))?;
    let numbers = cursor.take(4 * length, "the input matrix")?.as_chunks().0;
    let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
        return Err(cursor.refuse(format!("its input matrix holds {number}")));
    }

    let mut codes = vec![0; numbers.len()];
    let mut centroids = Vec::with_capacity(columns * CENTROIDS);
    for column in 0..columns {
        let found = lloyd(numbers.iter().skip(column).step_by(columns).copied().collect());
        let of_column = numbers.iter().zip(&mut codes).skip(column).step_by(columns);
        of_column.for_each(|(number, code)| *code = nearest(&found, *number));
        centroids.extend(found);
    }

    let mut out = model[..head].to_vec();
    out.extend([1, 0]); // quantised, without norms
    for size in [rows, columns as u64] {
        out.extend(size.to_le_bytes());
    }
    out.extend((codes.len() as i32).to_le_bytes());
    out.extend(codes);
    for number in [columns, columns, 1, 1] {
        out.extend((number as i32).to_le_bytes());
    }
    out.extend(centroids.iter().flat_map(|number| number.to_le_bytes()));
    out.extend_from_slice(&model[cursor.at()..]);
    Ok(out)
}

/// The centroids of some values, from the least on; more than there are values are filled up with the greatest.
fn lloyd(mut values: Vec<f32>) -> Vec<f32> {
    values.sort_by(f32::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return vec![0.0; CENTROIDS] };
    let mut centroids: Vec<f32> =
        (0..CENTROIDS).map(|i| values[(2 * i + 1) * last / (2 * CENTROIDS)]).collect();
    for _ in 0..ROUNDS {
        let mut start = 0;
        for i in 0..CENTROIDS {
            // Values up to half way to the next centroid belong to this one.
            let end = match centroids.get(i + 1) {
                Some(next) => {
                    let half = f64::midpoint(f64::from(centroids[i]), f64::from(*next));
                    start + values[start..].partition_point(|value| f64::from(*value) <= half)
                }
                None => values.len(),
            };
            let own = &values[start..end];
            if !own.is_empty() {
                centroids[i] = (own.iter().copied().map(f64::from).sum::<f64>() / own.len() as f64) as f32;
            }
            start = end;
        }
    }
    centroids
}

/// The number of the centroid next to a value.
fn nearest(centroids: &[f32], value: f32) -> u8 {
    let above = centroids.partition_point(|centroid| *centroid < value).min(centroids.len() - 1);
    let below = above.saturating_sub(1);
    if (value - centroids[below]).abs() <= (centroids[above] - value).abs() {
        below as u8
    } else {
        above as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fasttext::{Model, Options, line, train};
    use proptest::prelude::*;

    #[test]
    fn a_small_model_says_almost_what_the_large_one_says() {
        let lines = [line("en", "the sea and the land"), line("de", "das Meer und das Land")];
        let options = Options { dim: 16, minn: 2, maxn: 3, bucket: 9000, epochs: 40, ..Options::default() };
        let whole = train(&lines, &options).unwrap();
        let small = quantise(&whole).unwrap();
        assert!(small.len() < whole.len() / 3, "{} of {}", small.len(), whole.len());
        let [whole, small] = [whole, small].map(|bytes| Model::from_bytes(bytes, "new").unwrap());
        for text in ["the land", "das Meer und the sea", "Sand", "of"] {
            let (one, other) = (whole.predict(text, 2).unwrap(), small.predict(text, 2).unwrap());
            assert_eq!(one[0].label, other[0].label, "{text}");
            assert!((one[0].probability - other[0].probability).abs() < 0.01, "{one:?} {other:?}");
        }
    }

    #[test]
    fn what_has_no_plain_numbers_is_refused() {
        let lines = [line("a", "one"), line("b", "two")];
        let whole = train(&lines, &Options { dim: 2, ..Options::default() }).unwrap();
        let small = quantise(&whole).unwrap();
        assert!(quantise(&small).unwrap_err().to_string().contains("quantised"));
        assert!(quantise(&whole[..whole.len() / 2]).is_err());
    }

    proptest! {
        #[test]
        fn no_centroid_is_nearer(values in prop::collection::vec(-9f32..9.0, 1..600), value in -10f32..10.0) {
            let centroids = lloyd(values);
            prop_assert!(centroids.is_sorted() && centroids.len() == CENTROIDS);
            let found = centroids[usize::from(nearest(&centroids, value))];
            let best = centroids.iter().map(|c| (c - value).abs()).fold(f32::INFINITY, f32::min);
            prop_assert_eq!((found - value).abs(), best);
        }
    }
}
