//! A file of a source, open for reading in the way in which its documents are found.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use regimen_recipe::InputFile;

use crate::error::Result;
use crate::read::chunk::{Chunk, Chunks, How};
use crate::read::document::Reading;
use crate::read::page::Pages;
use crate::read::stream::Stream;

/// A file of one of the two ways in which documents are found.
pub(crate) enum Opened {
    Chunks(Box<Chunks>),
    Pages(Box<Pages>),
}

impl Opened {
    /// Open `input`, the file with number `file`, of the source with number `source`. `read` counts the bytes taken from
    /// the disk, but for those of files beside it.
    pub fn open(
        reading: &Reading,
        input: &InputFile,
        how: How,
        source: u16,
        file: u32,
        read: Arc<AtomicU64>,
    ) -> Result<Opened> {
        Ok(match how {
            How::Pages(kind) => {
                Opened::Pages(Box::new(Pages::open(reading, kind, input, source, file, read)?))
            }
            how => {
                let window = reading.memory.window_log(rayon::current_num_threads());
                let stream = Stream::open_within(input, read, window)?;
                let chunks = Chunks::new(stream, how, source, file).within(reading.memory);
                let beside = reading.beside.attributes.open(source, &input.path, reading.memory)?;
                Opened::Chunks(Box::new(chunks.beside(beside)))
            }
        })
    }

    /// The next chunk; none at the end.
    pub fn next(&mut self) -> Result<Option<Chunk>> {
        match self {
            Opened::Chunks(chunks) => chunks.next(),
            Opened::Pages(pages) => pages.next(),
        }
    }
}
