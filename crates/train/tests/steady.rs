//! In its steady state a training allocates nothing large: the first steps fill the pools, later ones live on them.
#![allow(clippy::unwrap_used, dead_code)]
// The one way to see allocations is to be the allocator.
#![allow(unsafe_code)]

#[path = "all/support.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use regimen_base::events::{Event, Record, Watch};
use regimen_ledger::Store;
use regimen_recipe::Runner;
use regimen_recipe::testing::{FINGERPRINT, recipe};

/// Allocations of more bytes than this count.
const LARGE: usize = 4096;

static WATCHED: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static SIZES: [AtomicUsize; 256] = [const { AtomicUsize::new(0) }; 256];

struct Counting;

fn note(size: usize) {
    if size > LARGE && WATCHED.load(Ordering::Relaxed) {
        let i = COUNT.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = SIZES.get(i) {
            slot.store(size, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's contract is the same.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Watches what is allocated after the step `after` until the end of the step `until`.
struct Between {
    after: u64,
    until: u64,
}

impl Watch for Between {
    fn see(&mut self, record: &Record) {
        if let Event::Metrics { step, .. } = record.event {
            WATCHED.store((self.after..self.until).contains(&step), Ordering::Relaxed);
        }
    }
}

/// Sizes of the large allocations in steps 5 to 8 of a training.
fn allocations(more: &str) -> Vec<usize> {
    let dir = tempfile::tempdir().unwrap();
    let tokens =
        support::world(dir.path(), 120, |i, text| format!("{text}{}", support::prose(i as u64, 60))).tokens;
    let config = format!(
        "steps = 10\nbatch = 20\nmicro_batch = 10\nvalidation = {{ every = 0, documents = 4 }}\n\
         checkpoint = {{ every = 0 }}\nschedule = {{ warmup = 1 }}\n{more}"
    );
    let recipe = recipe(support::kind("pretrain"), &config, dir.path(), &[("tokens", &tokens)], 5).unwrap();
    let store = Store::open(dir.path()).unwrap();
    COUNT.store(0, Ordering::Relaxed);
    let mut runner = Runner {
        watch: Box::new(|_| Some(Box::new(Between { after: 4, until: 8 }) as Box<dyn Watch>)),
        ..Runner::new(&store, FINGERPRINT)
    };
    // With more threads a buffer may be made late: by the first task of its kind that a thread happens to run.
    let count = regimen_kernels::with_threads(1, || {
        runner.run(&recipe, None).unwrap();
        COUNT.load(Ordering::Relaxed)
    });
    assert!(!WATCHED.load(Ordering::Relaxed), "the run went past the watched steps");
    SIZES[..count.min(SIZES.len())].iter().map(|size| size.load(Ordering::Relaxed)).collect()
}

/// Vectors of one number a row that a pass of 1280 rows makes (5 or 10 KB): for the loss, and
/// the ids in order for the gradient of an embedding.
const LOSS: usize = 6;
const EMBEDDING: usize = 2;

#[test]
fn steps_in_the_steady_state_allocate_nothing_large() {
    let passes = 4 * 2;
    let llama = "model = { layers = 2, width = 96, heads = 4, kv_heads = 2, context = 128 }";
    let gpt2 = "model = { layers = 2, width = 96, heads = 4, context = 128, norm = \"layer\", positions = \"learned\", \
                mlp = \"gelu\", bias = true, tied = false }";
    let again = |model: &str| format!("{model}\nrecompute = \"blocks\"");
    for (config, embeddings) in
        [(llama.to_string(), 1), (gpt2.into(), 2), (again(llama), 1), (again(gpt2), 2)]
    {
        let found = allocations(&config);
        let known = passes * (LOSS + embeddings * EMBEDDING);
        println!("{} large allocations in 4 steps, {known} of them known: {config}", found.len());
        assert!(found.len() <= known, "{config}: {found:?}");
    }
}
