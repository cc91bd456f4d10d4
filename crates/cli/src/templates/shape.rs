//! How large a model is good for so much text and so much time.
//!
//! Two findings decide. For a given amount of computing a model learns most when it sees about 20 tokens for each of its
//! parameters (Hoffmann et al. 2022, "Training compute-optimal large language models"); the embedding is left out of the
//! count here, for in models this small it would be most of it. And text that is read again teaches less each time,
//! nothing to speak of after some 16 times (Muennighoff et al. 2023, "Scaling data-constrained language models").

/// Tokens for each parameter outside the embedding.
const PER_PARAMETER: f64 = 20.0;
/// How often the text is read at most.
const PASSES: f64 = 16.0;
/// Fewer steps are no training.
const LEAST_STEPS: u64 = 20;
/// Sequences in a step.
pub const BATCH: u64 = 16;

/// The shape of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Blocks.
    pub layers: u64,
    /// Width of the stream.
    pub width: u64,
    /// Heads.
    pub heads: u64,
    /// Tokens that it looks back at.
    pub context: u64,
}

const fn shape(layers: u64, width: u64, heads: u64, context: u64) -> Shape {
    Shape { layers, width, heads, context }
}

/// For a look at the whole in seconds.
pub const TINY: Shape = shape(2, 64, 2, 64);
/// About a minute or two on two cores.
pub const SMALL: Shape = shape(4, 192, 4, 128);
/// For an evening.
pub const MEDIUM: Shape = shape(6, 384, 6, 256);

/// Shapes from the smallest on, each with about three times the work of the one before.
const LADDER: [Shape; 7] = [
    TINY,
    shape(3, 96, 3, 128),
    shape(4, 128, 4, 128),
    SMALL,
    shape(6, 256, 4, 256),
    MEDIUM,
    shape(8, 512, 8, 256),
];

impl Shape {
    /// Parameters outside the embedding: 4 squares of the width for attention and 8 for the feed-forward layer, a block.
    pub fn parameters(self) -> f64 {
        (12 * self.layers * self.width * self.width) as f64
    }

    /// Tokens of a step.
    pub fn tokens(self) -> f64 {
        (BATCH * self.context) as f64
    }

    /// Peak learning rate for AdamW: narrower models bear greater steps.
    pub fn rate(self) -> f64 {
        match self.width {
            0..=96 => 0.006,
            97..=192 => 0.004,
            193..=256 => 0.003,
            _ => 0.002,
        }
    }
}

/// A shape and its steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The shape.
    pub shape: Shape,
    /// Steps to train.
    pub steps: u64,
}

/// The largest shape that gets its tokens in `seconds` out of `tokens` of text, and its steps; the smallest shape if none
/// does. `pace` gives the seconds of a step.
pub fn fitting<E>(
    tokens: f64,
    seconds: f64,
    pace: &mut dyn FnMut(Shape) -> Result<f64, E>,
) -> Result<Fit, E> {
    let mut best: Option<Fit> = None;
    for shape in LADDER {
        // Measuring takes time as well: nothing is measured for which there is too little text.
        if best.is_some() && PASSES * tokens < PER_PARAMETER * shape.parameters() {
            break;
        }
        let steps = steps(shape, tokens, seconds, pace(shape)?);
        let enough = steps as f64 * shape.tokens() >= PER_PARAMETER * shape.parameters();
        if best.is_some() && !enough {
            break;
        }
        best = Some(Fit { shape, steps });
        if !enough {
            break;
        }
    }
    Ok(best.unwrap_or(Fit { shape: TINY, steps: LEAST_STEPS }))
}

/// Steps of a shape that fit into the time and do not read the text too often; two digits of them.
pub fn steps(shape: Shape, tokens: f64, seconds: f64, pace: f64) -> u64 {
    let most = (seconds / pace).min(PASSES * tokens / shape.tokens()).min(1e9);
    let steps = (most as u64).max(LEAST_STEPS);
    let unit = 10u64.pow(steps.ilog10().saturating_sub(1));
    steps / unit * unit
}

/// Ids of a tokenizer for so many bytes of text: a larger vocabulary makes shorter sequences, but each id has to occur
/// often enough to be learned.
pub fn vocabulary(bytes: f64) -> u64 {
    match bytes {
        b if b < 1e5 => 512,
        b if b < 1e6 => 1024,
        b if b < 8e6 => 2048,
        b if b < 64e6 => 4096,
        b if b < 1e9 => 8192,
        _ => 16384,
    }
}

/// About how many bytes of English a token of such a vocabulary stands for, as measured on the documents in `data/`.
pub fn bytes_per_token(vocab: u64) -> f64 {
    1.9 + 0.5 * (vocab.max(512) as f64 / 512.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that computes so many floating-point operations a second.
    fn machine(speed: f64) -> impl FnMut(Shape) -> Result<f64, ()> {
        move |shape| Ok(6.0 * (shape.parameters() + 2048.0 * shape.width as f64) * shape.tokens() / speed)
    }

    fn fit(tokens: f64, seconds: f64, speed: f64) -> Fit {
        fitting(tokens, seconds, &mut machine(speed)).unwrap()
    }

    #[test]
    fn more_time_or_a_faster_machine_makes_a_larger_model() {
        let plenty = 1e9;
        let sizes: Vec<f64> =
            [10.0, 60.0, 600.0, 6000.0].iter().map(|s| fit(plenty, *s, 1e11).shape.parameters()).collect();
        assert!(sizes.windows(2).all(|pair| pair[0] <= pair[1]) && sizes[0] < sizes[3], "{sizes:?}");
        assert!(fit(plenty, 60.0, 1e12).shape.parameters() > fit(plenty, 60.0, 1e10).shape.parameters());
        for seconds in [60.0, 600.0] {
            let found = fit(plenty, seconds, 1e11);
            let took = found.steps as f64 * machine(1e11)(found.shape).unwrap();
            assert!(took <= seconds && took > 0.8 * seconds, "{found:?} takes {took} of {seconds}");
        }
    }

    #[test]
    fn little_text_is_not_read_too_often() {
        let found = fit(10_000.0, 1e5, 1e12);
        assert_eq!(found.shape, TINY);
        assert!(found.steps as f64 * TINY.tokens() <= PASSES * 10_000.0, "{found:?}");
        let more = fit(3e6, 1e5, 1e12);
        assert!(more.steps as f64 * more.shape.tokens() <= PASSES * 3e6, "{more:?}");
        assert!(more.shape.parameters() > TINY.parameters());
    }

    #[test]
    fn a_slow_machine_still_trains() {
        assert_eq!(fit(1e6, 1.0, 1e3), Fit { shape: TINY, steps: LEAST_STEPS });
    }

    #[test]
    fn a_failed_measurement_is_told() {
        assert_eq!(fitting(1e6, 10.0, &mut |_| Err("no memory")), Err("no memory"));
    }

    #[test]
    fn steps_have_two_digits() {
        assert_eq!(steps(TINY, 1e9, 1234.0, 1.0), 1200);
        assert_eq!(steps(TINY, 1e9, 87.0, 1.0), 87);
    }

    #[test]
    fn shapes_are_whole() {
        for shape in LADDER {
            assert_eq!(shape.width % shape.heads, 0, "{shape:?}");
            assert_eq!(shape.width / shape.heads % 2, 0, "rotary positions turn pairs: {shape:?}");
        }
        assert!(LADDER.windows(2).all(|pair| pair[0].parameters() < pair[1].parameters()));
        assert!(vocabulary(1e4) < vocabulary(1e7) && vocabulary(1e7) < vocabulary(1e10));
    }
}
