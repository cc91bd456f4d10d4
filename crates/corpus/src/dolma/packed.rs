//! Rows of a file, packed piece by piece: what a chunk becomes may be much larger than the chunk.

use std::path::Path;

use regimen_base::fs;

use crate::error::Result;
use crate::output::pack;
use crate::read::stream::Packing;

/// Bytes of rows that are packed together, but for one longer row.
const PIECE: usize = 4 << 20;

/// Rows on their way into the file at `path`.
pub(crate) struct Packed<'p> {
    path: &'p Path,
    packing: Packing,
    /// Rows that are not packed yet; new ones are appended.
    pub loose: Vec<u8>,
    packed: Vec<u8>,
}

impl<'p> Packed<'p> {
    /// For the file at `path`, packed as its name says, with room for so many bytes.
    pub fn new(path: &'p Path, room: usize) -> Packed<'p> {
        let packing = Packing::of_name(&path.to_string_lossy()).0;
        Packed { path, packing, loose: Vec::with_capacity(room.min(PIECE)), packed: Vec::new() }
    }

    /// A row was appended.
    pub fn row(&mut self) -> Result<()> {
        if self.loose.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    /// All of it, packed; nothing if there are no rows.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        if !self.loose.is_empty() {
            self.flush()?;
        }
        Ok(self.packed)
    }

    /// The same, but no rows are a piece, too: some readers take a file of no bytes for a damaged one.
    pub fn finish_whole(mut self) -> Result<Vec<u8>> {
        if !self.loose.is_empty() || self.packed.is_empty() {
            self.flush()?;
        }
        Ok(self.packed)
    }

    fn flush(&mut self) -> Result<()> {
        let loose = std::mem::take(&mut self.loose);
        let mut piece = pack(self.packing, loose).map_err(|e| fs::Error::new("pack", self.path, e))?;
        if self.packed.is_empty() {
            self.packed = piece;
        } else {
            self.packed.append(&mut piece);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn pieces_are_the_rows_however_many_there_are() {
        for name in ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"] {
            for rows in [0usize, 1, 7, 2000] {
                let mut packed = Packed::new(Path::new(name), 10);
                for row in 0..rows {
                    packed.loose.extend(std::iter::repeat_n(row as u8, 5000));
                    packed.row().unwrap();
                }
                let found = packed.finish().unwrap();
                assert_eq!(found.is_empty(), rows == 0);
                let mut text = Vec::new();
                match Packing::of_name(name).0 {
                    Packing::Plain => text = found,
                    // No piece at all is neither a member of gzip nor a frame of zstd.
                    _ if found.is_empty() => {}
                    Packing::Gzip => {
                        let _ = flate2::read::MultiGzDecoder::new(&found[..]).read_to_end(&mut text).unwrap();
                    }
                    Packing::Zstd => text = zstd::decode_all(&found[..]).unwrap(),
                }
                assert_eq!(text.len(), 5000 * rows);
                assert!(text.chunks(5000).enumerate().all(|(i, row)| row[0] == i as u8));
            }
        }
        assert!(!Packed::new(Path::new("a.gz"), 0).finish_whole().unwrap().is_empty());
    }
}
