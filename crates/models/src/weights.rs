//! safetensors files: one arena, its segments by name.
//!
//! Layout of the format: header length (u64, little-endian), JSON header from names to dtype, shape and byte range, raw
//! little-endian numbers. Written straight from the arena; the same content always gives the same bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use regimen_base::fs;
use regimen_tensor::{Layout, Params};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// The string map in a file's header.
pub type Metadata = BTreeMap<String, String>;

/// A tensor to write.
pub(crate) struct Tensor<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    pub data: Cow<'a, [f32]>,
}

/// Writes an arena (parameters, gradients or optimizer state): every segment under its name.
///
/// # Errors
/// [`Error::File`] when `data` does not have the layout's length, [`Error::Io`].
pub fn save(path: &Path, layout: &Layout, data: &[f32], metadata: &Metadata) -> Result<()> {
    if data.len() != layout.len {
        let problem = format!("{} floats for a layout of {}", data.len(), layout.len);
        return Err(Error::File { path: path.into(), problem });
    }
    let tensor = |s: &regimen_tensor::Segment| Tensor {
        name: s.name.clone(),
        shape: s.shape.clone(),
        data: Cow::Borrowed(&data[s.range()]),
    };
    write(path, &layout.segments.iter().map(tensor).collect::<Vec<_>>(), metadata)
}

/// Reads an arena that [`save`] wrote for the same layout, and the file's metadata.
///
/// # Errors
/// [`Error::File`] for a damaged file, a missing or superfluous segment, another shape or number type; [`Error::Io`].
pub fn load(path: &Path, layout: Arc<Layout>) -> Result<(Params, Metadata)> {
    let bytes = fs::read(path)?;
    let (file, metadata) = parse(path, &bytes)?;
    let mut params = Params::try_zeros(layout)?;
    for handle in params.layout.clone().handles() {
        let segment = params.layout.segment(handle);
        let (name, shape) = (segment.name.clone(), segment.shape.clone());
        read_into(path, &file, &name, &shape, params.slice_mut(handle))?;
    }
    let known = |name: &str| params.layout.segments.iter().any(|s| s.name == name);
    if let Some(name) = file.names().into_iter().filter(|name| !known(name)).min() {
        return Err(Error::File {
            path: path.into(),
            problem: format!("tensor {name:?} belongs to no segment"),
        });
    }
    Ok((params, metadata))
}

/// Reads only the metadata of a file.
///
/// # Errors
/// [`Error::File`] for a damaged file, [`Error::Io`].
pub fn metadata(path: &Path) -> Result<Metadata> {
    parse(path, &fs::read(path)?).map(|(_, metadata)| metadata)
}

/// Writes tensors in the order given.
pub(crate) fn write(path: &Path, tensors: &[Tensor<'_>], metadata: &Metadata) -> Result<()> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".into(), json!(metadata));
    }
    let mut end = 0;
    for tensor in tensors {
        let start = end;
        end += 4 * tensor.data.len();
        let entry = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert(tensor.name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = fs::create(path)?;
    file.put(&(header.len() as u64).to_le_bytes())?;
    file.put(&header)?;
    let mut bytes = Vec::with_capacity(1 << 16);
    for chunk in tensors.iter().flat_map(|tensor| tensor.data.chunks(1 << 14)) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|x| x.to_le_bytes()));
        file.put(&bytes)?;
    }
    Ok(file.finish()?)
}

/// The tensors and metadata of a file's bytes.
pub(crate) fn parse<'b>(path: &Path, bytes: &'b [u8]) -> Result<(SafeTensors<'b>, Metadata)> {
    let damaged = |e: safetensors::SafeTensorError| Error::File {
        path: path.into(),
        problem: format!("not a safetensors file: {e}"),
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok((SafeTensors::deserialize(bytes).map_err(damaged)?, metadata))
}

/// Copies the tensor `name` of a shape into `out`, widened to f32.
pub(crate) fn read_into(
    path: &Path,
    file: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
    out: &mut [f32],
) -> Result<()> {
    let wrong = |problem: String| Error::File { path: path.into(), problem };
    let Ok(tensor) = file.tensor(name) else {
        return Err(wrong(format!("tensor {name:?} is missing")));
    };
    if tensor.shape() != shape {
        return Err(wrong(format!(
            "tensor {name:?} has shape {:?}, the model needs {shape:?}",
            tensor.shape()
        )));
    }
    widen(&tensor, out).ok_or_else(|| {
        wrong(format!("tensor {name:?} has number type {:?}; F32, BF16 and F16 can be read", tensor.dtype()))
    })
}

/// Fills `out` from a tensor of as many elements; `None` for a number type that cannot be read.
fn widen(tensor: &TensorView<'_>, out: &mut [f32]) -> Option<()> {
    let bytes = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => {
            for (x, b) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                *x = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            }
        }
        Dtype::BF16 => {
            for (x, b) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *x = f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16);
            }
        }
        Dtype::F16 => {
            for (x, b) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *x = half(u16::from_le_bytes([b[0], b[1]]));
            }
        }
        _ => return None,
    }
    Some(())
}

/// An IEEE half-precision number.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (u32::from(bits >> 10) & 31, u32::from(bits) & 0x3ff);
    let magnitude = match exponent {
        0 => fraction as f32 * 2f32.powi(-24),
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_tensor::{Init, LayoutBuilder};

    fn layout(shape: &[usize]) -> Arc<Layout> {
        let mut builder = LayoutBuilder::new();
        builder.segment("w", shape, true, Init::Normal { std: 1.0 }).unwrap();
        builder.segment("a.bias", &[3], false, Init::Ones).unwrap();
        Arc::new(builder.build())
    }

    #[test]
    fn an_arena_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let mut params = Params::init(layout(&[5, 7]), 3);
        params.data[1] = -0.0;
        params.data[2] = f32::MIN_POSITIVE / 8.0;
        let metadata: Metadata = [("format".into(), "pt".into()), ("key".into(), "ab\"c".into())].into();
        save(&path, &params.layout, &params.data, &metadata).unwrap();
        let (again, found) = load(&path, params.layout.clone()).unwrap();
        let bits = |p: &Params| p.data.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&params), bits(&again));
        assert_eq!(found, metadata);
        assert_eq!(super::metadata(&path).unwrap(), metadata);
        let first = std::fs::read(&path).unwrap();
        save(&path, &params.layout, &params.data, &metadata).unwrap();
        assert_eq!(first, std::fs::read(&path).unwrap());
        assert_eq!(u64::from_le_bytes(first[..8].try_into().unwrap()) % 8, 0);
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let params = Params::init(layout(&[5, 7]), 3);
        save(&path, &params.layout, &params.data, &Metadata::new()).unwrap();
        let says = |layout: Arc<Layout>, expected: &str| {
            let error = load(&path, layout).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("m.safetensors"), "{error}");
        };
        says(layout(&[7, 5]), "tensor \"w\" has shape [5, 7], the model needs [7, 5]");
        let mut builder = LayoutBuilder::new();
        builder.segment("w", &[5, 7], true, Init::Zeros).unwrap();
        says(Arc::new(builder.build()), "tensor \"a.bias\" belongs to no segment");
        let mut builder = LayoutBuilder::new();
        builder.segment("x", &[5, 7], true, Init::Zeros).unwrap();
        says(Arc::new(builder.build()), "tensor \"x\" is missing");
        let bytes = std::fs::read(&path).unwrap();
        for cut in [0, 4, 40, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            says(params.layout.clone(), "not a safetensors file");
        }
        assert!(save(&path, &params.layout, &params.data[1..], &Metadata::new()).is_err());
        assert!(matches!(load(&folder.path().join("none"), params.layout), Err(Error::Io(_))));
    }

    #[test]
    fn half_precision_is_widened_exactly() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x3555, 0.333_251_95),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits), value);
        }
        assert_eq!(half(0xfc00), f32::NEG_INFINITY);
        assert!(half(0x7e00).is_nan());
        assert_eq!(half(0x8000).to_bits(), (-0.0f32).to_bits());
    }
}
