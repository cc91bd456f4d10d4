//! A vision transformer on one fixed batch.

use regimen_models::{Vit, VitConfig};
use regimen_tensor::{Params, Tape};
use serde::Deserialize;

use crate::decoder::State;
use crate::{Result, Rule, Work};

#[derive(Deserialize)]
pub struct Spec {
    model: VitConfig,
    batch: usize,
    adamw: Rule,
}

pub struct Training {
    vit: Vit,
    shape: [usize; 4],
    pixels: Vec<f32>,
    labels: Vec<u32>,
    weights: Vec<f32>,
    state: State,
}

impl Training {
    pub fn new(spec: &Spec) -> Result<Training> {
        let (vit, layout) = Vit::with_layout(&spec.model)?;
        let c = &spec.model;
        let shape = [spec.batch, c.channels, c.image, c.image];
        let pixels = (0..shape.iter().product()).map(|i: usize| (i * 7919 % 1009) as f32 / 504.5 - 1.0);
        Ok(Training {
            vit,
            shape,
            pixels: pixels.collect(),
            labels: (0..spec.batch).map(|i| (i * 31 % c.classes) as u32).collect(),
            weights: vec![1.0 / spec.batch as f32; spec.batch],
            state: State::new(Params::init(layout, 1), spec.adamw),
        })
    }

    fn gradient(&mut self) -> Result<f64> {
        let State { params, grads, pool, .. } = &mut self.state;
        let mut tape = Tape::new(params, pool, true);
        let images = tape.input(&self.shape, self.pixels.clone())?;
        let loss = self.vit.loss(&mut tape, images, &self.labels, &self.weights)?;
        tape.backward(loss.total, grads)?;
        Ok(loss.weighted_nll)
    }
}

impl Work for Training {
    fn step(&mut self) -> Result<Option<f64>> {
        let loss = self.gradient()?;
        self.state.update();
        Ok(Some(loss))
    }

    fn parameters(&self) -> usize {
        self.state.params.layout.parameters()
    }
}
