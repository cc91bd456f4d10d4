//! A batch of token sequences with the documents in them.

use regimen_tensor::{Indices, Pool};

use crate::config::DecoderConfig;
use crate::error::{Error, Result};

/// Sequences of one length, several documents possibly packed into each.
#[derive(Clone, Copy, Debug)]
pub struct TokenBlock<'a> {
    /// Sequences.
    pub batch: usize,
    /// Tokens of a sequence.
    pub time: usize,
    /// Token ids `[batch * time]`.
    pub ids: &'a [u32],
    /// Row of its sequence at which each token's document starts `[batch * time]`: token i of a sequence attends to
    /// `starts[i]..=i`, and its position is `i - starts[i]`.
    pub starts: &'a [u32],
}

impl TokenBlock<'_> {
    /// Number of tokens.
    pub fn rows(&self) -> usize {
        self.batch * self.time
    }

    /// Position of each token within its document `[batch * time]`, in a buffer of `pool`.
    ///
    /// # Errors
    /// [`Error::Batch`] when the arrays do not fit, a document starts after its token, or is longer than the context.
    pub fn positions<'p>(&self, config: &DecoderConfig, pool: &'p Pool) -> Result<Indices<'p>> {
        let rows = self.rows();
        if rows == 0 || self.ids.len() != rows || self.starts.len() != rows {
            return Err(Error::Batch(format!(
                "{} ids and {} starts for batch {} x {}",
                self.ids.len(),
                self.starts.len(),
                self.batch,
                self.time
            )));
        }
        let mut positions = pool.copy_of(self.starts)?;
        for (i, place) in positions.iter_mut().enumerate() {
            let (row, start) = (i % self.time, *place as usize);
            *place = match row.checked_sub(start) {
                Some(position) if position < config.context => position as u32,
                Some(_) => {
                    return Err(Error::Batch(format!(
                        "row {row} of a sequence lies {} tokens into its document, context = {}",
                        row - start + 1,
                        config.context
                    )));
                }
                None => {
                    let problem = format!("row {row} belongs to a document that starts at row {start}");
                    return Err(Error::Batch(problem));
                }
            };
        }
        Ok(positions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_the_document() {
        let config = DecoderConfig::llama(10, 3, 1, 4, 1, 4);
        let ids = [1; 8];
        let starts = [0, 0, 2, 2, 0, 1, 1, 3];
        let block = TokenBlock { batch: 2, time: 4, ids: &ids, starts: &starts };
        let pool = Pool::new();
        assert_eq!(*block.positions(&config, &pool).unwrap(), [0, 1, 0, 1, 0, 0, 1, 0]);
        let long = TokenBlock { starts: &[0; 8], ..block };
        let error = long.positions(&config, &pool).unwrap_err().to_string();
        assert_eq!(error, "model: row 3 of a sequence lies 4 tokens into its document, context = 3");
        let late = TokenBlock { starts: &[0, 2, 2, 2, 0, 0, 0, 1], ..block };
        assert!(late.positions(&config, &pool).unwrap_err().to_string().contains("row 1 belongs"));
        let short = TokenBlock { starts: &[0; 7], ..block };
        assert_eq!(
            short.positions(&config, &pool).unwrap_err().to_string(),
            "model: 8 ids and 7 starts for batch 2 x 4"
        );
    }
}
