//! Free lists of buffers, so that a training step in its steady state allocates nothing large.
//!
//! A pool gives nothing back to the system: what it holds at the end of a step is the most that the step needed at
//! any moment, plus what no later length fitted into. [`Sizes`] does the same with lengths alone, which is how the
//! memory of a training is known before its first step.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use regimen_base::fault;
use regimen_kernels::Floats;

use crate::error::{Error, Result};

/// Buffers that are not in use, by capacity. `T` is the memory itself, or nothing where only lengths are counted.
#[derive(Debug)]
struct Shelf<T> {
    free: BTreeMap<usize, Vec<T>>,
    /// Elements of all buffers, in use or free.
    held: usize,
    /// Elements of the buffers in use, now and at most so far.
    used: usize,
    peak: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf { free: BTreeMap::new(), held: 0, used: 0, peak: 0 }
    }
}

impl<T> Shelf<T> {
    /// A free buffer for `len` elements, with its capacity. One somewhat too long serves as well: otherwise every new
    /// batch length would add its own set.
    fn fit(&mut self, len: usize) -> Option<(usize, T)> {
        let (&capacity, list) =
            self.free.range_mut(len..=len + len / 4).find(|(_, list)| !list.is_empty())?;
        let memory = list.pop()?;
        self.take(capacity);
        Some((capacity, memory))
    }

    /// A new buffer is in use.
    fn add(&mut self, capacity: usize) {
        self.held += capacity;
        self.take(capacity);
    }

    fn take(&mut self, capacity: usize) {
        self.used += capacity;
        self.peak = self.peak.max(self.used);
    }

    fn put(&mut self, capacity: usize, memory: T) {
        self.used -= capacity;
        self.free.entry(capacity).or_default().push(memory);
    }

    fn clear(&mut self) {
        self.free.clear();
        self.held = self.used;
    }
}

/// Buffers for values (f32) and for indices (u32).
#[derive(Debug, Default)]
pub struct Pool {
    floats: Mutex<Shelf<Floats>>,
    indices: Mutex<Shelf<Vec<u32>>>,
}

fn lock<T>(shelf: &Mutex<Shelf<T>>) -> MutexGuard<'_, Shelf<T>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Pool {
        Pool::default()
    }

    /// A buffer of `len` floats with whatever its last user left in it.
    ///
    /// # Errors
    /// [`Error::Memory`] when a new one is needed and there is no memory for it.
    pub fn take(&self, len: usize) -> Result<Buffer<'_>> {
        self.point(len)?;
        let found = lock(&self.floats).fit(len);
        let data = match found {
            Some((_, data)) => data,
            None => {
                let data = Floats::try_zeros(len).map_err(|_| self.full(len))?;
                lock(&self.floats).add(len);
                data
            }
        };
        Ok(Buffer { data, len, pool: Some(self) })
    }

    /// A buffer of `len` zeros.
    ///
    /// # Errors
    /// As [`Pool::take`].
    pub fn take_zeroed(&self, len: usize) -> Result<Buffer<'_>> {
        let mut buffer = self.take(len)?;
        buffer.fill(0.0);
        Ok(buffer)
    }

    /// A copy of `indices`.
    ///
    /// # Errors
    /// As [`Pool::take`].
    pub fn copy_of(&self, indices: &[u32]) -> Result<Indices<'_>> {
        let mut copy = self.empty(indices.len())?;
        copy.data.extend_from_slice(indices);
        Ok(copy)
    }

    /// `index`, `len` times.
    ///
    /// # Errors
    /// As [`Pool::take`].
    pub fn indices(&self, len: usize, index: u32) -> Result<Indices<'_>> {
        let mut all = self.empty(len)?;
        all.data.resize(len, index);
        Ok(all)
    }

    /// No indices yet, but room for `len` of them.
    fn empty(&self, len: usize) -> Result<Indices<'_>> {
        self.point(len)?;
        let found = lock(&self.indices).fit(len);
        let mut data = match found {
            Some((_, data)) => data,
            None => {
                let mut data = Vec::new();
                data.try_reserve_exact(len).map_err(|_| self.full(len))?;
                lock(&self.indices).add(data.capacity());
                data
            }
        };
        data.clear();
        Ok(Indices { data, pool: self })
    }

    /// Where the crash tests let memory run out.
    fn point(&self, len: usize) -> Result<()> {
        fault::point("take").map_err(|_| self.full(len))
    }

    fn full(&self, len: usize) -> Error {
        Error::Memory { what: "activations", bytes: len.saturating_mul(4), held: 4 * self.held() }
    }

    /// Numbers (4 bytes each) of all buffers, in use or free.
    pub fn held(&self) -> usize {
        lock(&self.floats).held + lock(&self.indices).held
    }

    /// The most floats that were in use at a time.
    pub fn peak(&self) -> usize {
        lock(&self.floats).peak
    }

    /// Floats of the buffers that are not in use.
    pub fn free_floats(&self) -> usize {
        let shelf = lock(&self.floats);
        shelf.held - shelf.used
    }

    /// Gives the memory of all free buffers back to the system.
    pub fn clear(&self) {
        lock(&self.floats).clear();
        lock(&self.indices).clear();
    }
}

/// Floats on loan from a [`Pool`]; they go back when it is dropped.
#[derive(Debug, Default)]
pub struct Buffer<'a> {
    data: Floats,
    /// How many of them were asked for.
    len: usize,
    pool: Option<&'a Pool>,
}

impl Buffer<'_> {
    /// A buffer that belongs to no pool.
    pub fn owned(data: &[f32]) -> Buffer<'static> {
        Buffer { len: data.len(), data: Floats::from(data), pool: None }
    }
}

impl Deref for Buffer<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Buffer<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        if let Some(pool) = self.pool {
            let data = std::mem::take(&mut self.data);
            lock(&pool.floats).put(data.len(), data);
        }
    }
}

/// Token ids, positions or row numbers on loan from a [`Pool`]; they go back when it is dropped.
#[derive(Debug)]
pub struct Indices<'a> {
    data: Vec<u32>,
    pool: &'a Pool,
}

impl Deref for Indices<'_> {
    type Target = [u32];
    fn deref(&self) -> &[u32] {
        &self.data
    }
}

impl DerefMut for Indices<'_> {
    fn deref_mut(&mut self) -> &mut [u32] {
        &mut self.data
    }
}

impl Drop for Indices<'_> {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        lock(&self.pool.indices).put(data.capacity(), data);
    }
}

/// What a [`Pool`] would hold, from the lengths of the buffers that are taken and given back.
#[derive(Debug, Default)]
pub struct Sizes(Shelf<()>);

/// A buffer of [`Sizes`]: give it back with [`Sizes::give`].
#[derive(Debug)]
#[must_use = "a size that is not given back counts as in use"]
pub struct Size(usize);

impl Sizes {
    /// Nothing held.
    pub fn new() -> Sizes {
        Sizes::default()
    }

    /// As [`Pool::take`].
    pub fn take(&mut self, len: usize) -> Size {
        match self.0.fit(len) {
            Some((capacity, ())) => Size(capacity),
            None => {
                self.0.add(len);
                Size(len)
            }
        }
    }

    /// As dropping a [`Buffer`].
    #[expect(clippy::needless_pass_by_value, reason = "given back once")]
    pub fn give(&mut self, size: Size) {
        self.0.put(size.0, ());
    }

    /// As [`Pool::held`].
    pub fn held(&self) -> usize {
        self.0.held
    }

    /// As [`Pool::peak`].
    pub fn peak(&self) -> usize {
        self.0.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back() {
        let pool = Pool::new();
        let mut a = pool.take(100).unwrap();
        a.fill(3.0);
        let address = a.as_ptr();
        drop(a);
        assert_eq!(pool.free_floats(), 100);
        let b = pool.take(90).unwrap();
        assert_eq!((b.as_ptr(), b.len(), b[89]), (address, 90, 3.0));
        assert_eq!((pool.free_floats(), pool.held(), pool.peak()), (0, 100, 100));
        drop(b);
        assert_eq!(pool.take(20).unwrap().len(), 20);
        assert_eq!(pool.free_floats(), 120, "a far longer buffer is not taken");
        assert!(pool.take_zeroed(100).unwrap().iter().all(|&x| x == 0.0));
        drop(Buffer::owned(&[1.0; 7]));
        assert_eq!(pool.free_floats(), 120);
        let ids = pool.copy_of(&[3, 1, 2]).unwrap();
        assert_eq!((&ids[..], pool.held()), (&[3, 1, 2][..], 123));
        assert_eq!(pool.indices(2, 7).unwrap()[..], [7, 7]);
        pool.clear();
        assert_eq!((pool.free_floats(), pool.held()), (0, 3), "what is in use stays");
    }

    #[test]
    fn memory_that_is_not_there_is_an_error_with_sizes() {
        let pool = Pool::new();
        let kept = pool.take(1 << 18).unwrap();
        let error = pool.take(1 << 60).unwrap_err().to_string();
        assert_eq!(error, "no memory for 4194304 TiB more of activations, which hold 1.00 MiB already");
        assert_eq!(pool.held(), kept.len());
        assert!(pool.take(usize::MAX / 2).is_err(), "more bytes than an address can count");
    }

    #[test]
    fn sizes_are_those_of_a_pool() {
        let (pool, mut sizes) = (Pool::new(), Sizes::new());
        let mut kept = Vec::new();
        for (i, len) in [100, 90, 40, 130, 100, 33, 41, 90, 128, 7, 100].into_iter().enumerate() {
            kept.push((pool.take(len).unwrap(), sizes.take(len)));
            if i % 3 == 2 {
                let (buffer, size) = kept.swap_remove(i / 3);
                drop(buffer);
                sizes.give(size);
            }
        }
        assert_eq!((pool.held(), pool.peak()), (sizes.held(), sizes.peak()));
    }
}
