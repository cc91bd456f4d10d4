//! Thrift's compact protocol, walked through without making anything of it: whether every size that a header claims fits
//! into its bytes is known before the Parquet library makes room for it.
//!
//! Source: `thrift-compact-protocol.md` of Apache Thrift; the numbers of fields are those of `parquet.thrift`.

use super::fields::{Fields, Holds};

/// Levels of structs and lists in each other at most; Parquet's own have about ten.
const DEEPEST: usize = 60;

/// Why bytes are no struct.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// They end before it does.
    Ended,
    /// What is wrong.
    Wrong(String),
}

fn wrong<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Wrong(reason.into()))
}

/// Walk through the struct at the begin of `bytes`, whose known fields hold what `known` says. `each` is told every whole
/// number, and the length of every list, with the path of field numbers that leads there (elements of a list have the path of
/// the list). Gives back the struct's length.
///
/// # Errors
/// [`Fault::Ended`] where bytes are missing; [`Fault::Wrong`] for unknown types, known fields of another type, lists with more
/// elements than bytes are left, lists of truth values (Parquet has none in its headers, and the library passes over them by
/// their claimed length), and what `each` refuses.
pub(super) fn walk(
    bytes: &[u8],
    known: Fields,
    each: &mut dyn FnMut(&[i16], i64) -> Result<(), String>,
) -> Result<usize, Fault> {
    let mut walk = Walk { bytes, at: 0, path: Vec::new(), each };
    walk.fields(known, 0)?;
    Ok(walk.at)
}

/// A number of 7 bits a byte, the lowest first (ULEB128), of the bytes that `byte` gives; none if it has more than 64 bits.
pub(super) fn uleb128<E>(mut byte: impl FnMut() -> Result<u8, E>) -> Result<Option<u64>, E> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

struct Walk<'b, 'e> {
    bytes: &'b [u8],
    at: usize,
    path: Vec<i16>,
    each: &'e mut dyn FnMut(&[i16], i64) -> Result<(), String>,
}

impl Walk<'_, '_> {
    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::Ended)?;
        self.at += 1;
        Ok(byte)
    }

    fn pass(&mut self, length: u64) -> Result<(), Fault> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        self.at = end.filter(|&end| end <= self.bytes.len()).ok_or(Fault::Ended)?;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64, Fault> {
        uleb128(|| self.byte())?.map_or_else(|| wrong("a number of more than 64 bits"), Ok)
    }

    fn signed(&mut self) -> Result<i64, Fault> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn tell(&mut self, value: i64) -> Result<(), Fault> {
        (self.each)(&self.path, value).map_err(Fault::Wrong)
    }

    fn fields(&mut self, known: Fields, depth: usize) -> Result<(), Fault> {
        if depth > DEEPEST {
            return wrong(format!("more than {DEEPEST} structs and lists in each other"));
        }
        let mut field = 0i16;
        loop {
            let head = self.byte()?;
            if head & 0x0f == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => self.signed()? as i16,
                more => field.wrapping_add(i16::from(more)),
            };
            let (kind, holds) = (head & 0x0f, known.iter().find(|(number, _)| *number == field));
            let holds = holds.map(|(_, holds)| *holds);
            self.path.push(field);
            self.fits(holds, kind)?;
            // The value of a single truth value is its type.
            if !matches!(kind, 1 | 2) {
                self.value(holds, kind, depth)?;
            }
            self.path.pop();
        }
    }

    fn fits(&self, holds: Option<Holds>, kind: u8) -> Result<(), Fault> {
        match holds {
            Some(holds) if !holds.is(kind) => {
                let path: Vec<String> = self.path.iter().map(i16::to_string).collect();
                wrong(format!("field {} has type {kind}, and must be {}", path.join("."), holds.called()))
            }
            _ => Ok(()),
        }
    }

    fn value(&mut self, holds: Option<Holds>, kind: u8, depth: usize) -> Result<(), Fault> {
        match kind {
            3 => self.pass(1),
            4..=6 => {
                let value = self.signed()?;
                self.tell(value)
            }
            7 => self.pass(8),
            8 => {
                let length = self.unsigned()?;
                self.pass(length)
            }
            9 | 10 => {
                let element = if let Some(Holds::List(element)) = holds { Some(*element) } else { None };
                self.list(element, depth)
            }
            12 => {
                let known = if let Some(Holds::Struct(known)) = holds { known } else { &[] };
                self.fields(known, depth + 1)
            }
            // Maps and UUIDs are in none of Parquet's headers, and unknown to the library.
            other => wrong(format!("a value of type {other}")),
        }
    }

    fn list(&mut self, element: Option<Holds>, depth: usize) -> Result<(), Fault> {
        if depth > DEEPEST {
            return wrong(format!("more than {DEEPEST} structs and lists in each other"));
        }
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.unsigned()?,
            count => u64::from(count),
        };
        // Some writers give an empty list no type.
        if count == 0 {
            return self.tell(0);
        }
        let left = (self.bytes.len() - self.at) as u64;
        if matches!(head & 0x0f, 1 | 2) {
            return wrong(format!("a list of {count} truth values"));
        }
        if count > left {
            return wrong(format!("a list of {count} elements in {left} bytes"));
        }
        self.fits(element, head & 0x0f)?;
        self.tell(count as i64)?;
        (0..count).try_for_each(|_| self.value(element, head & 0x0f, depth + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet::fields::{FOOTER, PAGE};
    use proptest::prelude::*;

    type Told = Vec<(Vec<i16>, i64)>;

    fn told(bytes: &[u8]) -> Result<(usize, Told), Fault> {
        let mut all = Vec::new();
        let length = walk(bytes, &[], &mut |path, value| {
            all.push((path.to_vec(), value));
            Ok(())
        })?;
        Ok((length, all))
    }

    #[test]
    fn numbers_and_lists_come_with_their_paths() {
        // 1: i32 -3; 2: "ab"; 5: struct {1: true, 3: i64 64}; 40: list of two structs {2: i32 1}.
        let bytes = [
            0x15, 5, 0x18, 2, b'a', b'b', 0x3c, 0x11, 0x26, 0x80, 1, 0, 0x09, 80, 0x2c, 0x25, 2, 0, 0x25, 2,
            0, 0, 99,
        ];
        let (length, all) = told(&bytes).unwrap();
        assert_eq!(length, bytes.len() - 1);
        assert_eq!(all, [(vec![1], -3), (vec![5, 3], 64), (vec![40], 2), (vec![40, 2], 1), (vec![40, 2], 1)]);
        for cut in 0..length {
            assert!(told(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn claims_that_do_not_fit_are_refused() {
        let fault = |bytes: &[u8]| match told(bytes) {
            Err(Fault::Wrong(reason)) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(fault(&[0x19, 0xfc, 0xff, 0xff, 0x03, 0]), "a list of 65535 elements in 1 bytes");
        assert_eq!(fault(&[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07]), "a list of 2147483647 truth values");
        assert_eq!(fault(&[0x1b, 0]), "a value of type 11");
        assert_eq!(told(&[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]), Err(Fault::Ended));
        assert!(
            fault(&[0x1c; 200]).contains("in each other") && fault(&[0x19; 200]).contains("in each other")
        );
    }

    #[test]
    fn a_known_field_has_its_type_wherever_it_stands() {
        let told = |known, bytes: &[u8]| match walk(bytes, known, &mut |_, _| Ok(())) {
            Ok(length) => format!("{length} bytes"),
            Err(Fault::Wrong(reason)) => reason,
            Err(Fault::Ended) => "it ends".into(),
        };
        // Kind and sizes as numbers of 16, 32 and 64 bits; then the kind as a struct, and the kind in a page's own header.
        assert_eq!(told(PAGE, &[0x14, 0, 0x15, 2, 0x16, 2, 0]), "7 bytes");
        assert_eq!(told(PAGE, &[0x1c, 0, 0]), "field 1 has type 12, and must be a whole number");
        assert_eq!(told(PAGE, &[0x5c, 0x18, 0, 0, 0]), "field 5.1 has type 8, and must be a whole number");
        assert_eq!(told(PAGE, &[0x7c, 0x35, 0, 0, 0]), "field 7.3 has type 5, and must be a truth value");
        // The name of a column, and the encodings of one in a group.
        assert_eq!(told(FOOTER, &[0x29, 0x1c, 0x48, 1, b'a', 0, 0]), "7 bytes");
        assert_eq!(told(FOOTER, &[0x29, 0x1c, 0x45, 1, 0, 0]), "field 2.4 has type 5, and must be bytes");
        assert_eq!(told(FOOTER, &[0x29, 0x18, 0, 0]), "field 2 has type 8, and must be a struct");
        let encodings = |list: u8| [0x49, 0x1c, 0x19, 0x1c, 0x3c, 0x29, list, 0, 0, 0, 0, 0];
        assert_eq!(told(FOOTER, &encodings(0x15)), "12 bytes");
        assert_eq!(told(FOOTER, &encodings(0x18)), "field 4.1.3.2 has type 8, and must be a whole number");
        let logical = |kind: u8| [0x29, 0x1c, 0xac, 0x0c | kind, 38, 0, 0, 0, 0];
        assert_eq!(told(FOOTER, &logical(0)), "9 bytes");
        assert_eq!(
            told(FOOTER, &[0x29, 0x1c, 0xac, 0x01, 38, 0, 0, 0]),
            "field 2.10.19 has type 1, and must be a struct"
        );
        // What nobody knows has any type.
        assert_eq!(told(PAGE, &[0x9c, 0x18, 0, 0, 0]), "5 bytes");
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((length, all)) = told(&bytes) {
                prop_assert!(length <= bytes.len() && all.len() <= bytes.len());
            }
        }
    }
}
