//! Reading the summaries of artifacts, in which anything may be missing.

use serde_json::Value;

/// The value at a dotted path.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name)).filter(|v| !v.is_null())
}

/// The finite number at a dotted path.
pub(crate) fn number(value: &Value, path: &str) -> Option<f64> {
    at(value, path)?.as_f64().filter(|x| x.is_finite())
}

/// The text at a dotted path.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    at(value, path)?.as_str()
}

/// The named values at a dotted path; none if it is not an object.
pub(crate) fn entries<'a>(value: &'a Value, path: &str) -> Vec<(&'a str, &'a Value)> {
    let object = at(value, path).and_then(Value::as_object);
    object.map(|o| o.iter().map(|(name, value)| (name.as_str(), value)).collect()).unwrap_or_default()
}

/// The items at a dotted path; none if it is not a list.
pub(crate) fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_or_of_another_type_is_nothing() {
        let value = json!({"a": {"b": 1.5, "c": null, "d": [1, 2]}, "e": "x"});
        assert_eq!(number(&value, "a.b"), Some(1.5));
        assert_eq!(number(&value, "a.x.y"), None);
        assert_eq!(number(&value, "e"), None);
        assert_eq!(text(&value, "e"), Some("x"));
        assert!(at(&value, "a.c").is_none());
        assert_eq!(items(&value, "a.d").len(), 2);
        assert!(items(&value, "a").is_empty() && entries(&value, "e").is_empty());
        assert_eq!(entries(&value, "a").len(), 3);
    }
}
