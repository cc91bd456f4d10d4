//! Memory for arrays of floats: on cache lines, large ones on huge pages, and refused with an error where there is none.
//!
//! A vector load that crosses a cache line counts twice, and a matrix whose rows each begin on another small page misses
//! the translation cache at every row; both cost a training step several percent.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Bytes of a cache line, and of the widest vector register.
const LINE: usize = 64;
/// Bytes of a huge page; arrays of at least this many bytes begin on one.
const HUGE: usize = 2 << 20;

/// An array of `f32` of a fixed length that begins on a cache line (64 bytes).
pub struct Floats {
    pointer: NonNull<f32>,
    len: usize,
}

/// The system had no memory for an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory {
    /// Bytes that were asked for.
    pub bytes: usize,
}

impl fmt::Display for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for an array of {} bytes", self.bytes)
    }
}

impl std::error::Error for NoMemory {}

// SAFETY: an array of floats that nothing else points to.
unsafe impl Send for Floats {}
// SAFETY: as above; shared access reads only.
unsafe impl Sync for Floats {}

impl Floats {
    /// `len` zeros.
    ///
    /// # Panics
    /// If there is no memory.
    pub fn zeros(len: usize) -> Floats {
        Floats::try_zeros(len).unwrap_or_else(|error| panic!("{error}"))
    }

    /// `len` zeros.
    ///
    /// # Errors
    /// [`NoMemory`] when the system refuses.
    pub fn try_zeros(len: usize) -> Result<Floats, NoMemory> {
        if len == 0 {
            return Ok(Floats::default());
        }
        let bytes = len.checked_mul(size_of::<f32>()).ok_or(NoMemory { bytes: usize::MAX })?;
        let pointer = if bytes >= HUGE { large(bytes) } else { small(bytes) };
        Ok(Floats { pointer: pointer.ok_or(NoMemory { bytes })?.cast(), len })
    }
}

/// Zeros from the program's allocator.
fn small(bytes: usize) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(bytes, LINE).ok()?;
    // SAFETY: the layout has a size above 0.
    NonNull::new(unsafe { alloc_zeroed(layout) })
}

/// Pages of zeros of its own, from a multiple of [`HUGE`] on, which go back to the system when they are freed: the
/// allocator would keep what lies between its other blocks.
#[cfg(target_os = "linux")]
fn large(bytes: usize) -> Option<NonNull<u8>> {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
    let bytes = pages(bytes)?;
    let all = bytes.checked_add(HUGE)?;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at a place of the system's choice; what lies before and behind the aligned part goes back
    // untouched. The advice changes no contents, and the kernel may not have huge pages: nothing depends on them.
    unsafe {
        let start = mmap_anonymous(std::ptr::null_mut(), all, access, MapFlags::PRIVATE).ok()?.cast::<u8>();
        let before = start.addr().next_multiple_of(HUGE) - start.addr();
        let pointer = start.add(before);
        if before > 0 {
            let _ = munmap(start.cast(), before);
        }
        if before < HUGE {
            let _ = munmap(pointer.add(bytes).cast(), HUGE - before);
        }
        let _ = madvise(pointer.cast(), bytes / HUGE * HUGE, Advice::LinuxHugepage);
        NonNull::new(pointer)
    }
}

/// Bytes of whole pages.
#[cfg(target_os = "linux")]
fn pages(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(rustix::param::page_size())
}

#[cfg(not(target_os = "linux"))]
fn large(bytes: usize) -> Option<NonNull<u8>> {
    small(bytes)
}

/// Frees what [`small`] or [`large`] made for so many bytes.
///
/// # Safety
/// Nothing may use it afterwards.
unsafe fn free(pointer: NonNull<u8>, bytes: usize) {
    #[cfg(target_os = "linux")]
    if let Some(pages) = pages(bytes).filter(|_| bytes >= HUGE) {
        // SAFETY: the whole of a mapping of that length.
        let _ = unsafe { rustix::mm::munmap(pointer.as_ptr().cast(), pages) };
        return;
    }
    if let Ok(layout) = Layout::from_size_align(bytes, LINE) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(pointer.as_ptr(), layout) };
    }
}

impl Default for Floats {
    fn default() -> Self {
        Floats { pointer: NonNull::dangling(), len: 0 }
    }
}

impl Drop for Floats {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: made for this many bytes, and not used any more.
            unsafe { free(self.pointer.cast(), self.len * size_of::<f32>()) };
        }
    }
}

impl Deref for Floats {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `len` floats that were all written when the array was made.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.len) }
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) }
    }
}

impl<'a> IntoIterator for &'a Floats {
    type Item = &'a f32;
    type IntoIter = std::slice::Iter<'a, f32>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Clone for Floats {
    fn clone(&self) -> Self {
        Floats::from(&**self)
    }
}

impl From<&[f32]> for Floats {
    fn from(values: &[f32]) -> Self {
        let mut floats = Floats::zeros(values.len());
        floats.copy_from_slice(values);
        floats
    }
}

impl fmt::Debug for Floats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for Floats {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_zero_and_begin_on_a_line() {
        for len in [0, 1, 17, 100_000, (HUGE / 4) - 1, HUGE / 4, HUGE + 3] {
            let mut floats = Floats::zeros(len);
            assert_eq!(floats.len(), len);
            assert!(floats.iter().all(|&x| x == 0.0));
            assert!(len == 0 || floats.as_ptr().addr().is_multiple_of(LINE));
            let huge = if cfg!(target_os = "linux") { HUGE } else { LINE };
            assert!(len * 4 < HUGE || floats.as_ptr().addr().is_multiple_of(huge));
            floats.iter_mut().for_each(|x| *x = 2.0);
            assert_eq!(floats.clone(), floats);
        }
        assert_eq!(*Floats::from(&[1.0, 2.0][..]), [1.0, 2.0]);
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        assert_eq!(Floats::try_zeros(usize::MAX).unwrap_err().bytes, usize::MAX);
        let error = Floats::try_zeros(1 << 60).unwrap_err();
        assert_eq!(error.to_string(), format!("no memory for an array of {} bytes", 1usize << 62));
    }
}
