//! Folders that stand for a folder in them: a folder in Dolma's layout for its `documents`.

use std::path::Path;

use regimen_objects::{holds, is_url};
use serde_json::Value;

use crate::check::join;
use crate::error::{Error, Result};
use crate::kind::{Field, Ty};

/// The pattern of what lies in the folder `inner` of the folder `pattern`, in the project or in an object store; `pattern`
/// itself if it names no folder, or one without such a folder.
///
/// # Errors
/// What the store of a URL says.
pub fn within(root: &Path, pattern: &str, inner: &str) -> Result<String> {
    let there = match is_url(pattern) {
        true => holds(pattern, inner)?,
        false => root.join(pattern).join(inner).is_dir(),
    };
    Ok(match there {
        true => format!("{}/{inner}", pattern.trim_end_matches('/')),
        false => pattern.into(),
    })
}

/// A stage's normalised config as it is read in the project at `root`: folders that stand for one in them are named as that.
///
/// # Errors
/// As for [`within`].
pub fn as_read(fields: &[Field], config: &Value, root: &Path) -> Result<Value> {
    at_places(fields, config, root).map_err(|(_, error)| error)
}

/// The same; an error comes with the path of its field.
pub(crate) fn at_places(fields: &[Field], config: &Value, root: &Path) -> Result<Value, (String, Error)> {
    let mut config = config.clone();
    table(fields, &mut config, root, "")?;
    Ok(config)
}

fn table(fields: &[Field], value: &mut Value, root: &Path, path: &str) -> Result<(), (String, Error)> {
    for field in fields {
        let at = join(path, field.name);
        let wanted = field.within.as_ref().filter(|w| value.get(w.on).and_then(Value::as_str) == Some(w.is));
        let Some(value) = value.get_mut(field.name) else { continue };
        match (wanted, &*value) {
            (Some(w), Value::String(pattern)) => {
                *value = within(root, pattern, w.folder).map_err(|error| (at, error))?.into();
            }
            _ => inner(&field.ty, value, root, &at)?,
        }
    }
    Ok(())
}

fn inner(ty: &Ty, value: &mut Value, root: &Path, path: &str) -> Result<(), (String, Error)> {
    match (ty, value) {
        (Ty::Table(fields), value) => table(fields, value, root, path),
        (Ty::Maybe(ty), value) => inner(ty, value, root, path),
        (Ty::List(ty), Value::Array(items)) => {
            let mut numbered = items.iter_mut().enumerate();
            numbered.try_for_each(|(i, item)| inner(ty, item, root, &format!("{path}.{i}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static FIELDS: &[Field] = &[Field::required(
        "sources",
        Ty::List(&Ty::Table(&[
            Field::required("path", Ty::Files, "Files.").within("documents", "format", "dolma"),
            Field::required("format", Ty::Str, "Format."),
        ])),
        "Sources.",
    )];

    #[test]
    fn a_folder_stands_for_the_one_in_it_where_its_table_says_so() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("wiki/documents/documents")).unwrap();
        std::fs::create_dir_all(dir.path().join("plain")).unwrap();
        let config = |pairs: &[[&str; 2]]| {
            let of = |[path, format]: &[&str; 2]| json!({"path": path, "format": format});
            json!({"sources": pairs.iter().map(of).collect::<Vec<_>>()})
        };
        let given = config(&[["wiki", "dolma"], ["wiki/", "dolma"], ["wiki", "jsonl"], ["plain", "dolma"]]);
        let below = ["wiki/documents", "dolma"];
        let read = config(&[below, below, ["wiki", "jsonl"], ["plain", "dolma"]]);
        assert_eq!(as_read(FIELDS, &given, dir.path()).unwrap(), read);
        // Patterns mean what they meant, and a config that does not fit the fields is left alone.
        assert_eq!(within(dir.path(), "w*", "documents").unwrap(), "w*");
        assert_eq!(as_read(FIELDS, &json!({"sources": 1}), dir.path()).unwrap(), json!({"sources": 1}));
        assert_eq!(as_read(FIELDS, &json!(null), dir.path()).unwrap(), json!(null));
        let error = at_places(FIELDS, &config(&[["x", "dolma"], ["ftp://host/x", "dolma"]]), dir.path());
        assert_eq!(error.unwrap_err().0, "sources.1.path");
    }
}
