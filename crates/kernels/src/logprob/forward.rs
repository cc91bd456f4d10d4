//! Log-probabilities, entropies and the most probable tokens of each row.

use super::LmHead;
use super::stat::{Stat, Top};
use super::tiles::{Grid, Logits, par_lines, with_rows};
use std::ops::Range;

/// Rows that are worked on at a time.
const ROWS: usize = 4096;

/// What [`logprob_forward`] writes; a row that is skipped gets zeros everywhere.
#[derive(Debug, Default)]
pub struct LogprobOut<'o> {
    /// `ln p` of each target, `[rows, k]`.
    pub logp: &'o mut [f32],
    /// `ln(sum of e^logit)`, `[rows]`.
    pub lse: &'o mut [f32],
    /// Entropy in nats, `[rows]`.
    pub entropy: Option<&'o mut [f32]>,
    /// The most probable tokens.
    pub top: Option<TopOut<'o>>,
}

/// The most probable tokens of each row, the most probable first, of equally probable ones the lower number first. Where a
/// row has too few logits that are numbers, token 0 with the log-probability NaN fills the rest.
#[derive(Debug)]
pub struct TopOut<'o> {
    /// `[rows, k]`.
    pub ids: &'o mut [u32],
    /// `ln p`, `[rows, k]`.
    pub logp: &'o mut [f32],
}

/// For each row `ln p` of its `k` targets (`[rows, k]`; `k` may be 0), the log-sum-exp, and on demand the entropy and
/// the most probable tokens. Buffers: half a MiB for each thread and a few numbers for each row.
///
/// # Panics
/// At a target outside the vocabulary, at more most probable tokens than there are tokens.
pub fn logprob_forward(head: &LmHead<'_>, targets: &[u32], out: LogprobOut<'_>) {
    head.check();
    let (rows, active) = (head.rows(), head.active());
    let k = head.targets_per_row(&active, targets);
    let LogprobOut { logp, lse, mut entropy, mut top } = out;
    assert_eq!((logp.len(), lse.len()), (rows * k, rows), "logp or lse does not fit the rows");
    logp.fill(0.0);
    lse.fill(0.0);
    if let Some(entropy) = &mut entropy {
        assert_eq!(entropy.len(), rows, "entropy is not [rows]");
        entropy.fill(0.0);
    }
    let most = top.as_ref().map_or(0, |top| top.ids.len() / rows.max(1));
    if let Some(top) = &mut top {
        assert_eq!((top.ids.len(), top.logp.len()), (rows * most, rows * most), "top is not [rows, k]");
        assert!(most <= head.vocab, "{most} tokens are asked for out of {}", head.vocab);
        top.ids.fill(0);
        top.logp.fill(0.0);
    }
    for active in active.chunks(ROWS) {
        let found = with_rows(head.hidden, head.d, active, |states| {
            let logits = Logits { d: head.d, states, weight: head.weight, factor: 1.0 / head.temperature };
            let call = Call { logits, vocab: head.vocab, active, targets, k, lean: entropy.is_some(), most };
            call.run()
        });
        for (row, &r) in found.into_iter().zip(active) {
            lse[r] = row.stat.lse();
            for (to, &z) in logp[r * k..(r + 1) * k].iter_mut().zip(&row.picked) {
                *to = row.stat.log_probability(z);
            }
            if let Some(entropy) = &mut entropy {
                entropy[r] = row.stat.entropy();
            }
            if let Some(top) = &mut top {
                let list = row.top.into_list().into_iter().map(|(z, id)| (id, row.stat.log_probability(z)));
                let places = top.ids[r * most..].iter_mut().zip(&mut top.logp[r * most..]).take(most);
                for ((id, logp), found) in places.zip(list.chain(std::iter::repeat((0, f32::NAN)))) {
                    (*id, *logp) = found;
                }
            }
        }
    }
}

/// What is known of a row.
#[derive(Clone)]
struct Row {
    stat: Stat,
    /// Logits of the targets.
    picked: Vec<f32>,
    top: Top,
}

/// The inputs for some rows.
struct Call<'a> {
    logits: Logits<'a>,
    vocab: usize,
    active: &'a [usize],
    targets: &'a [u32],
    k: usize,
    lean: bool,
    most: usize,
}

impl Call<'_> {
    fn run(&self) -> Vec<Row> {
        let grid = Grid::new(self.active.len(), self.vocab);
        par_lines(grid, |rows, tiles| self.task(grid, &rows, tiles), |row, part| row.merge(&part))
    }

    fn task(&self, grid: Grid, rows: &Range<usize>, tiles: Range<usize>) -> Vec<Row> {
        let (stride, k) = (grid.stride(), self.k);
        let empty = Row { stat: Stat::EMPTY, picked: vec![0.0; k], top: Top::new(self.most) };
        let mut found = vec![empty; rows.len()];
        grid.with_tile(|tile| {
            for cols in tiles.map(|j| grid.cols(j)) {
                self.logits.tile(rows, &cols, tile, stride);
                for ((row, line), &at) in
                    found.iter_mut().zip(tile.chunks(stride)).zip(&self.active[rows.clone()])
                {
                    let line = &line[..cols.len()];
                    let (stat, top) = Stat::of(line, self.lean);
                    row.stat = row.stat.and(stat);
                    row.top.see(line, cols.start, top);
                    for (picked, &t) in row.picked.iter_mut().zip(&self.targets[at * k..]) {
                        if cols.contains(&(t as usize)) {
                            *picked += line[t as usize - cols.start];
                        }
                    }
                }
            }
        });
        found
    }
}

impl Row {
    /// Takes in the part of the row that follows; each target's logit is in one part and 0 in the others.
    fn merge(&mut self, part: &Row) {
        self.stat = self.stat.and(part.stat);
        self.top.merge(&part.top);
        self.picked.iter_mut().zip(&part.picked).for_each(|(a, b)| *a += b);
    }
}
