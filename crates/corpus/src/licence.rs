//! Licences as SPDX expressions.

use regimen_base::suggest;
use spdx::Expression;
use spdx::identifiers::LICENSES;

/// What to write where there is no identifier.
pub(crate) const HINT: &str = "use an identifier of the SPDX list such as CC-BY-4.0, or LicenseRef-NAME for any other \
     licence, or NOASSERTION if it is not known";

/// What stands for a licence that nobody names.
pub(crate) const UNKNOWN: &str = "NOASSERTION";

/// Whether `text` is an SPDX expression.
pub(crate) fn is_expression(text: &str) -> bool {
    Expression::parse(text).is_ok()
}

/// Whether `text` is an SPDX expression; if not, why, and a spelling that is meant perhaps.
pub(crate) fn check(text: &str) -> Result<(), (String, Option<String>)> {
    match Expression::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let near =
                Expression::canonicalize(text).ok().flatten().filter(|near| Expression::parse(near).is_ok());
            Err((error.reason.to_string(), near.or_else(|| near_identifier(text))))
        }
    }
}

/// The identifier that a single name may stand for.
fn near_identifier(text: &str) -> Option<String> {
    if let Some((id, length)) = spdx::imprecise_license_id(text)
        && length == text.len()
    {
        return Some(id.name.into());
    }
    suggest::nearest(text, LICENSES.iter().map(|licence| licence.name)).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_told_from_prose() {
        for good in [
            "MIT",
            "CC0-1.0",
            "MIT OR Apache-2.0",
            "GPL-2.0-or-later",
            "NOASSERTION",
            "LicenseRef-Public-Domain",
        ] {
            assert!(check(good).is_ok(), "{good}: {:?}", check(good));
        }
        for bad in ["", "Creative Commons", "MIT OR", "cc-by", "free to use!"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let near = |text| check(text).unwrap_err().1;
        assert_eq!(near("apache 2").as_deref(), Some("Apache-2.0"));
        assert_eq!(near("gplv2").as_deref(), Some("GPL-2.0-only"));
        assert_eq!(near("CC-BY-4").as_deref(), Some("CC-BY-4.0"));
        assert_eq!(near("as you wish"), None);
    }
}
