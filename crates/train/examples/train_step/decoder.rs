//! A decoder on one fixed batch.

use regimen_models::{Decoder, DecoderConfig, TokenBlock};
use regimen_optim::{AdamW, Group, Hyper, Optimizer};
use regimen_tensor::{Grads, Params, Pool, Tape};
use serde::Deserialize;

use crate::{Result, Rule, Work};

#[derive(Deserialize)]
pub struct Spec {
    model: DecoderConfig,
    batch: usize,
    adamw: Rule,
}

/// What every training here holds.
pub struct State {
    pub params: Params,
    pub grads: Grads,
    pub pool: Pool,
    optimizer: AdamW,
    rate: f64,
}

impl State {
    pub fn new(params: Params, rule: Rule) -> State {
        let Rule { lr, beta1, beta2, eps, weight_decay } = rule;
        let segments = params.layout.segments.iter();
        let groups: Vec<Group> = segments
            .map(|s| Group {
                name: s.name.clone(),
                range: s.range(),
                shape: s.shape.clone(),
                decay: s.decay,
                hidden: false,
            })
            .collect();
        State {
            grads: Grads::zeros(params.layout.clone()),
            pool: Pool::new(),
            optimizer: AdamW::new(Hyper { beta1, beta2, eps, weight_decay }, &groups, params.data.len()),
            params,
            rate: lr,
        }
    }

    /// One step of the optimizer, which leaves the gradients at zero.
    pub fn update(&mut self) {
        self.optimizer.step(&mut self.params.data, &mut self.grads.data, self.rate, 1.0);
    }
}

pub struct Training {
    decoder: Decoder,
    batch: usize,
    ids: Vec<u32>,
    targets: Vec<u32>,
    starts: Vec<u32>,
    weights: Vec<f32>,
    state: State,
}

impl Training {
    pub fn new(spec: &Spec) -> Result<Training> {
        let (decoder, layout) = Decoder::with_layout(&spec.model)?;
        let rows = spec.batch * spec.model.context;
        let tokens = |factor: usize| (0..rows).map(|i| (i * factor % spec.model.vocab) as u32).collect();
        Ok(Training {
            decoder,
            batch: spec.batch,
            ids: tokens(7919),
            targets: tokens(104_729),
            starts: vec![0; rows],
            weights: vec![1.0 / rows as f32; rows],
            state: State::new(Params::init(layout, 1), spec.adamw),
        })
    }

    /// Loss and gradient, as the trainer computes them.
    fn gradient(&mut self) -> Result<f64> {
        let State { params, grads, pool, .. } = &mut self.state;
        let time = self.decoder.config().context;
        let block = TokenBlock { batch: self.batch, time, ids: &self.ids, starts: &self.starts };
        let (targets, weights) = (&self.targets, &self.weights);
        let loss = self.decoder.loss_backward(
            Tape::new(params, pool, true),
            &block,
            targets,
            weights,
            0.0,
            grads,
        )?;
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
