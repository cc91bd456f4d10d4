//! Source objects that the collecting build need not bring here.
//!
//! The key of a corpus holds the hash of every source file, and so does the key of every part. Tasks have read the files, and
//! leave their hashes in the notes of the parts. The build that collects takes them over from there instead of reading
//! terabytes again to learn the same, and is as strict as before:
//!
//! - A hash counts only if the key of the part, worked out anew from it, is the key that the part was made under, and if it was
//!   made under this plan, which knows the states of all objects: a part that an earlier plan left may be of other ones.
//! - It is remembered for one state of an object, by URL, length and ETag as they are listed now; the plan has made sure that
//!   the tasks saw that state, and they read it on the condition of that ETag. Where a store gives times alone, which no
//!   server compares, the object comes here and is hashed.
//! - Files of the project are always read.
//! - So are sources whose attributes are named by their first rows: the rows of their documents are looked at, too.

use crate::build::UNREAD;
use crate::error::{Error, Result};
use crate::first;
use crate::output::note;
use crate::read::attributes::given;
use crate::task::{Work, docs_of};

impl Work<'_> {
    /// Remember the hashes of the objects of a group whose part was brought here, for the build that takes it over.
    pub(super) fn remember(&self, group: usize) -> Result<()> {
        let range = self.ground.groups[group].clone();
        let (files, listed) = (&self.ground.plan[range.clone()], self.plan.listed(range));
        if listed.iter().all(|(_, file)| file.is_here()) {
            return Ok(());
        }
        let Some(made) = self.depot.made(&docs_of(group))? else { return Ok(()) };
        let pairs = files.iter().map(|file| &*file.input.path).zip(made.files.iter().copied());
        let key = first::key(&self.ground.identity(), pairs);
        let hashes = note(&self.hashes(group)?)?;
        if made.plan != Some(self.plan.key) || made.files.contains(&UNREAD) {
            return Ok(());
        }
        if made.files.len() != files.len() || [made.note.key, hashes.key] != [key, key] {
            return Ok(());
        }
        for ((file, (_, listed)), hash) in files.iter().zip(listed).zip(made.files) {
            let source = &self.ground.config.sources[usize::from(file.source)];
            if source.attributes.is_none() || given(source).next().is_some() {
                listed.remember(hash).map_err(|error| Error::Listing(Box::new(error)))?;
            }
        }
        Ok(())
    }
}
