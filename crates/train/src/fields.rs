//! The `pretrain` stage as recipes see it: inputs, fields, defaults, descriptions.

use regimen_recipe::{Field, Input, Problem, StageKind, Ty};
use serde_json::Value;

use crate::config::Pretrain;
use crate::{forecast, optimizer, pretrain};

const ANY: Ty = Ty::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY };
/// Bounds that keep every product of sizes far from overflow; memory gives out long before.
const LAYERS: Ty = Ty::Int { min: 1, max: 4096 };
const HEADS: Ty = Ty::Int { min: 1, max: 65_536 };
const WIDTH: Ty = Ty::Int { min: 1, max: 1 << 20 };
const DERIVED: Ty = Ty::Int { min: 0, max: 1 << 22 };
const ROWS: Ty = Ty::Int { min: 1, max: 1 << 20 };

const MODEL: &[Field] = &[
    Field::required("layers", LAYERS, "Transformer blocks."),
    Field::required("width", WIDTH, "Width of the residual stream."),
    Field::required("heads", HEADS, "Query heads."),
    Field::new(
        "kv_heads",
        DERIVED,
        "0",
        "Key and value heads (grouped-query attention, Ainslie 2023); 0 = as many as heads.",
    ),
    Field::new("head_dim", DERIVED, "0", "Width of a head; 0 = width / heads."),
    Field::new(
        "ff",
        DERIVED,
        "0",
        "Width of the feed-forward layer; 0 = 8/3 x width rounded up to 32 for swiglu, 4 x width for gelu.",
    ),
    Field::required("context", ROWS, "Tokens in a training sequence and the most the model attends to."),
    Field::new(
        "norm",
        Ty::OneOf(&["rms", "layer"]),
        "\"rms\"",
        "RMSNorm (Zhang 2019) or LayerNorm (Ba 2016), before each sub-layer.",
    ),
    Field::new("norm_eps", ANY, "1e-5", "Added to the variance."),
    Field::new(
        "positions",
        Ty::OneOf(&["rope", "learned"]),
        "\"rope\"",
        "Rotary (Su 2021) or learned absolute positions, counted from the start of each document.",
    ),
    Field::new(
        "rope_base",
        Ty::Float { min: 1.0, max: f64::INFINITY },
        "10000.0",
        "Base of the rotary frequencies.",
    ),
    Field::new(
        "mlp",
        Ty::OneOf(&["swiglu", "gelu"]),
        "\"swiglu\"",
        "Feed-forward layer: SwiGLU (Shazeer 2020) or GELU (tanh form).",
    ),
    Field::new("bias", Ty::Bool, "false", "Biases on the linear layers."),
    Field::new("tied", Ty::Bool, "true", "One matrix for embedding and output head."),
    Field::new(
        "init_std",
        ANY,
        "0.02",
        "Standard deviation of initial weights; residual outputs are divided by sqrt(2 x layers) (GPT-2).",
    ),
];

const SCHEDULE: &[Field] = &[
    Field::new(
        "shape",
        Ty::OneOf(&["cosine", "wsd", "constant"]),
        "\"cosine\"",
        "After the warm-up: cosine, or flat with a linear decay at the end (WSD), or flat.",
    ),
    Field::new(
        "warmup",
        Ty::Maybe(&Ty::COUNT),
        "null",
        "Steps of linear warm-up; by default a tenth of the steps, at most 50.",
    ),
    Field::new("min_ratio", Ty::FRACTION, "0.1", "Last learning rate as a share of the peak."),
    Field::new("decay", Ty::FRACTION, "0.2", "Share of the steps over which WSD decays."),
];

const GUARD: &[Field] = &[
    Field::new(
        "spike",
        Ty::NON_NEGATIVE,
        "0.0",
        "Skip a step whose gradient norm is above this many times the recent median; 0 = never. Steps that are not finite are always skipped.",
    ),
    Field::new("patience", Ty::POSITIVE, "20", "Stop with an error after this many skipped steps in a row."),
];

const VALIDATION: &[Field] = &[
    Field::new("every", Ty::COUNT, "100", "Steps between validations; 0 = only at the end.").unkeyed(),
    Field::new("documents", Ty::COUNT, "64", "Validation documents, evenly spread; 0 = all.").unkeyed(),
];

const CHECKPOINT: &[Field] = &[
    Field::new("every", Ty::COUNT, "100", "Steps between checkpoints; 0 = only when interrupted.").unkeyed(),
    Field::new("keep", Ty::POSITIVE, "1", "Checkpoints kept while the stage runs.").unkeyed(),
    Field::new(
        "keep_best",
        Ty::Bool,
        "false",
        "Also keep the weights with the best validation, in `best/` of the artifact.",
    )
    .unkeyed(),
];

const SAMPLES: &[Field] = &[
    Field::new("every", Ty::COUNT, "0", "Steps between samples; 0 = none.").unkeyed(),
    Field::new("prompts", Ty::List(&Ty::Str), "[\"\"]", "What the samples continue.").unkeyed(),
    Field::new("max_tokens", Ty::POSITIVE, "48", "Tokens in a sample.").unkeyed(),
    Field::new("temperature", Ty::NON_NEGATIVE, "0.7", "Temperature of the samples; 0 = greedy.").unkeyed(),
];

const FIELDS: &[Field] = &[
    Field::required("model", Ty::Table(MODEL), "The decoder."),
    Field::required("steps", Ty::Int { min: 1, max: 1 << 40 }, "Optimizer steps."),
    Field::new("batch", ROWS, "16", "Sequences in a step."),
    Field::new(
        "micro_batch",
        DERIVED,
        "0",
        "Sequences in one forward and backward pass; gradients are accumulated. 0 = the whole batch.",
    ),
    Field::new(
        "recompute",
        Ty::OneOf(&["none", "blocks"]),
        "\"none\"",
        "What the backward pass computes again instead of keeping it: nothing, or the inside of every block (gradient \
         checkpointing, Chen 2016), for about one more forward pass. Changes no bit of the result.",
    )
    .unkeyed(),
    Field::new("optimizer", Ty::Table(optimizer::FIELDS), "{}", "The update rule."),
    Field::new("schedule", Ty::Table(SCHEDULE), "{}", "The learning rate over time."),
    Field::new(
        "clip",
        Ty::NON_NEGATIVE,
        "1.0",
        "Greatest gradient norm; longer gradients are shortened to it. 0 = off.",
    ),
    Field::new("z_loss", Ty::NON_NEGATIVE, "0.0", "Weight of the squared log-partition (PaLM 2022: 1e-4)."),
    Field::new("guard", Ty::Table(GUARD), "{}", "When a step is skipped."),
    Field::new(
        "withheld",
        Ty::List(&Ty::Str),
        "[]",
        "Documents to train without, by key or `source:id`; their tokens keep their slots, masked.",
    ),
    Field::new(
        "with_duplicates",
        Ty::Bool,
        "false",
        "Withholding a dropped duplicate withholds the copy that stayed.",
    ),
    Field::new("validation", Ty::Table(VALIDATION), "{}", "Validation during training.").unkeyed(),
    Field::new("checkpoint", Ty::Table(CHECKPOINT), "{}", "Checkpoints during training.").unkeyed(),
    Field::new("samples", Ty::Table(SAMPLES), "{}", "Texts written during training.").unkeyed(),
    Field::new("device", Ty::Str, "\"cpu\"", "Where to compute: `cpu`.").unkeyed(),
];

/// The stage that trains a decoder from scratch, from another model's weights, or on from a finished run.
pub static PRETRAIN: StageKind = StageKind {
    kind: "pretrain",
    version: 4,
    about: "Train a decoder language model on token shards.",
    seeded: true,
    shared: true,
    inputs: &[
        Input { name: "tokens", accepts: &["tokens"], required: true, doc: "What to train on." },
        Input {
            name: "init",
            accepts: &["pretrain", "import"],
            required: false,
            doc: "Start from this model's weights, with a fresh optimizer.",
        },
        Input {
            name: "extend",
            accepts: &["pretrain"],
            required: false,
            doc: "Go on from the end of this run: weights, optimizer, data order and step count.",
        },
    ],
    fields: FIELDS,
    check,
    forecast: forecast::pretrain,
    run: pretrain::run,
};

fn check(table: &Value) -> Result<(), Problem> {
    let problem = |path: &str, message: String, hint: &str| {
        Err(Problem { path: path.into(), message, hint: Some(hint.into()) })
    };
    let config: Pretrain = match serde::Deserialize::deserialize(table) {
        Ok(config) => config,
        Err(error) => {
            return problem("model", error.to_string(), "this is a fault of the program; please report it");
        }
    };
    if let Err(error) = regimen_tensor::Device::parse(&config.device) {
        return problem("device", error.to_string(), "leave it out, or write `device = \"cpu\"`");
    }
    if config.model.head_dim == 0 && !config.model.width.is_multiple_of(config.model.heads) {
        let message = format!("{} heads do not divide a width of {}", config.model.heads, config.model.width);
        return problem("model.heads", message, "choose heads that divide the width, or give `head_dim`");
    }
    if let Err(error) = config.model.decoder(2).validate() {
        let hint = regimen_base::Hint::hint(&error).unwrap_or_default();
        return problem("model", error.to_string(), &hint);
    }
    if let Some(warmup) = config.schedule.warmup.filter(|&w| w > 0 && w >= config.steps) {
        let message = format!("warm-up of {warmup} steps in a run of {}", config.steps);
        return problem("schedule.warmup", message, "make the warm-up shorter than the run");
    }
    match table["optimizer"].as_object() {
        Some(table) => config.optimizer.check(table),
        None => Ok(()),
    }
}
