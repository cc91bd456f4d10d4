//! Architectures: the decoder, its cached decoding, the vision transformer, and their files.
//!
//! A [`Decoder`] or [`Vit`] is a plain struct of handles into an arena of `regimen-tensor`; [`DecoderConfig`] or
//! [`VitConfig`] says what it looks like. [`weights`] stores one arena as safetensors, [`hf`] reads and writes Hugging Face folders.

pub mod block;
pub mod cache;
pub mod config;
pub mod decoder;
pub mod error;
pub mod estimate;
pub mod forward;
pub mod hf;
mod hidden;
pub mod vit;
pub mod vit_config;
pub mod weights;

pub use block::TokenBlock;
pub use cache::Cache;
pub use config::{DecoderConfig, Mlp, NormKind, Positions, Recompute};
pub use decoder::{Decoder, Loss, LossValue};
pub use error::{Error, Result};
pub use estimate::Activations;
pub use vit::Vit;
pub use vit_config::{Pooling, VitConfig};
