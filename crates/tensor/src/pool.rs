//! A free list of float buffers, so that a training step in its steady state allocates nothing large.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers that are not in use, by capacity.
#[derive(Debug, Default)]
pub struct Pool {
    free: Mutex<BTreeMap<usize, Vec<Vec<f32>>>>,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Pool {
        Pool::default()
    }

    /// A buffer of `len` floats with whatever its last user left in it.
    pub fn take(&self, len: usize) -> Buffer<'_> {
        let found = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            // A buffer somewhat too long serves as well: otherwise every new batch length would add its own set.
            let fit = free.range_mut(len..=len + len / 4).find(|(_, list)| !list.is_empty());
            fit.and_then(|(_, list)| list.pop())
        };
        let data = match found {
            Some(mut data) => {
                data.resize(len, 0.0);
                data
            }
            None => vec![0.0; len],
        };
        Buffer { data, pool: Some(self) }
    }

    /// A buffer of `len` zeros.
    pub fn take_zeroed(&self, len: usize) -> Buffer<'_> {
        let mut buffer = self.take(len);
        buffer.fill(0.0);
        buffer
    }

    /// Floats held by free buffers.
    pub fn free_floats(&self) -> usize {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.iter().map(|(capacity, list)| capacity * list.len()).sum()
    }

    /// Gives the memory of all free buffers back to the system.
    pub fn clear(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn put(&self, data: Vec<f32>) {
        if data.capacity() > 0 {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.entry(data.capacity()).or_default().push(data);
        }
    }
}

/// Floats on loan from a [`Pool`]; they go back when it is dropped.
#[derive(Debug, Default)]
pub struct Buffer<'a> {
    data: Vec<f32>,
    pool: Option<&'a Pool>,
}

impl Buffer<'_> {
    /// A buffer that belongs to no pool.
    pub fn owned(data: Vec<f32>) -> Buffer<'static> {
        Buffer { data, pool: None }
    }
}

impl Deref for Buffer<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data
    }
}

impl DerefMut for Buffer<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        if let Some(pool) = self.pool {
            pool.put(std::mem::take(&mut self.data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back() {
        let pool = Pool::new();
        let mut a = pool.take(100);
        a.fill(3.0);
        let address = a.as_ptr();
        drop(a);
        assert_eq!(pool.free_floats(), 100);
        let b = pool.take(90);
        assert_eq!((b.as_ptr(), b.len(), b[89]), (address, 90, 3.0));
        assert_eq!(pool.free_floats(), 0);
        drop(b);
        assert_eq!(pool.take(20).len(), 20);
        assert_eq!(pool.free_floats(), 120, "a far longer buffer is not taken");
        assert!(pool.take_zeroed(100).iter().all(|&x| x == 0.0));
        drop(Buffer::owned(vec![1.0; 7]));
        assert_eq!(pool.free_floats(), 120);
        pool.clear();
        assert_eq!(pool.free_floats(), 0);
    }
}
