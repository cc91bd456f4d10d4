//! From files to documents: decompression, cutting, parsing, judging.

pub(crate) mod attribute_lines;
pub(crate) mod attribute_names;
pub(crate) mod attribute_row;
pub(crate) mod attributes;
pub(crate) mod beside;
pub(crate) mod chunk;
pub(crate) mod document;
pub(crate) mod field;
pub(crate) mod front_matter;
pub(crate) mod gzip;
pub(crate) mod lines;
pub(crate) mod metadata;
pub(crate) mod open;
pub(crate) mod page;
pub(crate) mod pairs;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod source_code;
pub(crate) mod stream;
pub(crate) mod table;

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use regimen_base::Hash256;
    use regimen_recipe::InputFile;

    /// A file of an input, written into `dir`.
    pub(crate) fn input(dir: &Path, name: &str, content: &[u8]) -> InputFile {
        let full = dir.join(name);
        std::fs::write(&full, content).unwrap();
        InputFile { path: name.into(), full, blake3: Hash256::of(content), bytes: content.len() as u64 }
    }
}
