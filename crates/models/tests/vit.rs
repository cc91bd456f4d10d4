//! The vision transformer as a whole: gradients, masks, determinism, training.
#![allow(clippy::unwrap_used)]

use regimen_base::Philox;
use regimen_kernels::{AdamW, adamw_step, norm_sq_f64};
use regimen_models::{Pooling, Vit, VitConfig};
use regimen_tensor::{Grads, Params, Pool, Tape, ops};

/// Small models that between them have every option.
fn variants() -> Vec<VitConfig> {
    let mean = VitConfig { init_std: 0.3, ..VitConfig::new(6, 2, 2, 12, 3, 5) };
    let class = VitConfig { pooling: Pooling::Class, channels: 1, patch: 3, ..mean };
    vec![mean, class]
}

/// Random pixels and labels of `count` images.
struct Images {
    pixels: Vec<f32>,
    labels: Vec<u32>,
    shape: [usize; 4],
}

impl Images {
    fn random(config: &VitConfig, count: usize) -> Images {
        let mut random = Philox::new(31, &["images"]);
        let shape = [count, config.channels, config.image, config.image];
        let pixels = (0..shape.iter().product()).map(|_| (2.0 * random.uniform() - 1.0) as f32).collect();
        let labels = (0..count).map(|_| random.below(config.classes as u64) as u32).collect();
        Images { pixels, labels, shape }
    }

    /// Mean loss in f64 and, if wanted, its gradient added to `grads`.
    fn loss(&self, vit: &Vit, params: &Params, pool: &Pool, grads: Option<&mut Grads>) -> f64 {
        let mut tape = Tape::new(params, pool, grads.is_some());
        let images = tape.input(&self.shape, self.pixels.clone()).unwrap();
        let weights = vec![1.0 / self.labels.len() as f32; self.labels.len()];
        let loss = vit.loss(&mut tape, images, &self.labels, &weights).unwrap();
        if let Some(grads) = grads {
            tape.backward(loss.total, grads).unwrap();
        }
        loss.weighted_nll
    }
}

fn build(config: &VitConfig, seed: u64) -> (Vit, Params) {
    let (vit, layout) = Vit::with_layout(config).unwrap();
    (vit, Params::init(layout, seed))
}

/// Along its own gradient, each segment changes the loss by the gradient's length: central differences of two steps,
/// extrapolated.
#[test]
fn every_segment_has_the_right_gradient() {
    for config in variants() {
        let (vit, params) = build(&config, 1);
        let images = Images::random(&config, 3);
        let pool = Pool::new();
        let mut grads = Grads::zeros(params.layout.clone());
        images.loss(&vit, &params, &pool, Some(&mut grads));
        for handle in params.layout.handles() {
            let segment = params.layout.segment(handle).name.clone();
            let length = norm_sq_f64(grads.slice(handle)).sqrt();
            assert!(length > 1e-6, "no gradient for {segment}");
            let slope = |step: f64| {
                let at = |step: f64| {
                    let mut moved = params.clone();
                    for (p, g) in moved.slice_mut(handle).iter_mut().zip(grads.slice(handle)) {
                        *p += (step * f64::from(*g) / length) as f32;
                    }
                    images.loss(&vit, &moved, &pool, None)
                };
                (at(step) - at(-step)) / (2.0 * step)
            };
            let step = 0.004;
            let expected = (4.0 * slope(step) - slope(2.0 * step)) / 3.0;
            let error = (length - expected).abs();
            assert!(error < 0.005 * expected + 2e-5, "{segment} has {length}, the loss says {expected}");
        }
        assert_eq!(params.layout.parameters(), config.parameters());
    }
}

#[test]
fn every_patch_sees_every_other() {
    for config in variants() {
        let (vit, params) = build(&config, 2);
        let pool = Pool::new();
        let images = Images::random(&config, 2);
        let mut tape = Tape::new(&params, &pool, true);
        let pixels = tape.leaf(&images.shape, images.pixels.clone()).unwrap();
        let features = vit.features(&mut tape, pixels, &vit.embedding()).unwrap();
        // Of the first image only.
        let first = ops::gather(&mut tape, features, &[0]).unwrap();
        let square = ops::mul(&mut tape, first, first).unwrap();
        let loss = ops::sum(&mut tape, square).unwrap();
        let mut grads = Grads::zeros(params.layout.clone());
        let gradient = tape.backward_with(loss, &mut grads, &[pixels]).unwrap().remove(0);
        let (first, second) = gradient.split_at(gradient.len() / 2);
        assert!(first.iter().all(|g| *g != 0.0) && second.iter().all(|g| *g == 0.0));
    }
}

/// Parameters after some AdamW steps, and the losses.
fn train(config: &VitConfig, count: usize, steps: u64) -> (Vec<u32>, Vec<f64>) {
    let (vit, mut params) = build(config, 4);
    let images = Images::random(config, count);
    let pool = Pool::new();
    let mut grads = Grads::zeros(params.layout.clone());
    let (mut m, mut v) = (vec![0.0; params.data.len()], vec![0.0; params.data.len()]);
    let rule = AdamW { lr: 3e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.0 };
    let mut losses = Vec::new();
    for step in 1..=steps {
        grads.zero();
        losses.push(images.loss(&vit, &params, &pool, Some(&mut grads)));
        adamw_step(&mut params.data, &mut m, &mut v, &grads.data, &rule, step, 1.0);
    }
    (params.data.iter().map(|x| x.to_bits()).collect(), losses)
}

#[test]
fn it_learns_eight_random_images_by_heart() {
    for pooling in [Pooling::Mean, Pooling::Class] {
        let config = VitConfig { pooling, ..VitConfig::new(12, 4, 2, 32, 2, 8) };
        let losses = train(&config, 8, 120).1;
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        assert!((first - 8f64.ln()).abs() < 0.5 && last < 0.01, "{pooling:?}: {first} -> {last}");
    }
}

#[test]
fn training_has_the_same_bits_on_any_number_of_threads() {
    for pooling in [Pooling::Mean, Pooling::Class] {
        let config = VitConfig { pooling, ..VitConfig::new(32, 4, 2, 48, 3, 10) };
        let run = |threads: usize| regimen_kernels::with_threads(threads, || train(&config, 6, 3));
        let (bits, losses) = run(1);
        assert!(losses[2] < losses[0], "{losses:?}");
        assert_eq!(bits, run(2).0);
        assert_eq!(bits, run(4).0);
    }
}

/// What a model for several patch sizes does: another grid, with positions that were computed.
#[test]
fn positions_may_be_computed() {
    let config = variants().remove(0);
    let (vit, params) = build(&config, 5);
    let (pool, mut grads) = (Pool::new(), Grads::zeros(params.layout.clone()));
    let mut tape = Tape::new(&params, &pool, true);
    let table = tape.leaf(&[12, 12], (0..144).map(|i| (i % 7) as f32 / 7.0).collect()).unwrap();
    let embedding = ops::PatchEmbed { positions: ops::Source::Value(table), ..vit.embedding() };
    let images = tape.input(&[1, 3, 6, 8], vec![0.1; 144]).unwrap();
    let features = vit.features(&mut tape, images, &embedding).unwrap();
    let square = ops::mul(&mut tape, features, features).unwrap();
    let loss = ops::sum(&mut tape, square).unwrap();
    let gradient = tape.backward_with(loss, &mut grads, &[table]).unwrap().remove(0);
    assert!(gradient.iter().all(|g| *g != 0.0));
    let own = params.layout.expect("positions").unwrap();
    assert!(grads.slice(own).iter().all(|g| *g == 0.0));
}

#[test]
fn what_does_not_fit_is_named() {
    let config = variants().remove(0);
    let (vit, params) = build(&config, 6);
    let pool = Pool::new();
    let says = |shape: [usize; 4], labels: &[u32]| {
        let mut tape = Tape::new(&params, &pool, false);
        let images = tape.input(&shape, vec![0.0; shape.iter().product()]).unwrap();
        vit.loss(&mut tape, images, labels, &vec![1.0; labels.len()]).unwrap_err().to_string()
    };
    assert_eq!(says([2, 3, 6, 6], &[0]), "model: 1 labels and 1 weights for images [2, 3, 6, 6]");
    assert_eq!(says([1, 3, 6, 6], &[5]), "cross_entropy: target 5 is not below 5");
    assert_eq!(says([1, 3, 6, 5], &[0]), "patch_embed: patches of 2 do not cut images of 6 x 5 evenly");
    assert_eq!(
        says([1, 1, 6, 6], &[0]),
        "patch_embed: patch has shape [12, 12], [width, 4] is needed for 1 channels and patches of 2"
    );
    assert_eq!(
        says([1, 3, 8, 6], &[0]),
        "patch_embed: positions has shape [9, 12], [12, 12] is needed for a grid of 4 x 3"
    );
    let uneven = VitConfig { patch: 4, ..config };
    assert_eq!(
        Vit::with_layout(&uneven).unwrap_err().to_string(),
        "model: patch = 4: does not divide image = 6"
    );
}
