//! A writer of JSON for the script: short numbers, and nothing in it that could end the element it stands in.

use std::fmt::Write;

use crate::escape::json_into;

/// JSON being written. Values that follow one another are parted by commas.
#[derive(Default)]
pub(crate) struct Json {
    out: String,
}

impl Json {
    /// `{...}`.
    pub(crate) fn object(&mut self, inside: impl FnOnce(&mut Json)) {
        self.nested('{', inside, '}');
    }

    /// `[...]`.
    pub(crate) fn list(&mut self, inside: impl FnOnce(&mut Json)) {
        self.nested('[', inside, ']');
    }

    /// The name of the value that comes next.
    pub(crate) fn name(&mut self, name: &str) -> &mut Json {
        self.part();
        json_into(&mut self.out, name);
        self.out.push(':');
        self
    }

    /// A text.
    pub(crate) fn text(&mut self, text: &str) {
        self.part();
        json_into(&mut self.out, text);
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, flag: bool) {
        self.part();
        self.out.push(if flag { '1' } else { '0' });
    }

    /// A number to six digits, or whole ones as they are; null for what is none.
    pub(crate) fn number(&mut self, x: f64) {
        self.part();
        if !x.is_finite() {
            self.out.push_str("null");
        } else if x.fract() == 0.0 && x.abs() < 9e15 {
            let _ = write!(self.out, "{}", x as i64);
        } else {
            let rounded: f64 = format!("{x:.5e}").parse().unwrap_or(x);
            let plain = (1e-4..1e15).contains(&rounded.abs());
            let _ = if plain { write!(self.out, "{rounded}") } else { write!(self.out, "{rounded:e}") };
        }
    }

    /// Numbers.
    pub(crate) fn numbers(&mut self, all: impl IntoIterator<Item = f64>) {
        self.list(|json| all.into_iter().for_each(|x| json.number(x)));
    }

    /// What was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.out
    }

    fn nested(&mut self, open: char, inside: impl FnOnce(&mut Json), close: char) {
        self.part();
        self.out.push(open);
        inside(self);
        self.out.push(close);
    }

    fn part(&mut self) {
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_no_number_is_null() {
        let mut json = Json::default();
        json.object(|j| {
            j.name("a").numbers([1.0, 2.5, f64::NAN, 1.0 / 3.0, 1e-9, 123_456_789.0, 1.5e300, -0.0]);
            j.name("b</script>").text("x:");
            j.name("c").list(|j| {
                j.flag(true);
                j.object(|_| {});
            });
        });
        let wanted =
            r#"{"a":[1,2.5,null,0.333333,1e-9,123456789,1.5e300,0],"b\u003c/script\u003e":"x:","c":[1,{}]}"#;
        assert_eq!(json.as_str(), wanted);
        serde_json::from_str::<serde_json::Value>(json.as_str()).unwrap();
    }
}
