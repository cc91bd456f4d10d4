//! Removing what [`crate::keep`] says nobody needs.

use regimen_base::{events, fs};

use crate::error::{Error, Result};
use crate::keep::{Keep, Piece, Sweep, What};
use crate::runs::BIN;
use crate::share::Share;
use crate::store::Store;

impl Store {
    /// Remove what `shown` names, which [`Store::sweep`] found with the same `keep`. `removed` is told of each piece that
    /// is gone.
    ///
    /// An artifact leaves its place by one rename into the store's bin and is removed from there, what was made from
    /// others before those: whenever the process is killed, every artifact that is left is whole, and so are those that
    /// it was made from. The bin is emptied by the next collection.
    ///
    /// # Errors
    /// [`Error::InUse`] while anybody works in the store; [`Error::Moved`] if something else would be removed now.
    pub fn collect(&self, keep: &Keep, shown: &Sweep, removed: &mut dyn FnMut(&Piece)) -> Result<()> {
        // One's own part in the lock would stand in the way.
        let mine = self.held().take();
        drop(mine);
        let _alone = Share::alone(self.dir())?;
        if self.sweep(keep)? != *shown {
            return Err(Error::Moved);
        }
        let bin = self.dir().join(BIN);
        for piece in &shown.pieces {
            let path = self.dir().join(&piece.path);
            if piece.what == What::Bin {
                fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path))?;
            } else if path.is_dir() && !path.is_symlink() {
                fs::create_dir_all(&bin)?;
                let name = piece.path.file_name().unwrap_or_default().to_string_lossy();
                let place = bin.join(format!("{name}-{}", (events::now() * 1e6) as u64));
                fs::rename(&path, &place)?;
                if let Some(parent) = path.parent() {
                    fs::sync_dir(parent)?;
                }
                fs::remove_dir_all(&place)?;
            } else {
                fs::remove_file(&path)?;
            }
            removed(piece);
        }
        Ok(())
    }
}
