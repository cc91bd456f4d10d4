//! The `optimizer` table of a recipe: its fields with their defaults for each rule, and what they mean to `regimen_optim`.

use regimen_optim::muon::Scale;
use regimen_optim::{Kind, Rule, adafactor, adamw, lion, muon};
use regimen_recipe::{Field, Problem, Ty};
use serde::Deserialize;
use serde_json::{Map, Value};

const ANY: Ty = Ty::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY };

/// The fields. Those that came after AdamW was not alone any more stay out of the key while they have their defaults.
pub(crate) const FIELDS: &[Field] = &[
    Field::new(
        "kind",
        Ty::OneOf(&Kind::NAMES),
        "\"adamw\"",
        "AdamW (Loshchilov and Hutter 2019), Muon for hidden matrices with AdamW for the rest (Jordan 2024), Lion (Chen 2023), or Adafactor (Shazeer and Stern 2018).",
    )
    .later(),
    Field::by(
        "lr",
        ANY,
        "0.003",
        "kind",
        &[("lion", "0.0003"), ("adafactor", "0.01")],
        "Peak learning rate; with adafactor's relative steps the greatest share of its size by which a parameter moves.",
    ),
    Field::new(
        "beta1",
        Ty::FRACTION,
        "0.9",
        "Decay of the mean of gradients (adamw, muon's rest); weight of the momentum in a step (lion).",
    ),
    Field::by(
        "beta2",
        Ty::FRACTION,
        "0.95",
        "kind",
        &[("lion", "0.99")],
        "Decay of the mean of squared gradients (adamw, muon's rest) or of the momentum (lion).",
    ),
    Field::by(
        "eps",
        ANY,
        "1e-8",
        "kind",
        &[("adafactor", "1e-30")],
        "Added to the denominator (adamw, muon's rest) or to squared gradients (adafactor).",
    ),
    Field::by(
        "weight_decay",
        Ty::NON_NEGATIVE,
        "0.1",
        "kind",
        &[("lion", "1.0"), ("adafactor", "0.0")],
        "Decoupled decay, on matrices only.",
    ),
    Field::new("momentum", Ty::FRACTION, "0.95", "Muon: decay of the momentum.").later(),
    Field::new("nesterov", Ty::Bool, "true", "Muon: whether a step looks ahead along the momentum.").later(),
    Field::new(
        "iterations",
        Ty::Int { min: 1, max: 99 },
        "5",
        "Muon: Newton-Schulz steps that make the momentum orthogonal.",
    )
    .later(),
    Field::new(
        "scale",
        Ty::OneOf(&["match_rms_adamw", "original"]),
        "\"match_rms_adamw\"",
        "Muon: updates as large as AdamW's (Moonlight, Liu 2025), so that one rate serves both, or sqrt(max(1, rows / columns)) as in the original.",
    )
    .later(),
    Field::new(
        "rest_rate",
        ANY,
        "1.0",
        "Muon: rate of embeddings, head, norms and biases as a share of `lr`; with `scale = \"original\"` the original has lr 0.02 and a share of 0.015.",
    )
    .later(),
    Field::new(
        "beta2_decay",
        ANY,
        "0.8",
        "Adafactor: at step t the mean of squared gradients decays with 1 - t^-this.",
    )
    .later(),
    Field::new("update_clip", ANY, "1.0", "Adafactor: greatest root mean square of an update before the rate.")
        .later(),
    Field::new(
        "relative_step",
        Ty::Bool,
        "true",
        "Adafactor: steps are relative to each parameter's root mean square, at most 1 / sqrt(t); otherwise `lr` is the step.",
    )
    .later(),
    Field::new("least_size", ANY, "0.001", "Adafactor: the size a parameter has at least, for relative steps.")
        .later(),
];

/// Which rules a field is for; what is not named is for all of them.
const OF: &[(&[Kind], &[&str])] = &[
    (&[Kind::AdamW, Kind::Muon, Kind::Lion], &["beta1", "beta2"]),
    (&[Kind::AdamW, Kind::Muon, Kind::Adafactor], &["eps"]),
    (&[Kind::Muon], &["momentum", "nesterov", "iterations", "scale", "rest_rate"]),
    (&[Kind::Adafactor], &["beta2_decay", "update_clip", "relative_step", "least_size"]),
];

/// The table as typed values.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "every field is described once, in `FIELDS`")]
pub struct Optimizer {
    pub kind: Kind,
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub momentum: f64,
    pub nesterov: bool,
    pub iterations: u32,
    pub scale: Scale,
    pub rest_rate: f64,
    pub beta2_decay: f64,
    pub update_clip: f64,
    pub relative_step: bool,
    pub least_size: f64,
}

/// What a manifest leaves out, because it has its default.
impl Default for Optimizer {
    fn default() -> Optimizer {
        Optimizer {
            kind: Kind::AdamW,
            lr: 0.003,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            momentum: 0.95,
            nesterov: true,
            iterations: 5,
            scale: Scale::MatchRmsAdamw,
            rest_rate: 1.0,
            beta2_decay: 0.8,
            update_clip: 1.0,
            relative_step: true,
            least_size: 1e-3,
        }
    }
}

impl Optimizer {
    /// The update rule with its constants.
    pub fn rule(&self) -> Rule {
        let Optimizer { beta1, beta2, eps, weight_decay, .. } = *self;
        let adamw = adamw::Hyper { beta1, beta2, eps, weight_decay };
        match self.kind {
            Kind::AdamW => Rule::AdamW(adamw),
            Kind::Muon => Rule::Muon(muon::Hyper {
                momentum: self.momentum,
                nesterov: self.nesterov,
                iterations: self.iterations,
                scale: self.scale,
                rest: adamw,
                rest_rate: self.rest_rate,
            }),
            Kind::Lion => Rule::Lion(lion::Hyper { beta1, beta2, weight_decay }),
            Kind::Adafactor => Rule::Adafactor(adafactor::Hyper {
                beta2_decay: self.beta2_decay,
                eps,
                clip: self.update_clip,
                relative: self.relative_step,
                least: self.least_size,
                weight_decay,
            }),
        }
    }

    /// Refuses what would have no effect or no meaning. `table` is the normalised table.
    pub(crate) fn check(&self, table: &Map<String, Value>) -> Result<(), Problem> {
        for (kinds, names) in OF.iter().filter(|(kinds, _)| !kinds.contains(&self.kind)) {
            for field in FIELDS.iter().filter(|field| names.contains(&field.name)) {
                let default =
                    field.default.json(table).and_then(|text| serde_json::from_str::<Value>(text).ok());
                if default.as_ref() != table.get(field.name) {
                    let words: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                    return Err(Problem {
                        path: format!("optimizer.{}", field.name),
                        message: format!("{} takes no `{}`", self.kind, field.name),
                        hint: Some(format!(
                            "leave it out, or set `optimizer.kind` to {}",
                            words.join(" or ")
                        )),
                    });
                }
            }
        }
        let below_one = [("beta1", self.beta1), ("beta2", self.beta2), ("momentum", self.momentum)];
        match below_one.into_iter().find(|(_, beta)| *beta >= 1.0) {
            Some((name, _)) => Err(Problem {
                path: format!("optimizer.{name}"),
                message: "it must be below 1, or nothing new is learned".into(),
                hint: Some("0.9 to 0.99 are usual".into()),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as the fields' defaults fill it in.
    fn defaults(kind: Kind) -> Map<String, Value> {
        let mut table = Map::from_iter([("kind".to_string(), kind.name().into())]);
        for field in &FIELDS[1..] {
            let value = serde_json::from_str(field.default.json(&table).unwrap()).unwrap();
            table.insert(field.name.into(), value);
        }
        table
    }

    fn optimizer(table: &Map<String, Value>) -> Optimizer {
        Optimizer::deserialize(Value::Object(table.clone())).unwrap()
    }

    #[test]
    fn defaults_are_those_of_the_fields_and_pass() {
        assert_eq!(optimizer(&defaults(Kind::AdamW)), Optimizer::default());
        for kind in [Kind::AdamW, Kind::Muon, Kind::Lion, Kind::Adafactor] {
            let table = defaults(kind);
            let optimizer = optimizer(&table);
            optimizer.check(&table).unwrap();
            assert_eq!(optimizer.rule().kind(), kind);
        }
        assert_eq!(optimizer(&defaults(Kind::Lion)).lr, 3e-4);
        assert_eq!(optimizer(&defaults(Kind::Adafactor)).eps, 1e-30);
    }

    #[test]
    fn what_is_for_another_rule_is_refused() {
        let cases = [
            (Kind::AdamW, "momentum", 0.9, "muon"),
            (Kind::Muon, "beta2_decay", 0.7, "adafactor"),
            (Kind::Lion, "eps", 1e-6, "adamw or muon or adafactor"),
            (Kind::Adafactor, "beta1", 0.5, "adamw or muon or lion"),
        ];
        for (kind, name, value, words) in cases {
            let mut table = defaults(kind);
            table.insert(name.into(), value.into());
            let problem = optimizer(&table).check(&table).unwrap_err();
            assert_eq!(problem.path, format!("optimizer.{name}"));
            assert_eq!(problem.message, format!("{kind} takes no `{name}`"));
            assert!(problem.hint.unwrap().ends_with(words), "{name}");
        }
        let mut table = defaults(Kind::Muon);
        table.insert("momentum".into(), 1.0.into());
        assert_eq!(optimizer(&table).check(&table).unwrap_err().path, "optimizer.momentum");
    }
}
