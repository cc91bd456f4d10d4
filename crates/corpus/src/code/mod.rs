//! Source code in: folders and tar archives, file by file, with the licence that applies to each.
//!
//! [`Files`] goes through a tree in a fixed order. A file's licence is the one that its first lines name, else that of the
//! licence files in its folder or the nearest one above. What is no readable text is passed over with a reason.

mod archive;
mod files;
mod folder;
mod languages;
mod licences;
mod nearest;
#[cfg(test)]
mod tests;

pub(crate) use files::{Content, Step};
pub use files::{Files, Item, Licence, Options, SourceFile, Why};
pub(crate) use folder::is_repository;
pub use languages::language;
pub(crate) use licences::LICENCE_BYTES;
pub use licences::{identify, in_header, is_licence_file};
pub(crate) use nearest::Licences;
