//! Which copy of a cluster stays.
//!
//! The choice is a stated policy over facts about the documents; where they are equal, the first in document order stays.
//! So a dropped copy always knows its representative, and no choice depends on who came first in time.

use rayon::prelude::*;

use super::forest::Clusters;

/// Which document of a cluster is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The first in document order.
    #[default]
    First,
    /// The last in document order.
    Last,
    /// The one with the most bytes, then the first.
    Longest,
    /// The one with the latest day, then the first; documents without a day come after all others.
    Newest,
    /// The one of the source with the smallest rank, then the first.
    SourceOrder,
}

/// All policies with their names.
pub const POLICIES: [(&str, Keep); 5] = [
    ("first", Keep::First),
    ("last", Keep::Last),
    ("longest", Keep::Longest),
    ("newest", Keep::Newest),
    ("source-order", Keep::SourceOrder),
];

impl Keep {
    /// The policy of this name.
    pub fn by_name(name: &str) -> Option<Keep> {
        POLICIES.iter().find(|(known, _)| *known == name).map(|(_, keep)| *keep)
    }

    /// Whether facts about the documents decide.
    pub fn asks(self) -> bool {
        matches!(self, Keep::Longest | Keep::Newest | Keep::SourceOrder)
    }

    /// What the policy looks for, the larger the better; the ordinal decides between equals.
    fn merit(self, ordinal: u32, facts: impl Fn(u32) -> Facts) -> i64 {
        match self {
            Keep::First => 0,
            Keep::Last => i64::from(ordinal),
            Keep::Longest => i64::from(facts(ordinal).bytes),
            Keep::Newest => facts(ordinal).day.map_or(i64::MIN, i64::from),
            Keep::SourceOrder => -i64::from(facts(ordinal).rank),
        }
    }
}

/// What a policy may ask about a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Bytes of text.
    pub bytes: u32,
    /// Day of creation since 1970-01-01.
    pub day: Option<i32>,
    /// Rank of its source; the smallest is the most trusted.
    pub rank: u32,
}

/// What became of the documents. 4 bytes a document, and 8 a cluster of several; 12 and 8 beside the clusters while it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    representative: Vec<u32>,
    clusters: Vec<(u32, u32)>,
}

impl Kept {
    /// Choose by `policy`. `facts` is asked only about documents of clusters of several, and only by policies that need it.
    pub fn new(clusters: &Clusters, policy: Keep, facts: impl Fn(u32) -> Facts) -> Kept {
        let firsts = clusters.firsts();
        // By the first document of a cluster: the best one so far, and how many there are.
        let mut best: Vec<u32> = (0..clusters.documents()).collect();
        let mut sizes = vec![1u32; firsts.len()];
        let mut several = 0;
        for (ordinal, &first) in (0u32..).zip(firsts).filter(|&(ordinal, &first)| first != ordinal) {
            let (size, best) = (&mut sizes[first as usize], &mut best[first as usize]);
            several += usize::from(*size == 1);
            *size += 1;
            if policy.merit(ordinal, &facts) > policy.merit(*best, &facts) {
                *best = ordinal;
            }
        }
        let mut chosen = Vec::with_capacity(several);
        chosen.extend(
            best.iter().zip(&sizes).filter(|&(_, &size)| size > 1).map(|(&best, &size)| (best, size)),
        );
        drop(sizes);
        chosen.par_sort_unstable();
        // From the last one on, so that what stands at the first of a cluster is read before it is written over.
        for ordinal in (0..firsts.len()).rev() {
            best[ordinal] = best[firsts[ordinal] as usize];
        }
        Kept { representative: best, clusters: chosen }
    }

    /// The representative of each document by ordinal: itself if it is kept.
    pub fn representatives(&self) -> &[u32] {
        &self.representative
    }

    /// Whether a document stays.
    ///
    /// # Panics
    /// If there is no such document.
    pub fn is_kept(&self, ordinal: u32) -> bool {
        self.representative[ordinal as usize] == ordinal
    }

    /// Clusters of several documents: representative and size, by representative.
    pub fn clusters(&self) -> &[(u32, u32)] {
        &self.clusters
    }

    /// Documents of the cluster of `ordinal`, itself included.
    ///
    /// # Panics
    /// If there is no such document.
    pub fn cluster_size(&self, ordinal: u32) -> u32 {
        let representative = self.representative[ordinal as usize];
        match self.clusters.binary_search_by_key(&representative, |&(best, _)| best) {
            Ok(found) => self.clusters[found].1,
            Err(_) => 1,
        }
    }

    /// Documents that do not stay.
    pub fn dropped(&self) -> u64 {
        self.clusters.iter().map(|&(_, size)| u64::from(size) - 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::forest::Forest;

    fn clusters() -> Clusters {
        let forest = Forest::new(7);
        [(1, 3), (3, 5), (2, 6)].iter().for_each(|&(a, b)| forest.unite(a, b));
        forest.into_clusters()
    }

    fn facts(ordinal: u32) -> Facts {
        [
            Facts::default(),
            Facts { bytes: 9, day: Some(10), rank: 2 },
            Facts { bytes: 5, day: None, rank: 1 },
            Facts { bytes: 9, day: None, rank: 1 },
            Facts::default(),
            Facts { bytes: 8, day: Some(-20), rank: 1 },
            Facts { bytes: 6, day: None, rank: 0 },
        ][ordinal as usize]
    }

    #[test]
    fn each_policy_keeps_what_it_says() {
        for (policy, odd, even) in
            [("first", 1, 2), ("last", 5, 6), ("longest", 1, 6), ("newest", 1, 2), ("source-order", 3, 6)]
        {
            let kept = Kept::new(&clusters(), Keep::by_name(policy).unwrap(), facts);
            assert_eq!(kept.representatives(), [0, odd, even, odd, 4, odd, even], "{policy}");
            let mut sizes = [(odd, 3), (even, 2)];
            sizes.sort();
            assert_eq!(kept.clusters(), sizes, "{policy}");
        }
        assert_eq!(Keep::by_name("oldest"), None);
    }

    #[test]
    fn sizes_and_counts_add_up() {
        let kept = Kept::new(&clusters(), Keep::First, |_| panic!("not needed"));
        let sizes: Vec<u32> = (0..7).map(|i| kept.cluster_size(i)).collect();
        assert_eq!(sizes, [1, 3, 2, 3, 1, 3, 2]);
        assert_eq!(kept.dropped(), 3);
        assert_eq!((0..7).filter(|&i| kept.is_kept(i)).count(), 4);
    }

    #[test]
    fn threads_do_not_choose() {
        let forest = Forest::new(30_000);
        (0..30_000u32).for_each(|i| forest.unite(i, i / 7 * 3));
        let clusters = forest.into_clusters();
        let facts = |i: u32| Facts { bytes: i.wrapping_mul(2_654_435_761) >> 28, day: None, rank: 0 };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Kept::new(&clusters, Keep::Longest, facts))
        };
        let one = with(1);
        assert!(one == with(2) && one == with(4) && one.dropped() > 0);
    }
}
