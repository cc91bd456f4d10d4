//! The stages of all rooms, in one table.

use regimen_recipe::Registry;

/// Every kind of stage.
pub static REGISTRY: Registry = Registry(&[
    regimen_corpus::STAGES,
    regimen_tokens::STAGES,
    regimen_train::STAGES,
    regimen_evaluate::STAGES,
]);

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_recipe::{Field, Ty};

    #[test]
    fn kinds_have_names_of_their_own_and_every_field_is_described() {
        let mut names: Vec<&str> = REGISTRY.all().map(|kind| kind.kind).collect();
        let many = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), many);
        for kind in REGISTRY.all() {
            assert!(kind.about.ends_with('.'), "{}", kind.kind);
            described(kind.kind, kind.fields);
            for input in kind.inputs {
                assert!(!input.doc.is_empty(), "{}.{}", kind.kind, input.name);
                assert!(
                    input.accepts.iter().all(|accepted| REGISTRY.get(accepted).is_some()),
                    "{}",
                    input.name
                );
            }
        }
    }

    #[test]
    fn the_tables_hold_what_they_promise() {
        assert_eq!(regimen_recipe::testing::audit(&REGISTRY), Vec::<String>::new());
    }

    #[test]
    fn the_reference_is_fresh() {
        let written = include_str!("../../../docs/recipes.md");
        let made = crate::commands::stages::reference();
        assert!(
            written.trim_end() == made.trim_end(),
            "run `cargo run -- stages --markdown > docs/recipes.md`"
        );
    }

    fn described(path: &str, fields: &[Field]) {
        for field in fields {
            let path = format!("{path}.{}", field.name);
            assert!(field.doc.ends_with('.') && field.doc.len() > 5, "{path}: {}", field.doc);
            match &field.ty {
                Ty::Table(inner) | Ty::List(Ty::Table(inner)) => described(&path, inner),
                _ => {}
            }
        }
    }
}
