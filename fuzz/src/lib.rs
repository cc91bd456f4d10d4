//! What the fuzz targets share: an allocator that holds inputs to their limits, and the report of a panic.

pub mod tokenizers_made;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::abort;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that one allocation may ask for: more is a size that a file claimed and nobody checked.
pub const ONE_ALLOCATION: usize = 256 << 20;

/// Counts live bytes. Stands in for `-malloc_limit_mb`, which libFuzzer keeps with a sanitizer only.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    let live = LIVE.fetch_add(by, Relaxed) + by;
    PEAK.fetch_max(live, Relaxed);
    if by > ONE_ALLOCATION {
        // Nothing may be allocated for the message.
        eprintln!("ERROR: one allocation of {by} bytes");
        abort();
    }
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_sub(layout.size(), Relaxed);
        grown(size);
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Run one input. A panic that nobody catches ends the process, with its message. (libFuzzer's own hook would end it at
/// panics of other libraries, too, which the readers catch and report as errors.)
///
/// More than `bytes` of memory at once, beyond what was there before, is a panic.
pub fn run(bytes: usize, input: impl FnOnce()) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = |info: &std::panic::PanicHookInfo| {
            let text = info.to_string();
            SAID.with(|said| *said.borrow_mut() = text);
        };
        std::panic::set_hook(Box::new(hook));
    });
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    if catch_unwind(AssertUnwindSafe(input)).is_err() {
        SAID.with(|said| eprintln!("ERROR: {}", said.borrow()));
        abort();
    }
    let used = PEAK.load(Relaxed) - before;
    if used > bytes {
        eprintln!("ERROR: {used} bytes of memory at once, more than {bytes}");
        abort();
    }
}

/// Cut off the first byte.
pub fn first(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// The bytes before and behind the first zero byte.
pub fn at_zero(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|&byte| byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// A text whose middle is repeated until it has about so many bytes: what takes quadratic time shows as a time-out.
/// `A 0x01 B 0x01 C` becomes A, many times B, C; without such marks the text stays as it is, and longer than 40 bytes it is
/// repeated a sixteenth as often, for the sake of speed.
pub fn repeated(data: &[u8], bytes: usize) -> Vec<u8> {
    let bytes = if data.len() > 40 { bytes / 16 } else { bytes };
    let mut parts = data.splitn(3, |&byte| byte == 1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(begin), Some(middle), Some(end)) if !middle.is_empty() => {
            [begin, &middle.repeat(bytes / middle.len()), end].concat()
        }
        _ => data.to_vec(),
    }
}

/// A text, whatever the bytes.
pub fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// A file in memory with this content; the same path each time.
pub fn file(name: &str, content: &[u8]) -> PathBuf {
    thread_local! {
        static FOLDER: tempfile::TempDir = {
            let memory = Path::new("/dev/shm");
            let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
            folder.expect("a folder for temporary files")
        };
    }
    let path = FOLDER.with(|folder| folder.path().join(name));
    std::fs::write(&path, content).expect("a temporary file");
    path
}
