//! The table of a model's parameters: named segments of one flat arena of f32.

use crate::error::{Error, Result};

/// Segments start at multiples of this many floats (64 bytes: a cache line, an AVX-512 register).
pub const ALIGN: usize = 16;

/// How a segment is filled at the start of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Uniform in [-bound, bound).
    Uniform {
        /// Half the width.
        bound: f64,
    },
}

/// One parameter tensor inside the arena.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its name, unique in the layout.
    pub name: String,
    /// First float in the arena, a multiple of [`ALIGN`].
    pub offset: usize,
    /// Number of floats, the product of `shape`.
    pub len: usize,
    /// Its shape; weights are `[out, in]`.
    pub shape: Vec<usize>,
    /// Whether weight decay applies.
    pub decay: bool,
    /// How it is filled at the start.
    pub init: Init,
}

impl Segment {
    /// Its place in the arena.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len
    }
}

/// A segment of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub(crate) usize);

impl Handle {
    /// The index into [`Layout::segments`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// All segments of an arena, in order, with zero padding between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The segments by offset.
    pub segments: Vec<Segment>,
    /// Floats in the arena, padding included.
    pub len: usize,
    aliases: Vec<(String, Handle)>,
}

impl Layout {
    /// The segment behind a handle.
    pub fn segment(&self, handle: Handle) -> &Segment {
        &self.segments[handle.0]
    }

    /// The segment called `name`, by its own name or an alias.
    pub fn find(&self, name: &str) -> Option<Handle> {
        self.segments
            .iter()
            .position(|s| s.name == name)
            .map(Handle)
            .or_else(|| self.aliases.iter().find(|(alias, _)| alias == name).map(|(_, handle)| *handle))
    }

    /// Like [`Layout::find`].
    ///
    /// # Errors
    /// [`Error::UnknownSegment`].
    pub fn expect(&self, name: &str) -> Result<Handle> {
        self.find(name).ok_or_else(|| Error::UnknownSegment { name: name.into() })
    }

    /// All handles in order of offset.
    pub fn handles(&self) -> impl Iterator<Item = Handle> + use<> {
        (0..self.segments.len()).map(Handle)
    }

    /// A second name for a segment (tied weights).
    ///
    /// # Errors
    /// [`Error::DuplicateSegment`].
    pub fn alias(&mut self, name: &str, handle: Handle) -> Result<()> {
        self.check_new(name)?;
        self.aliases.push((name.into(), handle));
        Ok(())
    }

    /// Second names and what they stand for.
    pub fn aliases(&self) -> &[(String, Handle)] {
        &self.aliases
    }

    /// Floats that are parameters, padding left out.
    pub fn parameters(&self) -> usize {
        self.segments.iter().map(|s| s.len).sum()
    }

    fn check_new(&self, name: &str) -> Result<()> {
        match self.find(name) {
            Some(_) => Err(Error::DuplicateSegment { name: name.into() }),
            None => Ok(()),
        }
    }
}

/// Collects segments while a model is put together.
#[derive(Debug, Default)]
pub struct LayoutBuilder {
    layout: Layout,
}

impl LayoutBuilder {
    /// No segments yet.
    pub fn new() -> LayoutBuilder {
        LayoutBuilder::default()
    }

    /// Appends a segment.
    ///
    /// # Errors
    /// [`Error::DuplicateSegment`]; [`Error::Shape`] for a shape without elements.
    pub fn segment(&mut self, name: &str, shape: &[usize], decay: bool, init: Init) -> Result<Handle> {
        self.layout.check_new(name)?;
        let len: usize = shape.iter().product();
        if len == 0 {
            return Err(Error::Shape {
                op: "layout",
                problem: format!("segment {name:?} has shape {shape:?}"),
            });
        }
        let offset = self.layout.len;
        self.layout.segments.push(Segment {
            name: name.into(),
            offset,
            len,
            shape: shape.to_vec(),
            decay,
            init,
        });
        self.layout.len = (offset + len).next_multiple_of(ALIGN);
        Ok(Handle(self.layout.segments.len() - 1))
    }

    /// A second name for a segment (tied weights).
    ///
    /// # Errors
    /// [`Error::DuplicateSegment`].
    pub fn alias(&mut self, name: &str, handle: Handle) -> Result<()> {
        self.layout.alias(name, handle)
    }

    /// The shape of a segment added before.
    pub fn shape(&self, handle: Handle) -> &[usize] {
        &self.layout.segments[handle.0].shape
    }

    /// The finished table.
    pub fn build(self) -> Layout {
        self.layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_aligned_and_named_once() {
        let mut builder = LayoutBuilder::new();
        let a = builder.segment("a", &[3, 5], true, Init::Zeros).unwrap();
        let b = builder.segment("b", &[16], false, Init::Ones).unwrap();
        let c = builder.segment("c", &[1], false, Init::Ones).unwrap();
        builder.alias("a again", a).unwrap();
        assert!(matches!(builder.segment("a", &[1], true, Init::Zeros), Err(Error::DuplicateSegment { .. })));
        assert!(matches!(builder.alias("b", a), Err(Error::DuplicateSegment { .. })));
        assert!(matches!(builder.segment("d", &[2, 0], true, Init::Zeros), Err(Error::Shape { .. })));
        let layout = builder.build();
        assert_eq!([a, b, c].map(|h| layout.segment(h).offset), [0, 16, 32]);
        assert_eq!((layout.len, layout.parameters()), (48, 32));
        assert_eq!(layout.find("a again"), Some(a));
        assert_eq!(layout.expect("c").unwrap(), c);
        assert!(layout.expect("x").is_err());
    }
}
