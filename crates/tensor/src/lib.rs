//! Tensors, parameter arenas, the tape and its operations.
//!
//! A model is a plain struct of [`Handle`]s into an arena ([`Params`]). Its forward pass appends operations
//! ([`ops`]) to a [`Tape`]; [`Tape::backward`] adds the gradients to an arena of the same layout ([`Grads`]).
//! All values are dense row-major f32.
//!
//! ```
//! use std::sync::Arc;
//! use regimen_tensor::{Grads, Init, LayoutBuilder, Params, Pool, Tape, ops};
//! # fn main() -> Result<(), regimen_tensor::Error> {
//! let mut builder = LayoutBuilder::new();
//! let w = builder.segment("w", &[1, 2], true, Init::Ones)?;
//! let layout = Arc::new(builder.build());
//! let (params, mut grads, pool) = (Params::init(layout.clone(), 0), Grads::zeros(layout), Pool::new());
//! let mut tape = Tape::new(&params, &pool, true);
//! let x = tape.input(&[3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! let y = ops::linear(&mut tape, x, w, None, ops::Activation::None)?;
//! let loss = ops::sum(&mut tape, y)?;
//! assert_eq!(tape.scalar(loss), 21.0);
//! tape.backward(loss, &mut grads)?;
//! assert_eq!(grads.slice(w), [9.0, 12.0]);
//! # Ok(())
//! # }
//! ```

pub mod arena;
pub mod device;
pub mod error;
pub mod layout;
pub mod ops;
pub mod pool;
pub mod profile;
pub mod tape;

pub use arena::{Grads, Params};
pub use device::Device;
pub use error::{Error, Result};
pub use layout::{Handle, Init, Layout, LayoutBuilder, Segment};
pub use pool::{Buffer, Indices, Pool, Size, Sizes};
pub use profile::{Recorder, Work};
pub use tape::{Tape, Var};
