//! Patch embedding: images to tokens, with projection, bias, positions and an optional class token in one operation.
//!
//! Weight and position table are parameters or values: a model that resizes them for another patch size or grid
//! (FlexiViT, Beyer et al. 2023) hands over the resized values, and their gradient flows on. Saves the patches.

use std::rc::Rc;

use regimen_kernels::{
    PatchShape, PatchWeights, patch_embed_backward_bias, patch_embed_backward_images,
    patch_embed_backward_weight, patch_embed_forward, patch_embed_sums,
};

use super::{check_vector, misfit};
use crate::error::Result;
use crate::layout::Handle;
use crate::pool::Buffer;
use crate::profile::Work;
use crate::tape::{BackwardCtx, Tape, Var};

const OP: &str = "patch_embed";

/// Where the numbers of a matrix come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A parameter.
    Parameter(Handle),
    /// A value that was computed.
    Value(Var),
}

/// What patch embedding needs to know besides its images.
#[derive(Clone, Copy, Debug)]
pub struct PatchEmbed {
    /// Side of a patch in pixels.
    pub patch: usize,
    /// `[width, channels * patch * patch]`, each row in the order `[channels, patch, patch]`.
    pub weight: Source,
    /// `[width]`.
    pub bias: Option<Handle>,
    /// `[patches, width]`, the grid of patches row by row.
    pub positions: Source,
    /// `[width]`: a token that stands before the patches.
    pub class: Option<Handle>,
}

/// Tokens `[batch * (patches + class token), width]` of images `[batch, channels, height, width]`.
///
/// # Errors
/// Images that patches do not cut evenly, parameters of another shape.
pub fn patch_embed(tape: &mut Tape<'_>, images: Var, spec: &PatchEmbed) -> Result<Var> {
    let spec = *spec;
    let (shape, d) = check(tape, images, &spec)?;
    let _span = tape.span(OP, || {
        let (rows, inner) = (shape.rows(), shape.patch_len());
        let (product, moved) = (2 * rows * inner * d, rows * inner + rows * d + inner * d);
        Work::on(&[rows, inner, d]).forward(product, moved).backward(product, moved + inner * d)
    });
    let pool = tape.pool();
    let (input, weight) = (tape.read(OP, images)?, Numbers::of(tape, spec.weight)?);
    let mut patches = pool.take(shape.rows() * shape.patch_len())?;
    let mut tokens = pool.take(shape.rows() * d)?;
    let positions = Numbers::of(tape, spec.positions)?;
    let vector = |v: Option<Handle>| v.map(|v| tape.params().slice(v));
    let weights = PatchWeights {
        weight: weight.get(),
        bias: vector(spec.bias),
        positions: positions.get(),
        class: vector(spec.class),
    };
    patch_embed_forward(shape, d, &input, &weights, &mut patches, &mut tokens);
    let tokens_shape = vec![shape.rows(), d];
    if !tape.grad() {
        return Ok(tape.node(tokens_shape, tokens, None));
    }
    Ok(tape.node(
        tokens_shape,
        tokens,
        Some(Box::new(move |ctx, dy| {
            let mut sums = ctx.pool.take_zeroed(shape.time() * d)?;
            patch_embed_sums(shape, d, &dy, &mut sums);
            if let Some(bias) = spec.bias {
                patch_embed_backward_bias(shape, d, &sums, ctx.grads.slice_mut(bias));
            }
            let (first, rest) = sums.split_at(usize::from(shape.class) * d);
            if let Some(class) = spec.class {
                ctx.add_to_parameter(class, 1.0, first);
            }
            add_to(ctx, spec.positions, |to| regimen_kernels::add_into(rest, to))?;
            add_to(ctx, spec.weight, |to| patch_embed_backward_weight(shape, d, &dy, &patches, to))?;
            if ctx.needs(images) {
                let (mut dimages, accumulate) = ctx.take(images)?;
                let weight = weight.get();
                patch_embed_backward_images(shape, d, &dy, weight, &mut patches, &mut dimages, accumulate);
                ctx.put(images, dimages);
            }
            Ok(())
        })),
    ))
}

/// The numbers behind a source, for as long as a backward pass needs them.
enum Numbers<'a> {
    Parameter(&'a [f32]),
    Value(Rc<Buffer<'a>>),
}

impl<'a> Numbers<'a> {
    fn of(tape: &Tape<'a>, source: Source) -> Result<Numbers<'a>> {
        Ok(match source {
            Source::Parameter(handle) => Numbers::Parameter(tape.params().slice(handle)),
            Source::Value(var) => Numbers::Value(tape.read(OP, var)?),
        })
    }

    fn get(&self) -> &[f32] {
        match self {
            Numbers::Parameter(slice) => slice,
            Numbers::Value(buffer) => buffer,
        }
    }
}

/// Lets `add` add to the gradient of a source, if one is wanted.
fn add_to(ctx: &mut BackwardCtx<'_, '_>, source: Source, add: impl FnOnce(&mut [f32])) -> Result<()> {
    match source {
        Source::Parameter(handle) => add(ctx.grads.slice_mut(handle)),
        Source::Value(var) if ctx.needs(var) => {
            let mut gradient = ctx.take_to_add(var)?;
            add(&mut gradient);
            ctx.put(var, gradient);
        }
        Source::Value(_) => {}
    }
    Ok(())
}

/// The sizes of a call and the width of a token.
fn check(tape: &Tape<'_>, images: Var, spec: &PatchEmbed) -> Result<(PatchShape, usize)> {
    let [batch, channels, height, width] = *tape.shape(images) else {
        let problem =
            format!("images have shape {:?}, [batch, channels, height, width] is needed", tape.shape(images));
        return misfit(OP, problem);
    };
    if tape.shape(images).contains(&0) {
        return misfit(OP, format!("images have shape {:?}: nothing to cut", tape.shape(images)));
    }
    if spec.patch == 0 || height % spec.patch != 0 || width % spec.patch != 0 {
        return misfit(
            OP,
            format!("patches of {} do not cut images of {height} x {width} evenly", spec.patch),
        );
    }
    let shape = PatchShape { batch, channels, height, width, patch: spec.patch, class: spec.class.is_some() };
    let (name, dimensions) = described(tape, spec.weight, "weight");
    let d = match *dimensions {
        [d, len] if len == shape.patch_len() && d > 0 => d,
        _ => {
            let len = shape.patch_len();
            return misfit(
                OP,
                format!(
                    "{name} has shape {dimensions:?}, [width, {len}] is needed for {channels} channels and patches of {}",
                    spec.patch
                ),
            );
        }
    };
    for vector in [spec.bias, spec.class].into_iter().flatten() {
        check_vector(OP, tape, vector, d)?;
    }
    let (name, dimensions) = described(tape, spec.positions, "positions");
    if *dimensions != [shape.patches(), d] {
        let (rows, columns) = shape.grid();
        return misfit(
            OP,
            format!(
                "{name} has shape {dimensions:?}, [{}, {d}] is needed for a grid of {rows} x {columns}",
                shape.patches()
            ),
        );
    }
    Ok((shape, d))
}

/// Name and shape of a source.
fn described<'t>(tape: &'t Tape<'_>, source: Source, role: &'t str) -> (&'t str, &'t [usize]) {
    match source {
        Source::Parameter(handle) => {
            let segment = tape.params().layout.segment(handle);
            (&segment.name, &segment.shape)
        }
        Source::Value(var) => (role, tape.shape(var)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;

    /// Tokens of images of one channel, in f64.
    fn naive(
        (side, p): (usize, usize),
        images: &[f64],
        weight: &[f64],
        bias: &[f64],
        positions: &[f64],
        class: &[f64],
    ) -> Vec<f64> {
        let (d, grid) = (bias.len(), side / p);
        let mut tokens = Vec::new();
        for image in images.chunks(side * side) {
            tokens.extend(class);
            for i in 0..grid * grid {
                let pixel = |j: usize| image[(i / grid * p + j / p) * side + i % grid * p + j % p];
                tokens.extend((0..d).map(|o| {
                    (0..p * p).map(|j| weight[o * p * p + j] * pixel(j)).sum::<f64>()
                        + bias[o]
                        + positions[i * d + o]
                }));
            }
        }
        tokens
    }

    #[test]
    fn gradients_match_the_formula() {
        let mut bench = Bench::new(&[("w", &[3, 4]), ("b", &[3]), ("p", &[9, 3]), ("c", &[3])]);
        let x = bench.leaf("images", &[2, 1, 6, 6]);
        let [w, b, p, c] = ["w", "b", "p", "c"].map(|name| bench.handle(name));
        let spec = PatchEmbed {
            patch: 2,
            weight: Source::Parameter(w),
            bias: Some(b),
            positions: Source::Parameter(p),
            class: Some(c),
        };
        bench.check(
            &[x],
            |tape, v| patch_embed(tape, v[0], &spec),
            |n, v| naive((6, 2), v[0], &n["w"], &n["b"], &n["p"], &n["c"]),
        );
    }

    #[test]
    fn computed_weights_and_positions_get_their_gradients() {
        let mut bench = Bench::new(&[("b", &[2])]);
        let leaves = [
            bench.leaf("images", &[3, 1, 3, 3]),
            bench.leaf("weight", &[2, 1]),
            bench.leaf("positions", &[9, 2]),
        ];
        let b = bench.handle("b");
        bench.check(
            &leaves,
            |tape, v| {
                let (weight, positions) = (Source::Value(v[1]), Source::Value(v[2]));
                let spec = PatchEmbed { patch: 1, weight, bias: Some(b), positions, class: None };
                patch_embed(tape, v[0], &spec)
            },
            |n, v| naive((3, 1), v[0], v[1], &n["b"], v[2], &[]),
        );
    }

    #[test]
    fn misfits_are_named() {
        let bench = Bench::new(&[("w", &[2, 12]), ("b", &[3]), ("p", &[4, 2])]);
        let [w, b, p] = ["w", "b", "p"].map(|name| bench.handle(name));
        let good = PatchEmbed {
            patch: 2,
            weight: Source::Parameter(w),
            bias: None,
            positions: Source::Parameter(p),
            class: None,
        };
        let mut tape = bench.tape();
        let mut run = |shape: &[usize], change: &dyn Fn(&mut PatchEmbed)| {
            let x = tape.input(shape, vec![0.0; shape.iter().product()]).unwrap();
            let mut spec = good;
            change(&mut spec);
            patch_embed(&mut tape, x, &spec).map_err(|error| error.to_string())
        };
        assert!(run(&[1, 3, 4, 4], &|_| {}).is_ok());
        let check = |found: std::result::Result<Var, String>, expected: &str| {
            assert_eq!(found.unwrap_err(), format!("patch_embed: {expected}"));
        };
        check(
            run(&[3, 4, 4], &|_| {}),
            "images have shape [3, 4, 4], [batch, channels, height, width] is needed",
        );
        check(run(&[1, 3, 4, 5], &|_| {}), "patches of 2 do not cut images of 4 x 5 evenly");
        check(run(&[1, 3, 4, 4], &|s| s.patch = 0), "patches of 0 do not cut images of 4 x 4 evenly");
        check(
            run(&[1, 1, 4, 4], &|_| {}),
            "w has shape [2, 12], [width, 4] is needed for 1 channels and patches of 2",
        );
        check(run(&[1, 3, 4, 6], &|_| {}), "p has shape [4, 2], [6, 2] is needed for a grid of 2 x 3");
        check(run(&[1, 3, 4, 4], &|s| s.bias = Some(b)), "b has shape [3], [2] is needed");
        check(run(&[0, 3, 4, 4], &|_| {}), "images have shape [0, 3, 4, 4]: nothing to cut");
    }
}
