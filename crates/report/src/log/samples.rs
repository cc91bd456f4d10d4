//! What a model wrote at fixed prompts: of many steps some, evenly spread, with the first and the last.

/// Prompts kept.
const PROMPTS: usize = 20;
/// Samples kept of a prompt; a page shows fewer.
const KEPT: usize = 48;
/// Characters of a text kept.
const LETTERS: usize = 3000;

/// A text that the model wrote.
#[derive(Clone)]
pub(crate) struct Sample {
    /// At which step.
    pub(crate) step: u64,
    /// The continuation, without the prompt, cut where it is very long.
    pub(crate) text: String,
}

/// The texts of one prompt.
pub(crate) struct Prompt {
    /// What had to be continued.
    pub(crate) prompt: String,
    /// How many texts there were.
    pub(crate) count: usize,
    kept: Vec<Sample>,
    every: usize,
    last: Option<Sample>,
}

/// All prompts.
#[derive(Default)]
pub(crate) struct Samples {
    /// In the order in which they came.
    pub(crate) prompts: Vec<Prompt>,
    /// Whether there were more.
    pub(crate) more: bool,
}

impl Prompt {
    /// The kept texts in order of their steps.
    pub(crate) fn samples(&self) -> Vec<&Sample> {
        self.kept.iter().chain(&self.last).collect()
    }

    fn push(&mut self, sample: Sample) {
        // Every so-maniest is kept, and the newest beside them.
        if self.count.is_multiple_of(self.every) {
            self.kept.push(sample);
            self.last = None;
        } else {
            self.last = Some(sample);
        }
        self.count += 1;
        if self.kept.len() > KEPT {
            let mut index = 0;
            let newest = if self.last.is_none() { self.kept.last().cloned() } else { None };
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.every *= 2;
            self.last =
                newest.filter(|s| self.kept.last().is_none_or(|k| k.step != s.step)).or(self.last.take());
        }
    }
}

impl Samples {
    /// Take a text.
    pub(crate) fn push(&mut self, step: u64, prompt: &str, text: &str) {
        // Some write the prompt out again before they go on.
        let text = text.strip_prefix(prompt).filter(|_| !prompt.is_empty()).unwrap_or(text);
        let prompt = shortened(prompt, LETTERS);
        let sample = Sample { step, text: shortened(text, LETTERS) };
        if let Some(known) = self.prompts.iter_mut().find(|known| known.prompt == prompt) {
            known.push(sample);
        } else if self.prompts.len() < PROMPTS {
            self.prompts.push(Prompt { prompt, count: 1, kept: vec![sample], every: 1, last: None });
        } else {
            self.more = true;
        }
    }
}

/// The text, cut behind `most` characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_stay_of_very_many() {
        for many in [1, 48, 49, 50, 1000, 9_999] {
            let mut samples = Samples::default();
            (1..=many).for_each(|step| samples.push(step, "a", "a b"));
            let prompt = &samples.prompts[0];
            let kept = prompt.samples();
            assert!(kept.len() <= KEPT + 1, "{many}");
            assert_eq!((kept[0].step, kept[kept.len() - 1].step), (1, many));
            assert!(kept.windows(2).all(|w| w[0].step < w[1].step), "{many}");
            assert_eq!((prompt.count as u64, kept[0].text.as_str()), (many, " b"));
        }
    }

    #[test]
    fn prompts_and_texts_are_cut() {
        let mut samples = Samples::default();
        (0..30).for_each(|i| samples.push(1, &i.to_string(), &"x".repeat(5000)));
        assert!(samples.more && samples.prompts.len() == PROMPTS);
        assert_eq!(samples.prompts[0].samples()[0].text.chars().count(), LETTERS + 1);
    }
}
