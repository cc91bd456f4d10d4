//! Dolma's folders: `.../documents/REST` holds rows with a text, `.../attributes/EXPERIMENT/REST` the attributes of the
//! same rows in the same order (Soldaini et al. 2024; the layout is that of the toolkit `dolma` 1.2).
//!
//! Offsets in these files count code points, as in Dolma's own; inside this program they count bytes of UTF-8 and are
//! converted at the border ([`offsets`]).

pub(crate) mod aligned;
pub(crate) mod attributes;
pub mod classifier;
pub mod decontaminate;
pub mod dedup;
pub(crate) mod folder;
pub(crate) mod known;
pub mod mix;
pub(crate) mod offsets;
pub(crate) mod packed;
pub(crate) mod rewrite;
pub(crate) mod row;
pub(crate) mod said;
pub mod sample;
pub mod stats;
pub mod tag;
mod within;

pub use crate::read::lines::{Fields, is_rows};
pub use folder::{DOCUMENTS, apart, plain_folders};
