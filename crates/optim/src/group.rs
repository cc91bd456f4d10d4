//! Named stretches of the arena, and runs of neighbours that are treated alike.

use std::ops::Range;

/// A named stretch of the arena with its own treatment.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name of the parameter.
    pub name: String,
    /// Where it lies in the arena, in floats.
    pub range: Range<usize>,
    /// Its shape; a matrix is `[out, in]`, row by row.
    pub shape: Vec<usize>,
    /// Whether weight decay applies (matrices yes; norms and biases no).
    pub decay: bool,
    /// Whether it is the matrix of a linear layer between hidden states. Embeddings and the output head are not.
    pub hidden: bool,
}

impl Group {
    /// Rows and columns of a matrix. What has more dimensions is a matrix of its first one by all others.
    pub fn matrix(&self) -> Option<(usize, usize)> {
        match &self.shape[..] {
            [rows, rest @ ..] if !rest.is_empty() => Some((*rows, rest.iter().product())),
            _ => None,
        }
    }
}

/// Groups in the order of the arena.
///
/// # Panics
/// If a group reaches beyond `length`, differs from its shape, or overlaps another.
pub(crate) fn sorted(groups: &[Group], length: usize) -> Vec<&Group> {
    let mut sorted: Vec<&Group> = groups.iter().collect();
    sorted.sort_by_key(|group| group.range.start);
    let mut end = 0;
    for group in &sorted {
        let (name, range) = (&group.name, &group.range);
        assert!(range.end <= length, "group `{name}` reaches beyond the arena");
        assert!(range.start >= end, "group `{name}` overlaps another");
        assert_eq!(range.len(), group.shape.iter().product(), "group `{name}` differs from its shape");
        end = range.end;
    }
    sorted
}

/// Runs of neighbouring groups with the same decay: one pass each.
pub(crate) fn runs(groups: &[Group], length: usize) -> Vec<(Range<usize>, bool)> {
    let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
    for group in sorted(groups, length) {
        match runs.last_mut() {
            Some((range, decay)) if range.end == group.range.start && *decay == group.decay => {
                range.end = group.range.end;
            }
            _ => runs.push((group.range.clone(), group.decay)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::group;

    #[test]
    fn neighbours_of_one_kind_are_one_pass() {
        let groups = [group("b", 16, &[4, 4], true), group("a", 0, &[16], true), group("c", 32, &[1], false)];
        assert_eq!(runs(&groups, 48), [(0..32, true), (32..33, false)]);
    }

    #[test]
    #[should_panic(expected = "overlaps")]
    fn overlapping_groups_are_refused() {
        runs(&[group("a", 0, &[16], true), group("b", 8, &[16], true)], 48);
    }

    #[test]
    #[should_panic(expected = "beyond the arena")]
    fn groups_outside_the_arena_are_refused() {
        runs(&[group("a", 40, &[16], true)], 48);
    }

    #[test]
    fn filters_of_a_convolution_are_a_matrix() {
        assert_eq!(group("conv", 0, &[8, 3, 2, 2], true).matrix(), Some((8, 12)));
        assert_eq!(group("norm", 0, &[8], false).matrix(), None);
    }
}
