//! The update rules there are, by name.

use regimen_kernels::muon_work;
use serde::{Deserialize, Serialize};

use crate::{Group, Optimizer, adafactor, adamw, lion, muon};

/// The name of an update rule, as recipes and files write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// [`adamw`].
    #[default]
    AdamW,
    /// [`muon`].
    Muon,
    /// [`lion`].
    Lion,
    /// [`adafactor`].
    Adafactor,
}

impl Kind {
    /// The name of each rule.
    pub const NAMES: [&str; 4] = ["adamw", "muon", "lion", "adafactor"];

    /// Its name.
    pub fn name(self) -> &'static str {
        Kind::NAMES[self as usize]
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// An update rule with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Adam with decoupled weight decay.
    AdamW(adamw::Hyper),
    /// Orthogonal momentum for hidden matrices, AdamW for the rest.
    Muon(muon::Hyper),
    /// The sign of a momentum.
    Lion(lion::Hyper),
    /// A factored second moment.
    Adafactor(adafactor::Hyper),
}

impl From<adamw::Hyper> for Rule {
    fn from(hyper: adamw::Hyper) -> Rule {
        Rule::AdamW(hyper)
    }
}

impl Rule {
    /// Its name.
    pub fn kind(&self) -> Kind {
        match self {
            Rule::AdamW(_) => Kind::AdamW,
            Rule::Muon(_) => Kind::Muon,
            Rule::Lion(_) => Kind::Lion,
            Rule::Adafactor(_) => Kind::Adafactor,
        }
    }

    /// A fresh optimizer for the groups of an arena of `length` floats. Floats outside every group are never touched.
    ///
    /// # Panics
    /// If a group reaches beyond `length`, differs from its shape, or overlaps another.
    pub fn build(&self, groups: &[Group], length: usize) -> Box<dyn Optimizer> {
        match *self {
            Rule::AdamW(hyper) => Box::new(adamw::AdamW::new(hyper, groups, length)),
            Rule::Muon(hyper) => Box::new(muon::Muon::new(hyper, groups, length)),
            Rule::Lion(hyper) => Box::new(lion::Lion::new(hyper, groups, length)),
            Rule::Adafactor(hyper) => Box::new(adafactor::Adafactor::new(hyper, groups, length)),
        }
    }
}

/// How large an optimizer gets, in floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// What it remembers from step to step, and what a checkpoint holds.
    pub state: usize,
    /// What a step works with besides.
    pub work: usize,
}

impl Kind {
    /// The size of an optimizer of `parameters` numbers, of which `hidden` are the matrices of hidden layers and `other`
    /// the remaining ones: rows and columns of each. Padding is not counted.
    pub fn size(self, parameters: usize, hidden: &[(usize, usize)], other: &[(usize, usize)]) -> Size {
        let area = |of: &[(usize, usize)]| of.iter().map(|(rows, cols)| rows * cols).sum::<usize>();
        let edges = |of: &[(usize, usize)]| of.iter().map(|(rows, cols)| rows + cols).sum::<usize>();
        let work = hidden.iter().map(|&(rows, cols)| muon_work(rows, cols)).max().unwrap_or(0);
        match self {
            Kind::AdamW => Size { state: 2 * parameters, work: 0 },
            Kind::Lion => Size { state: parameters, work: 0 },
            Kind::Muon => Size { state: 2 * parameters - area(hidden), work },
            Kind::Adafactor => {
                let vectors = parameters - area(hidden) - area(other);
                Size { state: edges(hidden) + edges(other) + vectors, work: 0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde() {
        for (kind, name) in
            [Kind::AdamW, Kind::Muon, Kind::Lion, Kind::Adafactor].into_iter().zip(Kind::NAMES)
        {
            assert_eq!(kind.to_string(), name);
            let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
                serde::de::IntoDeserializer::into_deserializer(name);
            assert_eq!(Kind::deserialize(text).unwrap(), kind);
        }
    }

    #[test]
    fn sizes_add_up() {
        let (hidden, other) = ([(5, 7), (3, 11)], [(7, 3)]);
        let parameters = 35 + 33 + 21 + 14;
        let state = |kind: Kind| kind.size(parameters, &hidden, &other).state;
        assert_eq!(state(Kind::AdamW), 2 * 103);
        assert_eq!(state(Kind::Lion), 103);
        assert_eq!(state(Kind::Muon), 103 + 21 + 14);
        assert_eq!(state(Kind::Adafactor), 12 + 14 + 10 + 14);
        assert_eq!(Kind::Muon.size(parameters, &hidden, &other).work, muon_work(5, 7));
    }
}
