//! Steps that would harm the model are skipped, and said so.

use crate::support::{config, records, train, world};
use regimen_base::events::Event;
use regimen_base::group::part;
use regimen_models::DecoderConfig;
use regimen_optim::Hyper;
use regimen_tokens::Block;
use regimen_train::guard::Reason;
use regimen_train::{Error, Guard, Trainer};

const HYPER: Hyper = Hyper { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };

fn block(rows: usize, time: usize, vocab: u32) -> Block {
    let size = rows * time;
    Block {
        rows,
        time,
        inputs: (0..size as u32).map(|i| i * 7 % vocab).collect(),
        targets: (0..size as u32).map(|i| (i * 7 + 3) % vocab).collect(),
        weights: vec![1.0; size],
        starts: vec![0; size],
        count: size,
    }
}

#[test]
fn a_step_that_is_not_finite_moves_nothing() {
    let config = DecoderConfig::llama(32, 8, 1, 16, 2, 32);
    let mut trainer = Trainer::new(&config, HYPER, 1).unwrap();
    let block = block(4, 8, 32);
    trainer.step(&block, 4, 1e-3).unwrap();
    let place = trainer.params.data.len() / 2;
    let kept = trainer.params.data[place];
    trainer.params.data[place] = f32::NAN;
    let before: Vec<u32> = trainer.params.data.iter().map(|x| x.to_bits()).collect();
    let moments = trainer.optimizer.state()[0].data.to_vec();
    let stepped = trainer.step(&block, 4, 1e-3).unwrap();
    assert!(matches!(stepped.skipped, Some(Reason::Loss | Reason::Gradient)));
    assert_eq!(before, trainer.params.data.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    assert_eq!((&moments[..], 1), (trainer.optimizer.state()[0].data, trainer.optimizer.steps()));
    trainer.params.data[place] = kept;
    assert!(trainer.step(&block, 4, 1e-3).unwrap().skipped.is_none());
}

#[test]
fn a_spike_is_skipped_in_a_run_of_ordinary_steps() {
    let config = DecoderConfig::llama(32, 8, 1, 16, 2, 32);
    let mut trainer = Trainer::new(&config, HYPER, 1).unwrap();
    trainer.guard = Guard::new(20.0);
    let ordinary = block(4, 8, 32);
    for _ in 0..20 {
        assert!(trainer.step(&ordinary, 4, 1e-5).unwrap().skipped.is_none());
    }
    let saved = trainer.params.data.clone();
    // Weights far out make a gradient far above the usual.
    trainer.params.data.iter_mut().for_each(|x| *x *= 40.0);
    let far = trainer.params.data.clone();
    assert!(matches!(trainer.step(&ordinary, 4, 1e-5).unwrap().skipped, Some(Reason::Spike(_))));
    assert_eq!(far, trainer.params.data);
    trainer.params.data = saved;
    assert!(trainer.step(&ordinary, 4, 1e-5).unwrap().skipped.is_none());
}

#[test]
fn accumulating_equals_one_pass() {
    let config = DecoderConfig::llama(32, 8, 2, 16, 2, 32);
    let mut trainer = Trainer::new(&config, HYPER, 1).unwrap();
    let mut uneven = block(8, 8, 32);
    // Rows with few trained tokens: every token must weigh the same, in whichever pass it stands.
    uneven.weights[..21].fill(0.0);
    uneven.count -= 21;
    let whole_loss = trainer.gradient(&uneven, 8).unwrap();
    let whole = trainer.grads.data.clone();
    let parts_loss = trainer.gradient(&uneven, 2).unwrap();
    let norm = whole.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let off = whole
        .iter()
        .zip(trainer.grads.data.iter())
        .map(|(a, b)| f64::from(a - b).powi(2))
        .sum::<f64>()
        .sqrt();
    assert!(off / norm < 1e-6, "{off} of {norm}");
    assert!((whole_loss - parts_loss).abs() < 1e-6 * whole_loss);
}

#[test]
fn the_parts_of_all_rows_add_up_to_the_whole() {
    let config = DecoderConfig::llama(32, 8, 2, 16, 2, 32);
    let mut trainer = Trainer::new(&config, HYPER, 1).unwrap();
    let mut uneven = block(7, 8, 32);
    uneven.weights[..21].fill(0.0);
    uneven.count -= 21;
    let whole_loss = trainer.gradient(&uneven, 7).unwrap();
    let whole = trainer.grads.data.clone();
    let before = trainer.params.data.clone();
    let (mut loss, mut sum) = (0.0, vec![0.0f64; whole.len()]);
    for rank in 0..3 {
        // What happens when the others cannot be heard: nothing is updated.
        let lost = regimen_base::group::Error::Lost { rank: 1 };
        let failed = trainer.step_rows(&uneven, part(7, rank, 3), 2, 1e-3, |found, grads| {
            loss += found?;
            sum.iter_mut().zip(grads).for_each(|(s, g)| *s += f64::from(*g));
            Err(lost.into())
        });
        assert!(matches!(failed, Err(Error::Group(_))));
    }
    assert_eq!((&before, 0), (&trainer.params.data, trainer.optimizer.steps()));
    let norm = whole.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let off = whole.iter().zip(&sum).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt();
    assert!(off / norm < 1e-6, "{off} of {norm}");
    assert!((whole_loss - loss).abs() < 1e-6 * whole_loss);
}

#[test]
fn a_run_that_diverges_stops_and_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    let settings = config(40, "optimizer = { lr = 1e30 }\nclip = 0.0\nguard = { patience = 3 }");
    let failure = train(dir.path(), &tokens, &settings).unwrap_err();
    let error: &Error = failure.downcast_ref().unwrap();
    assert!(matches!(error, Error::Diverged { skipped: 3, .. }), "{failure}");
    assert!(failure.hint().unwrap().contains("optimizer.lr"));
}

#[test]
fn a_skipped_step_is_in_the_log_and_in_the_summary() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 30, |_, text| text).tokens;
    // With a threshold this low, ordinary variation counts as a spike once the guard has seen enough.
    let settings = config(60, "guard = { spike = 0.9, patience = 60 }");
    let model = train(dir.path(), &tokens, &settings).unwrap();
    let skipped = model.manifest.summary["skipped_steps"].as_u64().unwrap();
    assert!(skipped > 0);
    let warned = records(dir.path(), &model)
        .into_iter()
        .filter(|r| matches!(&r.event, Event::Note { level, text, .. } if level == "warning" && text.contains("updated nothing")))
        .count();
    assert_eq!(warned as u64, skipped);
}

#[test]
fn a_block_without_tokens_moves_and_teaches_nothing() {
    let config = DecoderConfig::llama(32, 8, 1, 16, 2, 32);
    let mut trainer = Trainer::new(&config, HYPER, 1).unwrap();
    let mut empty = block(4, 8, 32);
    empty.weights.fill(0.0);
    empty.count = 0;
    let (before, guard) = (trainer.params.data.clone(), trainer.guard.clone());
    let stepped = trainer.step(&empty, 4, 1e-3).unwrap();
    assert!(stepped.loss.is_nan() && stepped.tokens == 0);
    assert_eq!(
        (before, guard, 0),
        (trainer.params.data.clone(), trainer.guard.clone(), trainer.optimizer.steps())
    );
}
