//! What can go wrong in training.

use std::path::PathBuf;

use regimen_base::{Hint, fs, group};

/// An error of the training room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// A tensor operation was given shapes that do not fit.
    #[error(transparent)]
    Tensor(#[from] regimen_tensor::Error),
    /// A model could not be built, read or written.
    #[error(transparent)]
    Model(#[from] regimen_models::Error),
    /// Token shards could not be read.
    #[error(transparent)]
    Tokens(#[from] regimen_tokens::Error),
    /// A corpus could not be read.
    #[error(transparent)]
    Corpus(#[from] regimen_corpus::Error),
    /// The processes of a group cannot go on together.
    #[error(transparent)]
    Group(#[from] group::Error),
    /// Another process was lost; there is a checkpoint.
    #[error(
        "process {rank} of {size} was lost after step {step}: the training stopped with a checkpoint of that step"
    )]
    Lost {
        /// Which one, from 0.
        rank: usize,
        /// How many there were.
        size: usize,
        /// The last step that all have done.
        step: u64,
    },
    /// Another process was lost, and no checkpoint could be written.
    #[error(
        "process {rank} of {size} was lost after step {step}, and there is no checkpoint of that step: {error}"
    )]
    LostUnsaved {
        /// Which one, from 0.
        rank: usize,
        /// How many there were.
        size: usize,
        /// The last step that all have done.
        step: u64,
        /// Why there is none.
        error: Box<Error>,
    },
    /// The processes of a group no longer train the same model.
    #[error("after step {step} process {rank} holds other weights than process 0")]
    Apart {
        /// Which one, from 0.
        rank: usize,
        /// The step.
        step: u64,
    },
    /// A field of the config that the data contradicts.
    #[error("`{field}`: {message}")]
    Config {
        /// The field, dotted.
        field: String,
        /// What is wrong, with values.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A checkpoint does not fit what is being trained.
    #[error("checkpoint `{}` {message}", path.display())]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A withheld document that cannot be withheld.
    #[error("cannot withhold document `{id}`: {message}")]
    Withheld {
        /// As the config names it.
        id: String,
        /// Why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// There is not enough memory, before the first step or in the middle.
    #[error("{message}")]
    Memory {
        /// What needs how much, and what there is.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Too many steps in a row gave no finite loss.
    #[error("{skipped} steps in a row were skipped, the last one {step} (loss {loss}, gradient norm {norm})")]
    Diverged {
        /// Steps skipped in a row.
        skipped: u64,
        /// The last of them.
        step: u64,
        /// Its loss in nats per token.
        loss: f64,
        /// Its gradient norm.
        norm: f64,
    },
}

impl Error {
    /// Whether an operation found no memory.
    pub fn out_of_memory(&self) -> bool {
        use regimen_tensor::Error::Memory;
        matches!(
            self,
            Error::Tensor(Memory { .. }) | Error::Model(regimen_models::Error::Tensor(Memory { .. }))
        )
    }
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Error::File(e) => e.hint(),
            Error::Tensor(e) => e.hint(),
            Error::Model(e) => e.hint(),
            Error::Tokens(e) => e.hint(),
            Error::Corpus(e) => e.hint(),
            Error::Group(e) => e.hint(),
            Error::Lost { .. } => Some(
                "run the same command again to go on from there, with as many processes as there are machines left".into(),
            ),
            Error::LostUnsaved { error, .. } => error.hint(),
            Error::Apart { .. } => Some(
                "give all processes the same program and loops: start them with `REGIMEN_ISA` set to what the weakest processor has".into(),
            ),
            Error::Config { hint, .. } | Error::Withheld { hint, .. } | Error::Memory { hint, .. } => Some(hint.clone()),
            Error::Checkpoint { .. } => {
                Some("remove the folder of that unfinished stage under `.regimen/work/` to start it anew".into())
            }
            Error::Diverged { .. } => {
                Some("lower `optimizer.lr`, lengthen `schedule.warmup`, or look at the data of that step with `regimen trace step`".into())
            }
        }
    }
}

/// What the functions of this room give back.
pub type Result<T> = std::result::Result<T, Error>;
