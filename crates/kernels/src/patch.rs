//! Patch embedding (Dosovitskiy et al. 2021): an image as a row of tokens.
//!
//! `token[b, i] = W patch[b, i] + bias + position[i]`, where patch i is a square of the image, row by row, flattened as
//! `[channels, patch, patch]`: the order of a convolution's weight, so `W` is that weight as a matrix. With a class
//! token, row 0 of each sequence is that vector and the patches follow; its position is part of the vector.

use crate::activation::{Activation, add_block};
use crate::linear::{linear_backward_input, linear_backward_weight, linear_forward};
use crate::par::{par_rows, rows_per_task};
use crate::reduce::add_column_sums;

/// Sizes of a batch of images and how they are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchShape {
    /// Images.
    pub batch: usize,
    /// Channels of an image.
    pub channels: usize,
    /// Rows of pixels; a multiple of `patch`.
    pub height: usize,
    /// Columns of pixels; a multiple of `patch`.
    pub width: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Whether a class token stands before the patches.
    pub class: bool,
}

impl PatchShape {
    /// Rows and columns of patches.
    pub fn grid(&self) -> (usize, usize) {
        (self.height / self.patch, self.width / self.patch)
    }

    /// Patches of an image.
    pub fn patches(&self) -> usize {
        self.grid().0 * self.grid().1
    }

    /// Tokens of an image.
    pub fn time(&self) -> usize {
        self.patches() + usize::from(self.class)
    }

    /// Tokens of all images.
    pub fn rows(&self) -> usize {
        self.batch * self.time()
    }

    /// Numbers of a patch.
    pub fn patch_len(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// Numbers of all images.
    pub fn pixels(&self) -> usize {
        self.batch * self.channels * self.height * self.width
    }

    fn check(&self, images: &[f32], patches: &[f32]) {
        assert!(
            self.patch > 0 && self.height.is_multiple_of(self.patch) && self.width.is_multiple_of(self.patch),
            "patches of {} do not cut {} x {} evenly",
            self.patch,
            self.height,
            self.width
        );
        assert_eq!(images.len(), self.pixels(), "images are not [batch, channels, height, width]");
        assert_eq!(
            patches.len(),
            self.rows() * self.patch_len(),
            "patches are not [batch * time, patch_len]"
        );
    }

    /// Where line `y` of channel `c` of patch `i` of image `b` begins among the pixels.
    fn pixel(&self, b: usize, i: usize, c: usize, y: usize) -> usize {
        let columns = self.grid().1;
        let (row, column) = (i / columns * self.patch + y, i % columns * self.patch);
        ((b * self.channels + c) * self.height + row) * self.width + column
    }
}

/// `patches` `[batch * time, patch_len]` of `images` `[batch, channels, height, width]`; the row of a class token is 0.
pub fn patchify(shape: PatchShape, images: &[f32], patches: &mut [f32]) {
    shape.check(images, patches);
    let (p, len, time, class) = (shape.patch, shape.patch_len(), shape.time(), usize::from(shape.class));
    par_rows(patches, len, rows_per_task(len), |first, block| {
        for (r, to) in block.chunks_exact_mut(len).enumerate() {
            let (b, t) = ((first + r) / time, (first + r) % time);
            if t < class {
                to.fill(0.0);
                continue;
            }
            for (line, to) in to.chunks_exact_mut(p).enumerate() {
                to.copy_from_slice(&images[shape.pixel(b, t - class, line / p, line % p)..][..p]);
            }
        }
    });
}

/// The gradient of [`patchify`]: every pixel gets that of its place in `dpatches`, added to (`accumulate`) or instead
/// of what `dimages` holds.
pub fn patchify_backward(shape: PatchShape, dpatches: &[f32], dimages: &mut [f32], accumulate: bool) {
    shape.check(dimages, dpatches);
    let (p, len, time, class) = (shape.patch, shape.patch_len(), shape.time(), usize::from(shape.class));
    let columns = shape.grid().1;
    par_rows(dimages, shape.width, rows_per_task(shape.width), |first, block| {
        for (r, line) in block.chunks_exact_mut(shape.width).enumerate() {
            let (plane, y) = ((first + r) / shape.height, (first + r) % shape.height);
            let (b, c) = (plane / shape.channels, plane % shape.channels);
            for (column, to) in line.chunks_exact_mut(p).enumerate() {
                let row = b * time + class + y / p * columns + column;
                let from = &dpatches[row * len + (c * p + y % p) * p..][..p];
                match accumulate {
                    true => add_block(to, from),
                    false => to.copy_from_slice(from),
                }
            }
        }
    });
}

/// What turns patches of `[patch_len]` numbers into tokens of `[d]`.
#[derive(Clone, Copy, Debug)]
pub struct PatchWeights<'a> {
    /// `[d, patch_len]`.
    pub weight: &'a [f32],
    /// `[d]`.
    pub bias: Option<&'a [f32]>,
    /// `[patches, d]`.
    pub positions: &'a [f32],
    /// `[d]`, exactly when the shape has a class token.
    pub class: Option<&'a [f32]>,
}

/// `tokens` `[batch * time, d]` of `images`; `patches` `[batch * time, patch_len]` receives what the gradient of the
/// weight needs.
pub fn patch_embed_forward(
    shape: PatchShape,
    d: usize,
    images: &[f32],
    weights: &PatchWeights<'_>,
    patches: &mut [f32],
    tokens: &mut [f32],
) {
    assert_eq!(weights.positions.len(), shape.patches() * d, "positions are not [patches, d]");
    assert!([weights.bias, weights.class].into_iter().flatten().all(|v| v.len() == d), "a vector is not [d]");
    assert_eq!(weights.class.is_some(), shape.class, "a class token is there or not");
    patchify(shape, images, patches);
    let (len, time) = (shape.patch_len(), shape.time());
    linear_forward(
        shape.rows(),
        len,
        d,
        patches,
        weights.weight,
        weights.bias,
        Activation::None,
        tokens,
        None,
    );
    let class = usize::from(shape.class);
    par_rows(tokens, d, rows_per_task(d), |first, block| {
        for (r, row) in block.chunks_exact_mut(d).enumerate() {
            match ((first + r) % time, weights.class) {
                (0, Some(vector)) => row.copy_from_slice(vector),
                (t, _) => add_block(row, &weights.positions[(t - class) * d..][..d]),
            }
        }
    });
}

/// `sums[t] += sum over images of dtokens[b, t]`: `dtokens` `[batch * time, d]`, `sums` `[time, d]`. Its first row is the
/// gradient of the class token, if there is one, the others are those of the positions; their sum is that of the bias.
pub fn patch_embed_sums(shape: PatchShape, d: usize, dtokens: &[f32], sums: &mut [f32]) {
    assert_eq!(dtokens.len(), shape.rows() * d, "dtokens are not [batch * time, d]");
    assert_eq!(sums.len(), shape.time() * d, "sums are not [time, d]");
    add_column_sums(shape.batch, sums.len(), dtokens, sums);
}

/// `dbias += sum of the rows of patches` of `sums` `[time, d]` from [`patch_embed_sums`].
pub fn patch_embed_backward_bias(shape: PatchShape, d: usize, sums: &[f32], dbias: &mut [f32]) {
    assert!(sums.len() == shape.time() * d && dbias.len() == d, "sums are not [time, d] or dbias not [d]");
    add_column_sums(shape.patches(), d, &sums[usize::from(shape.class) * d..], dbias);
}

/// `dweight += dtokens^T patches`: `[d, patch_len]`, from `patches` of [`patch_embed_forward`].
pub fn patch_embed_backward_weight(
    shape: PatchShape,
    d: usize,
    dtokens: &[f32],
    patches: &[f32],
    dweight: &mut [f32],
) {
    // The row of a class token multiplies zeros.
    linear_backward_weight(shape.rows(), shape.patch_len(), d, dtokens, patches, dweight, None);
}

/// The gradient of the images; `dpatches` `[batch * time, patch_len]` is overwritten on the way.
pub fn patch_embed_backward_images(
    shape: PatchShape,
    d: usize,
    dtokens: &[f32],
    weight: &[f32],
    dpatches: &mut [f32],
    dimages: &mut [f32],
    accumulate: bool,
) {
    linear_backward_input(shape.rows(), shape.patch_len(), d, dtokens, weight, dpatches, false);
    patchify_backward(shape, dpatches, dimages, accumulate);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        assert_close, dot64, numeric_gradient, same_bits_at_any_thread_count, values, wide,
    };

    const SHAPES: [(PatchShape, usize); 4] = [
        (PatchShape { batch: 1, channels: 1, height: 1, width: 1, patch: 1, class: false }, 1),
        (PatchShape { batch: 3, channels: 2, height: 3, width: 6, patch: 3, class: true }, 5),
        (PatchShape { batch: 2, channels: 3, height: 6, width: 4, patch: 2, class: false }, 7),
        (PatchShape { batch: 5, channels: 1, height: 5, width: 1, patch: 1, class: true }, 2),
    ];

    /// Images, weight, bias, positions and class token of a shape.
    fn inputs(shape: PatchShape, d: usize) -> [Vec<f32>; 5] {
        let class = if shape.class { d } else { 0 };
        let lengths = [shape.pixels(), d * shape.patch_len(), d, shape.patches() * d, class];
        let mut seed = 0;
        lengths.map(|n| {
            seed += 1;
            values(n, seed)
        })
    }

    fn naive(s: PatchShape, d: usize, [images, weight, bias, positions, class]: [&[f64]; 5]) -> Vec<f64> {
        let mut tokens = Vec::new();
        for b in 0..s.batch {
            tokens.extend(class);
            for (i, position) in positions.chunks(d).enumerate() {
                let (top, left) = (i / (s.width / s.patch) * s.patch, i % (s.width / s.patch) * s.patch);
                let mut patch = Vec::new();
                for c in 0..s.channels {
                    for y in top..top + s.patch {
                        for x in left..left + s.patch {
                            patch.push(images[((b * s.channels + c) * s.height + y) * s.width + x]);
                        }
                    }
                }
                let rows = weight.chunks(s.patch_len());
                tokens.extend(rows.zip(bias).zip(position).map(|((w, b), p)| dot64(w, &patch) + b + p));
            }
        }
        tokens
    }

    /// Tokens and the gradients of images, weight, bias, positions and class token for `dtokens`.
    fn ours(s: PatchShape, d: usize, x: &[Vec<f32>; 5], dtokens: &[f32]) -> [Vec<f32>; 6] {
        let weights = PatchWeights {
            weight: &x[1],
            bias: Some(&x[2]),
            positions: &x[3],
            class: s.class.then_some(&x[4][..]),
        };
        let (mut patches, mut tokens) = (vec![9.0; s.rows() * s.patch_len()], vec![9.0; s.rows() * d]);
        patch_embed_forward(s, d, &x[0], &weights, &mut patches, &mut tokens);
        let mut grads = [0, 1, 2].map(|i| vec![1.0; x[i].len()]);
        let mut sums = vec![0.0; s.time() * d];
        patch_embed_sums(s, d, dtokens, &mut sums);
        patch_embed_backward_bias(s, d, &sums, &mut grads[2]);
        patch_embed_backward_weight(s, d, dtokens, &patches, &mut grads[1]);
        let mut once = vec![7.0; x[0].len()];
        patch_embed_backward_images(s, d, dtokens, &x[1], &mut patches, &mut once, false);
        patch_embed_backward_images(s, d, dtokens, &x[1], &mut patches, &mut grads[0], true);
        assert!(once.iter().zip(&grads[0]).all(|(a, b)| a + 1.0 == *b));
        let [images, weight, bias] = grads;
        let positions = sums.split_off(if s.class { d } else { 0 });
        [tokens, images, weight, bias, positions, sums]
    }

    #[test]
    fn tokens_and_gradients_match_f64() {
        for (shape, d) in SHAPES {
            let x = inputs(shape, d);
            let dtokens = values(shape.rows() * d, 9);
            let [tokens, images, weight, bias, positions, class] = ours(shape, d, &x, &dtokens);
            let x64 = x.each_ref().map(|v| wide(v));
            let all = |i: usize, v: &[f64]| {
                let mut parts = x64.each_ref().map(Vec::as_slice);
                parts[i] = v;
                naive(shape, d, parts)
            };
            assert_close(&tokens, &all(0, &x64[0]), 1e-5);
            let dtokens = wide(&dtokens);
            let gradient = |i: usize| numeric_gradient(&x64[i], |v| dot64(&all(i, v), &dtokens));
            let added = |i: usize| gradient(i).iter().map(|g| g + 1.0).collect::<Vec<f64>>();
            assert_close(&images, &added(0), 1e-4);
            assert_close(&weight, &added(1), 1e-4);
            assert_close(&bias, &added(2), 1e-4);
            assert_close(&positions, &gradient(3), 1e-4);
            assert_close(&class, &gradient(4), 1e-4);
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        let shape = PatchShape { batch: 70, channels: 3, height: 24, width: 20, patch: 4, class: true };
        let (x, dtokens) = (inputs(shape, 48), values(shape.rows() * 48, 9));
        same_bits_at_any_thread_count(|| ours(shape, 48, &x, &dtokens).concat());
    }

    #[test]
    fn infinities_and_nan_reach_their_token_alone() {
        let (shape, d) = SHAPES[1];
        let mut x = inputs(shape, d);
        x[0][0] = f32::NAN;
        let [tokens, ..] = ours(shape, d, &x, &vec![0.0; shape.rows() * d]);
        for (i, row) in tokens.chunks(d).enumerate() {
            assert!(row.iter().all(|v| v.is_nan() == (i == 1)), "token {i}: {row:?}");
        }
    }

    #[test]
    #[should_panic(expected = "patches of 2 do not cut 3 x 4 evenly")]
    fn uneven_patches_are_refused() {
        let shape = PatchShape { batch: 1, channels: 1, height: 3, width: 4, patch: 2, class: false };
        patchify(shape, &[0.0; 12], &mut []);
    }
}
