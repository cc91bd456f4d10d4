//! From the hidden vector to the probabilities of labels.
//!
//! fastText ranks labels by `ln(p + 1e-5)` and reports its exponential, so that its probabilities are 1e-5 too high; the
//! thresholds of published pipelines are meant for these numbers, and so they are kept. With hierarchical softmax 1e-5 is
//! added on every branch of the path, and labels below 1e-5 are left out.

use super::matrix::Matrix;

/// How scores become probabilities.
#[derive(Debug)]
pub(crate) enum Loss {
    /// They add up to 1.
    Softmax,
    /// Each label for itself (negative sampling, one-vs-all).
    Sigmoid(Vec<f32>),
    /// A binary choice at each node of a Huffman tree.
    Hierarchical(Tree),
}

/// A label by number, and its log-probability.
pub(crate) type Scored = (f32, u32);

fn log(x: f32) -> f32 {
    (f64::from(x) + 1e-5).ln() as f32
}

/// fastText's sigmoid: a table of 512 steps from -8 to 8, 0 and 1 beyond.
fn sigmoids() -> Vec<f32> {
    (0..=512).map(|i| (1.0 / (1.0 + f64::from((-(i as f32 * 16.0 / 512.0 - 8.0)).exp()))) as f32).collect()
}

fn sigmoid(table: &[f32], x: f32) -> f32 {
    if x < -8.0 {
        0.0
    } else if x > 8.0 {
        1.0
    } else if x.is_nan() {
        x
    } else {
        table.get(((x + 8.0) * 512.0 / 8.0 / 2.0) as usize).copied().unwrap_or(1.0)
    }
}

impl Loss {
    /// By the number in the file's header; `counts` are those of the labels. Nothing if there is no such loss or no tree.
    pub fn new(number: i32, counts: &[i64]) -> Option<Loss> {
        match number {
            1 => Tree::new(counts).map(Loss::Hierarchical),
            2 | 4 => Some(Loss::Sigmoid(sigmoids())),
            3 => Some(Loss::Softmax),
            _ => None,
        }
    }

    /// The best `k` labels. `output` is memory for one number per label. Nothing if a number of the model is no number.
    pub fn best(
        &self,
        file: &[u8],
        matrix: &Matrix,
        hidden: &[f32],
        k: usize,
        output: &mut [f32],
        best: &mut Vec<Scored>,
    ) -> Option<()> {
        best.clear();
        if k == 0 {
            return Some(());
        }
        if let Loss::Hierarchical(tree) = self {
            tree.best(file, matrix, hidden, k, best)?;
        } else {
            self.fill(file, matrix, hidden, output)?;
            for (label, &p) in output.iter().enumerate() {
                let score = log(p);
                if best.len() < k || score >= best[0].0 {
                    push(best, (score, label as u32), k);
                }
            }
        }
        for length in (2..=best.len()).rev() {
            pop(&mut best[..length]);
        }
        Some(())
    }

    /// The log-probability of one label.
    pub fn one(
        &self,
        file: &[u8],
        matrix: &Matrix,
        hidden: &[f32],
        label: usize,
        output: &mut [f32],
    ) -> Option<f32> {
        match self {
            Loss::Hierarchical(tree) => tree.one(file, matrix, hidden, label),
            _ => {
                self.fill(file, matrix, hidden, output)?;
                output.get(label).map(|&p| log(p))
            }
        }
    }

    fn fill(&self, file: &[u8], matrix: &Matrix, hidden: &[f32], output: &mut [f32]) -> Option<()> {
        for (row, out) in output.iter_mut().enumerate() {
            *out = matrix.dot(file, row, hidden);
        }
        if let Loss::Sigmoid(table) = self {
            output.iter_mut().for_each(|x| *x = sigmoid(table, *x));
        } else {
            let most = output.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            output.iter_mut().for_each(|x| *x = (*x - most).exp());
            let sum: f32 = output.iter().sum();
            output.iter_mut().for_each(|x| *x /= sum);
        }
        output.iter().all(|x| !x.is_nan()).then_some(())
    }
}

/// A Huffman tree over the labels, built from their counts as fastText builds it: leaves first, then the nodes in the order
/// in which they are made; node `n` has row `n - labels` of the output matrix.
#[derive(Debug)]
pub(crate) struct Tree {
    labels: usize,
    /// The two children of each inner node.
    children: Vec<[u32; 2]>,
    /// The parent of each node but the root, and whether the node is its second child.
    parents: Vec<(u32, bool)>,
}

impl Tree {
    /// The counts must fall, as the labels of a file do.
    fn new(counts: &[i64]) -> Option<Tree> {
        let labels = counts.len();
        let sound = labels > 0 && counts.iter().all(|&n| n >= 0) && counts.is_sorted_by(|a, b| a >= b);
        let total = counts.iter().try_fold(0i64, |sum, &n| sum.checked_add(n));
        // fastText marks nodes that are not there yet by 1e15.
        if !sound || total.is_none_or(|total| total >= 1_000_000_000_000_000) {
            return None;
        }
        let mut weights = counts.to_vec();
        let mut children = Vec::with_capacity(labels - 1);
        let mut parents = vec![(0, false); 2 * labels - 1];
        let (mut leaves, mut node) = (labels, labels);
        for parent in labels..2 * labels - 1 {
            let mut next = || match (leaves.checked_sub(1), weights.get(node)) {
                (Some(leaf), inner) if inner.is_none_or(|&inner| weights[leaf] < inner) => {
                    leaves -= 1;
                    leaf
                }
                _ => {
                    node += 1;
                    node - 1
                }
            };
            let pair = [next(), next()];
            weights.push(weights.get(pair[0])?.checked_add(*weights.get(pair[1])?)?);
            children.push(pair.map(|child| child as u32));
            parents[pair[0]] = (parent as u32, false);
            parents[pair[1]] = (parent as u32, true);
        }
        Some(Tree { labels, children, parents })
    }

    /// Chance that the second child of an inner node is taken.
    fn second(&self, file: &[u8], matrix: &Matrix, hidden: &[f32], node: usize) -> Option<f32> {
        let x = matrix.dot(file, node - self.labels, hidden);
        (!x.is_nan()).then(|| (1.0 / f64::from(1.0 + (-x).exp())) as f32)
    }

    fn best(
        &self,
        file: &[u8],
        matrix: &Matrix,
        hidden: &[f32],
        k: usize,
        best: &mut Vec<Scored>,
    ) -> Option<()> {
        let mut stack = vec![(2 * self.labels - 2, 0.0f32)];
        while let Some((node, score)) = stack.pop() {
            if score < log(0.0) || best.len() == k && score < best[0].0 {
                continue;
            }
            if node < self.labels {
                push(best, (score, node as u32), k);
                continue;
            }
            let p = self.second(file, matrix, hidden, node)?;
            let [first, second] = self.children[node - self.labels];
            stack.push((second as usize, score + log(p)));
            stack.push((first as usize, score + log(1.0 - p)));
        }
        Some(())
    }

    fn one(&self, file: &[u8], matrix: &Matrix, hidden: &[f32], label: usize) -> Option<f32> {
        let mut path = Vec::new();
        let mut node = label;
        while node < 2 * self.labels - 2 {
            let (parent, second) = *self.parents.get(node)?;
            path.push((parent as usize, second));
            node = parent as usize;
        }
        path.iter().rev().try_fold(0.0, |score, &(node, second)| {
            let p = self.second(file, matrix, hidden, node)?;
            Some(score + log(if second { p } else { 1.0 - p }))
        })
    }
}

// A heap with the smallest score on top. Which of several labels with equal scores stays, and their order, depend on how
// the heap moves its elements; steps are those of the GNU C++ library's, on which fastText's order depends.

/// Add an element, and drop the smallest if there are more than `k` then.
fn push(heap: &mut Vec<Scored>, element: Scored, k: usize) {
    heap.push(element);
    let last = heap.len() - 1;
    rise(heap, last, element);
    if heap.len() > k {
        pop(heap);
        heap.pop();
    }
}

/// Move the smallest to the end.
fn pop(heap: &mut [Scored]) {
    let Some((last, rest)) = heap.split_last_mut() else { return };
    let Some(&top) = rest.first() else { return };
    let element = std::mem::replace(last, top);
    let mut hole = 0;
    while 2 * hole + 2 < rest.len() {
        let (left, right) = (2 * hole + 1, 2 * hole + 2);
        let child = if rest[right].0 > rest[left].0 { left } else { right };
        rest[hole] = rest[child];
        hole = child;
    }
    if 2 * hole + 2 == rest.len() {
        rest[hole] = rest[2 * hole + 1];
        hole = 2 * hole + 1;
    }
    rise(rest, hole, element);
}

fn rise(heap: &mut [Scored], mut hole: usize, element: Scored) {
    while hole > 0 && heap[(hole - 1) / 2].0 > element.0 {
        heap[hole] = heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    heap[hole] = element;
}
