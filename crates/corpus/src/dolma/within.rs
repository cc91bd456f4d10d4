//! Files of rows, read within the memory of a step.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use regimen_recipe::InputFile;

use crate::error::Result;
use crate::memory::Memory;
use crate::read::chunk::{Chunks, How};
use crate::read::lines::{Fields, RowFile};
use crate::read::stream::Stream;

/// Open the documents in `file`, whose chunks have this number; each thread has `open` such files at once. `read` counts bytes
/// taken from the disk.
pub(super) fn rows(
    file: &InputFile,
    fields: &Fields,
    number: u32,
    open: usize,
    read: Arc<AtomicU64>,
    memory: &Arc<Memory>,
) -> Result<RowFile> {
    let window = memory.window_log(open * rayon::current_num_threads());
    RowFile::open(file, fields, number, window, read, memory)
}

/// The same for lines as they are.
pub(super) fn lines(
    file: &InputFile,
    number: u32,
    open: usize,
    read: Arc<AtomicU64>,
    memory: &Arc<Memory>,
) -> Result<Chunks> {
    Ok(chunks(file, number, open, read, memory)?.within(memory))
}

/// The same for who reads alone, and need not wait for a turn if a row is long.
pub(super) fn beside(file: &InputFile, open: usize, memory: &Memory) -> Result<Chunks> {
    Ok(chunks(file, 0, open, Arc::default(), memory)?.up_to(memory.longest()))
}

fn chunks(
    file: &InputFile,
    number: u32,
    open: usize,
    read: Arc<AtomicU64>,
    memory: &Memory,
) -> Result<Chunks> {
    let window = memory.window_log(open * rayon::current_num_threads());
    Ok(Chunks::new(Stream::open_within(file, read, window)?, How::Lines, 0, number))
}
