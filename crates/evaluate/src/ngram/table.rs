//! The counts for contexts of one length, as sorted arrays.

/// What a context says about a symbol.
pub(super) struct Seen {
    /// Times the symbol followed the context.
    pub count: f64,
    /// Times the context was seen.
    pub total: f64,
    /// Different symbols that followed it.
    pub distinct: f64,
}

/// One n-gram with its count, which is above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    /// The context's bytes, the newest lowest.
    pub context: u64,
    /// The byte that followed, or the end.
    pub symbol: u16,
    /// How often.
    pub count: u64,
}

/// Contexts of one length in ascending order, each with its successors in ascending order.
#[derive(Debug, PartialEq)]
pub(super) struct Order {
    contexts: Vec<u64>,
    totals: Vec<u64>,
    /// Where each context's successors begin, and where the last one's end.
    first: Vec<usize>,
    symbols: Vec<u16>,
    counts: Vec<u64>,
    /// Where the contexts begin whose oldest two bytes are the index (one byte for contexts of one).
    bucket: Vec<usize>,
    shift: u32,
}

impl Order {
    /// The table for contexts of `length` bytes from entries sorted by context and symbol, each pair once.
    pub fn new(length: usize, entries: &[Entry]) -> Order {
        let (mut contexts, mut totals, mut first): (Vec<u64>, Vec<u64>, Vec<usize>) =
            (vec![], vec![], vec![]);
        for (i, entry) in entries.iter().enumerate() {
            if contexts.last() != Some(&entry.context) {
                contexts.push(entry.context);
                totals.push(0);
                first.push(i);
            }
            if let Some(total) = totals.last_mut() {
                *total += entry.count;
            }
        }
        first.push(entries.len());
        let bits = 8 * length.min(2) as u32;
        let shift = 8 * length as u32 - bits;
        let mut bucket = vec![0; (1 << bits) + 1];
        for context in &contexts {
            bucket[(context >> shift) as usize + 1] += 1;
        }
        for i in 1..bucket.len() {
            bucket[i] += bucket[i - 1];
        }
        Order {
            contexts,
            totals,
            first,
            symbols: entries.iter().map(|e| e.symbol).collect(),
            counts: entries.iter().map(|e| e.count).collect(),
            bucket,
            shift,
        }
    }

    /// Different contexts.
    pub fn contexts(&self) -> usize {
        self.contexts.len()
    }

    /// What is known of `symbol` after `context`, if the context was ever seen.
    #[inline]
    pub fn look_up(&self, context: u64, symbol: u16) -> Option<Seen> {
        let high = (context >> self.shift) as usize;
        let (from, to) = (self.bucket[high], self.bucket[high + 1]);
        let at = from + self.contexts[from..to].binary_search(&context).ok()?;
        let (from, to) = (self.first[at], self.first[at + 1]);
        let count = match self.symbols[from..to].binary_search(&symbol) {
            Ok(i) => self.counts[from + i],
            Err(_) => 0,
        };
        Some(Seen { count: count as f64, total: self.totals[at] as f64, distinct: (to - from) as f64 })
    }

    /// Each context with its successors and their counts.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &[u16], &[u64])> {
        self.contexts.iter().zip(self.first.windows(2)).map(|(&context, range)| {
            (context, &self.symbols[range[0]..range[1]], &self.counts[range[0]..range[1]])
        })
    }
}
