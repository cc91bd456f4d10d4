//! `regimen recipe`: recipes for other programs.

use crate::output::print_json;
use crate::registry::REGISTRY;

/// The JSON Schema of recipes; it is JSON with or without `--json`.
pub fn schema() -> anyhow::Result<u8> {
    print_json(&regimen_recipe::schema::schema(&REGISTRY))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use regimen_recipe::Recipe;
    use serde_json::Value;

    fn validator() -> jsonschema::Validator {
        let schema = regimen_recipe::schema::schema(&REGISTRY);
        jsonschema::draft7::meta::validate(&schema).expect("a schema of draft 7");
        jsonschema::draft7::new(&schema).expect("a schema")
    }

    fn json(text: &str) -> Value {
        let table: toml::Table = text.parse().expect("TOML");
        serde_json::to_value(table).expect("JSON")
    }

    /// Recipes of the repository, those in folders too.
    fn recipes() -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let files = regimen_base::fs::files_below(&folder).unwrap();
        files
            .into_iter()
            .filter(|f| f.extension().is_some_and(|e| e == "toml"))
            .map(|f| folder.join(f))
            .collect()
    }

    #[test]
    fn every_recipe_of_the_repository_fits() {
        let validator = validator();
        let recipes = recipes();
        assert!(recipes.len() >= 2);
        for path in recipes {
            let recipe = json(&regimen_base::fs::read_text(&path).unwrap());
            let errors: Vec<String> = validator.iter_errors(&recipe).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        }
    }

    #[test]
    fn what_one_field_makes_wrong_does_not_fit_and_the_parser_agrees() {
        let good = "name = \"r\"\n[corpus]\nkind = \"corpus\"\nsources = [{ name = \"a\", path = \"*.txt\" }]\n\
             [tokenizer]\nkind = \"tokenizer\"\ncorpus = \"corpus\"\n[tokens]\nkind = \"tokens\"\ncorpus = \"corpus\"\n\
             tokenizer = \"tokenizer\"\n[base]\nkind = \"pretrain\"\ntokens = \"tokens\"\nsteps = 10\n\
             model = { layers = 1, width = 32, heads = 2, context = 32 }\noptimizer = { lr = 0.01 }\n";
        let validator = validator();
        let parsed = |text: &str| Recipe::of_text(text, Path::new("r.toml"), Path::new("."), &REGISTRY);
        assert!(validator.is_valid(&json(good)));
        parsed(good).expect("a recipe");
        for (from, to) in [
            ("steps = 10", "steps = 0"),
            ("steps = 10", "steps = 1.5"),
            ("steps = 10", "steps = \"ten\""),
            ("steps = 10", ""),
            ("steps = 10", "stesp = 10"),
            ("layers = 1", "layer = 1"),
            ("lr = 0.01", "lr = 0.0"),
            ("lr = 0.01", "kind = \"adam\""),
            ("kind = \"pretrain\"", "kind = \"pretrian\""),
            ("kind = \"pretrain\"", ""),
            ("tokens = \"tokens\"\nsteps", "steps"),
            ("[{ name = \"a\", path = \"*.txt\" }]", "\"*.txt\""),
            ("path = \"*.txt\"", "path = \"\""),
            ("name = \"r\"", "name = \"\""),
            ("name = \"r\"", "seed = -1"),
            ("name = \"r\"", "sede = 1"),
            ("[base]", "[\"ba se\"]"),
        ] {
            assert!(good.contains(from), "{from}");
            let wrong = good.replacen(from, to, 1);
            assert!(!validator.is_valid(&json(&wrong)), "the schema takes {to:?} for {from:?}");
            assert!(parsed(&wrong).is_err(), "the parser takes {to:?} for {from:?}");
        }
    }
}
