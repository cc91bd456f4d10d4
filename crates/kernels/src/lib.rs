//! Forward and backward loops on slices of `f32`, for the CPU.
//!
//! Every function is a plain function on row-major slices that panics when a length does not fit its shape
//! (callers check shapes first and report them by name). Weights are stored `[out, in]`. Gradients of parameters
//! accumulate. All parallelism goes through [`par`], whose tasks sum nothing that depends on the number of threads, so every
//! result has the same bits at any number of threads.

#[macro_use]
pub mod isa;
pub mod activation;
pub mod adafactor;
pub mod adamw;
pub mod attention;
pub mod buffer;
mod cross_entropy;
pub mod elementwise;
pub mod embedding;
mod fingerprint;
mod fnv;
pub mod gemm;
pub mod linear;
mod lines;
pub mod lion;
pub mod logprob;
mod math;
pub mod mean_pool;
pub mod minhash;
pub mod muon;
pub mod norm;
pub mod par;
pub mod patch;
mod pool;
mod prefetch;
pub mod reduce;
pub mod rope;
mod scratch;
pub mod softmax;
pub mod swiglu;
#[cfg(test)]
mod testing;

pub use activation::{Activation, activation_backward, activation_forward};
pub use adafactor::{Adafactor, adafactor_matrix_step, adafactor_vector_step};
pub use adamw::{AdamW, adamw_step, adamw_step_zeroing};
pub use attention::{
    AttentionRows, AttentionShape, attention_backward, attention_decode, attention_floats, attention_forward,
};
pub use buffer::{Floats, NoMemory};
pub use cross_entropy::{cross_entropy, cross_entropy_floats};
pub use elementwise::{add, add_into, axpy, mul, mul_into, scale};
pub use embedding::{embedding_add, embedding_backward, embedding_forward};
pub use fingerprint::fingerprint;
pub use fnv::{FNV_PRIME, FNV_START, fnv_next};
pub use gemm::{Bf16, Mat, MatMut, from_bf16, has_bf16, sgemm, sgemm_bf16, sgemm_serial, to_bf16};
pub use isa::{Isa, isa};
pub use linear::{
    linear_backward_activated, linear_backward_gated, linear_backward_input, linear_backward_weight,
    linear_forward, linear_swiglu_forward,
};
pub use lines::{Line, add_lines};
pub use lion::{Lion, lion_step};
pub use logprob::{
    Divergence, LmHead, LogprobGrad, LogprobOut, TopOut, distill_backward, distill_forward, logits_last,
    logprob_backward, logprob_forward,
};
pub use mean_pool::{mean_pool_backward, mean_pool_forward};
pub use minhash::{M61, minhash_m61, minhash_u32};
pub use muon::{Muon, muon_step, muon_work};
pub use norm::{NormKind, norm_backward, norm_forward};
pub use par::{par, par_map, par_rows, par_rows2, par_rows3};
pub use patch::{
    PatchShape, PatchWeights, patch_embed_backward_bias, patch_embed_backward_images,
    patch_embed_backward_weight, patch_embed_forward, patch_embed_sums, patchify, patchify_backward,
};
pub use pool::{set_threads, threads, with_threads};
pub use prefetch::prefetch;
pub use reduce::{all_finite, argmax, dot_f64, norm_sq_f64, sum_f64};
pub use rope::{RopeTable, rope_apply};
pub use scratch::scratch_floats;
pub use softmax::{softmax_rows, softmax_rows_backward};
pub use swiglu::{swiglu_backward, swiglu_forward};
