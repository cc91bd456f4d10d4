//! The field tables as a JSON Schema, with which editors complete and check recipes while they are written.
//!
//! Draft 7, for that is what taplo and Even Better TOML read, and without `$ref`. It says what one field may hold; what
//! hangs on several fields or on other stages is checked by [`crate::Recipe::load`] alone.

use serde_json::{Map, Value, json};

use crate::kind::{Default, Field, Input, Registry, StageKind, Ty};

/// Names that a stage can have.
const STAGE: &str = "^[A-Za-z0-9][A-Za-z0-9_-]*$";
/// Where the draft is described.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a recipe made of the stages that `registry` knows.
pub fn schema(registry: &Registry) -> Value {
    let kinds: Vec<Value> = registry.all().map(stage).collect();
    json!({
        "$schema": DRAFT,
        "title": "Regimen recipe",
        "description": "A recipe names stages and how they feed each other: one table for each stage.",
        "type": "object",
        "properties": {
            "name": {
                "description": "Name of the recipe; the file's if left out.",
                "type": "string",
                "minLength": 1,
            },
            "seed": seed("Seed of every stage that names none.", Some(0)),
        },
        "propertyNames": { "pattern": STAGE },
        "additionalProperties": { "oneOf": kinds },
        "minProperties": 1,
    })
}

fn seed(doc: &str, default: Option<u64>) -> Value {
    let mut about = json!({"description": doc, "type": "integer", "minimum": 0});
    if let Some(default) = default {
        about["default"] = default.into();
    }
    about
}

/// The table of a stage.
fn stage(kind: &'static StageKind) -> Value {
    let mut properties = Map::new();
    let word = json!({"description": kind.about, "type": "string", "enum": [kind.kind]});
    properties.insert("kind".into(), word);
    let mut required: Vec<&str> = vec!["kind"];
    for field in kind.inputs {
        properties.insert(field.name.into(), input(field));
        required.extend(field.required.then_some(field.name));
    }
    if kind.seeded {
        properties.insert("seed".into(), seed("Seed of all random numbers of the stage.", None));
    }
    table(kind.fields, properties, required, kind.kind, kind.about)
}

fn input(input: &Input) -> Value {
    json!({
        "description": format!(
            "{} The name of a stage of kind {}, `key:...`, or the folder of an artifact.",
            input.doc,
            input.accepts.join(" or ")
        ),
        "type": "string",
        "minLength": 1,
    })
}

/// A table with `fields`, and what it has besides.
fn table(
    fields: &'static [Field],
    mut properties: Map<String, Value>,
    mut required: Vec<&'static str>,
    title: &str,
    doc: &str,
) -> Value {
    for field in fields {
        properties.insert(field.name.into(), about(field));
        required.extend(matches!(field.default, Default::Required).then_some(field.name));
    }
    let mut made = json!({
        "title": title,
        "description": doc,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        made["required"] = required.into();
    }
    made
}

/// A field: its type, what it means and what stands in for it.
fn about(field: &'static Field) -> Value {
    let mut made = value(&field.ty, field.name, field.doc);
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut doc = field.doc.to_string();
    match &field.default {
        // TOML has no word for nothing, and a table's default is those of its fields.
        Default::Required | Default::Json("null" | "{}") => {}
        Default::Json(text) => made["default"] = parsed(text),
        Default::By { json, on, others } => {
            doc.push_str(&format!(" Default: {json}"));
            for (word, text) in *others {
                doc.push_str(&format!(", with {on} = \"{word}\" {text}"));
            }
            doc.push('.');
        }
    }
    if !field.keyed {
        doc.push_str(" Not part of the key.");
    }
    made["description"] = doc.into();
    made
}

/// What a type admits.
fn value(ty: &'static Ty, name: &str, doc: &str) -> Value {
    match ty {
        Ty::Bool => json!({"type": "boolean"}),
        Ty::Int { min, max } => {
            let mut made = json!({"type": "integer"});
            if *min > i64::MIN {
                made["minimum"] = (*min).into();
            }
            if *max < i64::MAX {
                made["maximum"] = (*max).into();
            }
            made
        }
        Ty::Float { min, max } => {
            let mut made = json!({"type": "number"});
            if *min == f64::MIN_POSITIVE {
                made["exclusiveMinimum"] = 0.into();
            } else if min.is_finite() {
                made["minimum"] = whole(*min);
            }
            if max.is_finite() {
                made["maximum"] = whole(*max);
            }
            made
        }
        Ty::Str => json!({"type": "string"}),
        Ty::Files => json!({"type": "string", "minLength": 1}),
        Ty::OneOf(words) => json!({"type": "string", "enum": words}),
        Ty::List(item) => json!({"type": "array", "items": value(item, name, doc)}),
        Ty::Table(fields) => table(fields, Map::new(), Vec::new(), name, doc),
        Ty::Maybe(inner) => value(inner, name, doc),
    }
}

/// A number as people write it: `1` and not `1.0`.
fn whole(x: f64) -> Value {
    if x.fract() == 0.0 && x.abs() < 1e15 { (x as i64).into() } else { x.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::no_check;

    static INNER: [Field; 2] = [
        Field::required("width", Ty::POSITIVE, "How wide."),
        Field::by("lr", Ty::FRACTION, "0.1", "kind", &[("lion", "0.01")], "How fast."),
    ];
    static KIND: StageKind = StageKind {
        kind: "make",
        version: 1,
        about: "Makes things.",
        seeded: true,
        shared: false,
        inputs: &[Input { name: "from", accepts: &["make"], required: true, doc: "What from." }],
        fields: &[
            Field::required("model", Ty::Table(&INNER), "The model."),
            Field::new("rate", Ty::Float { min: f64::MIN_POSITIVE, max: 2.0 }, "0.5", "The rate.").unkeyed(),
            Field::new("shape", Ty::OneOf(&["a", "b"]), "\"a\"", "The shape."),
            Field::new("file", Ty::Maybe(&Ty::Files), "null", "A file."),
            Field::new("all", Ty::List(&Ty::Table(&INNER)), "[]", "All of them."),
        ],
        check: no_check,
        forecast: |_| Ok(crate::Forecast::default()),
        run: |_| Ok(()),
    };
    static ROOM: [&StageKind; 1] = [&KIND];
    static ROOMS: [&[&StageKind]; 1] = [&ROOM];

    #[test]
    fn every_part_of_a_table_is_in_the_schema() {
        let made = schema(&Registry(&ROOMS));
        let stage = &made["additionalProperties"]["oneOf"][0];
        assert_eq!(stage["required"], json!(["kind", "from", "model"]));
        assert_eq!(stage["additionalProperties"], false);
        let fields = &stage["properties"];
        assert_eq!(fields["kind"]["enum"], json!(["make"]));
        assert_eq!(fields["seed"]["minimum"], 0);
        assert_eq!(fields["from"]["type"], "string");
        assert_eq!(fields["model"]["required"], json!(["width"]));
        assert_eq!(
            fields["model"]["properties"]["width"],
            json!({
                "type": "integer", "minimum": 1, "description": "How wide."
            })
        );
        let lr = &fields["model"]["properties"]["lr"];
        assert_eq!(lr["description"], "How fast. Default: 0.1, with kind = \"lion\" 0.01.");
        assert!(lr.get("default").is_none());
        assert_eq!(
            fields["rate"],
            json!({
                "type": "number", "exclusiveMinimum": 0, "maximum": 2, "default": 0.5,
                "description": "The rate. Not part of the key."
            })
        );
        assert_eq!(fields["shape"]["enum"], json!(["a", "b"]));
        assert_eq!(fields["file"], json!({"type": "string", "minLength": 1, "description": "A file."}));
        assert_eq!(fields["all"]["items"]["properties"]["lr"]["maximum"], 1);
        assert_eq!(fields["all"]["default"], json!([]));
    }
}
