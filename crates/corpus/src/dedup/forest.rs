//! Disjoint sets of documents.
//!
//! Union-find after Tarjan, "Efficiency of a good but not linear set union algorithm", JACM 1975, with path halving. Threads
//! unite without locks (Anderson and Woll, "Wait-free parallel algorithms for the union-find problem", STOC 1991): a root is
//! linked by one compare-and-swap, and always below the smaller number. So the root of a set is its first document
//! whatever the order in which pairs came. 4 bytes a document.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

/// Sets that can be united from several threads.
#[derive(Debug)]
pub struct Forest {
    parents: Vec<AtomicU32>,
}

/// Which documents belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters {
    first: Vec<u32>,
}

impl Forest {
    /// Each of `documents` documents alone.
    pub fn new(documents: u32) -> Forest {
        Forest { parents: (0..documents).map(AtomicU32::new).collect() }
    }

    /// Documents.
    pub fn len(&self) -> u32 {
        self.parents.len() as u32
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// The first document of the set of `x`, as far as other threads have got.
    pub fn find(&self, mut x: u32) -> u32 {
        loop {
            let parent = self.parents[x as usize].load(Relaxed);
            if parent == x {
                return x;
            }
            let above = self.parents[parent as usize].load(Relaxed);
            if above != parent {
                // Halve the path. Another thread may have done it; parents only ever get smaller.
                let _ = self.parents[x as usize].compare_exchange_weak(parent, above, Relaxed, Relaxed);
            }
            x = above;
        }
    }

    /// Make one set of those of `a` and `b`.
    ///
    /// # Panics
    /// If one of them is not a document.
    pub fn unite(&self, a: u32, b: u32) {
        let (mut a, mut b) = (a, b);
        loop {
            (a, b) = (self.find(a), self.find(b));
            if a == b {
                return;
            }
            let (low, high) = (a.min(b), a.max(b));
            // Only a root is linked; if it is none any more, look again.
            if self.parents[high as usize].compare_exchange(high, low, Relaxed, Relaxed).is_ok() {
                return;
            }
        }
    }

    /// The sets, when all threads are done.
    pub fn into_clusters(self) -> Clusters {
        Clusters { first: (0..self.len()).into_par_iter().map(|x| self.find(x)).collect() }
    }
}

impl Clusters {
    /// Every document alone.
    pub fn singletons(documents: u32) -> Clusters {
        Clusters { first: (0..documents).collect() }
    }

    /// Documents.
    pub fn documents(&self) -> u32 {
        self.first.len() as u32
    }

    /// The first document of each document's cluster, by ordinal: the cluster's id.
    pub fn firsts(&self) -> &[u32] {
        &self.first
    }

    /// Whether two documents belong together.
    ///
    /// # Panics
    /// If one of them is not a document.
    pub fn together(&self, a: u32, b: u32) -> bool {
        self.first[a as usize] == self.first[b as usize]
    }

    /// Documents that are not the first of their cluster.
    pub fn duplicates(&self) -> u32 {
        self.first.par_iter().enumerate().filter(|(i, first)| *i as u32 != **first).count() as u32
    }

    /// Clusters of both: what belongs together in either.
    ///
    /// # Panics
    /// If they speak of different numbers of documents.
    pub fn joined(&self, other: &Clusters) -> Clusters {
        assert_eq!(self.documents(), other.documents(), "clusters of the same documents");
        let forest = Forest::new(self.documents());
        for clusters in [self, other] {
            clusters.first.par_iter().enumerate().for_each(|(i, &first)| forest.unite(i as u32, first));
        }
        forest.into_clusters()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sets_are_those_of_the_pairs_in_any_order(pairs in prop::collection::vec((0u32..40, 0u32..40), 0..60)) {
            let mut naive: Vec<u32> = (0..40).collect();
            for &(a, b) in &pairs {
                let (low, high) = (naive[a as usize].min(naive[b as usize]), naive[a as usize].max(naive[b as usize]));
                naive.iter_mut().filter(|x| **x == high).for_each(|x| *x = low);
            }
            let forest = Forest::new(40);
            pairs.par_iter().rev().for_each(|&(a, b)| forest.unite(b, a));
            prop_assert_eq!(forest.into_clusters(), Clusters { first: naive });
        }
    }

    #[test]
    fn many_threads_make_one_chain() {
        let n = 20_000;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let clusters = pool.install(|| {
            let forest = Forest::new(n);
            (1..n).into_par_iter().for_each(|i| forest.unite(i - 1, i));
            forest.into_clusters()
        });
        assert!(clusters.firsts().iter().all(|&first| first == 0));
        assert_eq!(clusters.duplicates(), n - 1);
    }

    #[test]
    fn clusters_join() {
        let of = |first: &[u32]| Clusters { first: first.to_vec() };
        let joined = of(&[0, 0, 2, 3, 3]).joined(&of(&[0, 1, 1, 3, 4]));
        assert_eq!(joined, of(&[0, 0, 0, 3, 3]));
        assert!(joined.together(0, 2) && !joined.together(2, 3));
        assert_eq!(Clusters::singletons(2).joined(&Clusters::singletons(2)), Clusters::singletons(2));
    }
}
