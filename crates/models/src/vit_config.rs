//! What a vision transformer looks like, and what follows from it by counting.

use serde::{Deserialize, Serialize};

use crate::config::{DecoderConfig, wrong};
use crate::error::Result;

/// How the tokens of an image become one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean of all tokens (Zhai et al., "Scaling vision transformers", 2022).
    #[default]
    Mean,
    /// A learned token before the patches (Dosovitskiy et al. 2021).
    Class,
}

/// A pre-norm encoder over patches with layer norms, biases, exact GELU and learned positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Side of the square image in pixels.
    pub image: usize,
    /// Channels of the image.
    #[serde(default = "channels")]
    pub channels: usize,
    /// Side of a patch in pixels; divides `image`.
    pub patch: usize,
    /// Blocks of attention and feed-forward.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Width inside the feed-forward block.
    pub ff: usize,
    /// Classes.
    pub classes: usize,
    /// How tokens become one vector.
    #[serde(default)]
    pub pooling: Pooling,
    /// Added to the variance before the root.
    #[serde(default = "norm_eps")]
    pub norm_eps: f64,
    /// Standard deviation of initial weights.
    #[serde(default = "init_std")]
    pub init_std: f64,
}

fn channels() -> usize {
    3
}

fn norm_eps() -> f64 {
    1e-6
}

fn init_std() -> f64 {
    0.02
}

impl VitConfig {
    /// A vision transformer for square RGB images with mean pooling and the paper's feed-forward width, `4 * width`.
    pub fn new(
        image: usize,
        patch: usize,
        layers: usize,
        width: usize,
        heads: usize,
        classes: usize,
    ) -> VitConfig {
        VitConfig {
            image,
            channels: channels(),
            patch,
            layers,
            width,
            heads,
            ff: 4 * width,
            classes,
            pooling: Pooling::Mean,
            norm_eps: norm_eps(),
            init_std: init_std(),
        }
    }

    /// Checks that the numbers describe a model.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) with the field and its value.
    pub fn validate(&self) -> Result<()> {
        let positive = [
            ("image", self.image),
            ("channels", self.channels),
            ("patch", self.patch),
            ("classes", self.classes),
            ("width", self.width),
            ("heads", self.heads),
        ];
        for (field, value) in positive {
            if value == 0 {
                return wrong(field, &value, "must be at least 1");
            }
            // Products of three of them stay far below what a usize can count.
            if value > 1 << 20 {
                return wrong(field, &value, "must be at most 2^20");
            }
        }
        if !self.image.is_multiple_of(self.patch) {
            return wrong("patch", &self.patch, format!("does not divide image = {}", self.image));
        }
        if self.patches() >= 1 << 31 {
            let problem = format!("cuts image = {} into 2^31 patches or more", self.image);
            return wrong("patch", &self.patch, problem);
        }
        if !self.width.is_multiple_of(self.heads) {
            return wrong("heads", &self.heads, format!("does not divide width = {}", self.width));
        }
        self.blocks().validate()
    }

    /// Rows, and columns, of patches.
    pub fn grid(&self) -> usize {
        self.image / self.patch
    }

    /// Patches of an image.
    pub fn patches(&self) -> usize {
        self.grid() * self.grid()
    }

    /// Tokens of an image.
    pub fn time(&self) -> usize {
        self.patches() + usize::from(self.pooling == Pooling::Class)
    }

    /// Numbers of a patch.
    pub fn patch_len(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// The decoder that has the same blocks; its vocabulary are the classes.
    pub(crate) fn blocks(&self) -> DecoderConfig {
        DecoderConfig {
            norm_eps: self.norm_eps,
            init_std: self.init_std,
            tied: false,
            ..DecoderConfig::gpt2(self.classes, self.time(), self.layers, self.width, self.heads, self.ff)
        }
    }

    /// Trainable numbers.
    pub fn parameters(&self) -> usize {
        let c = self.blocks();
        // A decoder has an embedding where a vision transformer has the projection of patches with its bias, and a
        // position for every token: that of the class token is the class token.
        c.parameters() - self.classes * self.width + (self.patch_len() + 1) * self.width
    }

    /// Floating-point operations of forward and backward for one image, counted as in
    /// [`DecoderConfig::flops_per_token`].
    pub fn flops_per_image(&self) -> f64 {
        let (c, time) = (self.blocks(), self.time());
        let outside = self.classes * self.width;
        let blocks = c.flops_per_token(time) - 6.0 * outside as f64;
        time as f64 * blocks + 6.0 * (outside + self.patches() * self.patch_len() * self.width) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_field_and_its_value() {
        let good = VitConfig::new(48, 4, 2, 24, 4, 10);
        good.validate().unwrap();
        let check = |change: &dyn Fn(&mut VitConfig), expected: &str| {
            let mut config = good.clone();
            change(&mut config);
            assert_eq!(config.validate().unwrap_err().to_string(), expected);
        };
        check(&|c| c.patch = 0, "model: patch = 0: must be at least 1");
        check(&|c| c.patch = 5, "model: patch = 5: does not divide image = 48");
        check(&|c| c.heads = 5, "model: heads = 5: does not divide width = 24");
        check(&|c| c.layers = 0, "model: layers = 0: must be at least 1");
        check(&|c| c.image = 1 << 21, "model: image = 2097152: must be at most 2^20");
        check(
            &|c| (c.image, c.patch) = (1 << 20, 1),
            "model: patch = 1: cuts image = 1048576 into 2^31 patches or more",
        );
        check(&|c| c.norm_eps = -1.0, "model: norm_eps = -1: must be a positive number");
    }

    #[test]
    fn omitted_fields_are_filled() {
        let text =
            r#"{"image": 48, "patch": 4, "layers": 6, "width": 192, "heads": 3, "ff": 768, "classes": 100}"#;
        let config: VitConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config, VitConfig::new(48, 4, 6, 192, 3, 100));
        assert!(serde_json::from_str::<VitConfig>(&text.replace("ff", "fff")).is_err());
    }

    #[test]
    fn counts_match_the_measured_model() {
        // The vision transformer of the engine benchmark: 165.5 GFLOP a step of 64 images without projection and head.
        let config = VitConfig::new(48, 4, 6, 192, 3, 100);
        assert_eq!((config.grid(), config.time(), config.patch_len()), (12, 144, 48));
        let around = 6.0 * f64::from(100 * 192 + 144 * 48 * 192) * 64.0;
        let step = config.flops_per_image() * 64.0 - around;
        assert!((step / 1e9 - 165.1).abs() < 0.5, "{step}");
    }
}
