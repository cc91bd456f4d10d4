//! The few pieces of protocol buffers that an event needs: <https://protobuf.dev/programming-guides/encoding/>.

/// A message being written.
#[derive(Default)]
pub struct Message(pub Vec<u8>);

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn tag(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    pub fn double(mut self, field: u64, x: f64) -> Message {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&x.to_le_bytes());
        self
    }

    pub fn float(mut self, field: u64, x: f32) -> Message {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&x.to_le_bytes());
        self
    }

    pub fn int(mut self, field: u64, n: u64) -> Message {
        self.tag(field, VARINT);
        self.varint(n);
        self
    }

    pub fn bytes(mut self, field: u64, bytes: &[u8]) -> Message {
        self.tag(field, BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn message(self, field: u64, inner: &Message) -> Message {
        self.bytes(field, &inner.0)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A field of a message, read back.
    #[derive(Clone, Debug, PartialEq)]
    pub enum Field {
        Int(u64),
        Double(f64),
        Float(f32),
        Bytes(Vec<u8>),
    }

    /// All fields of a message in their order.
    pub fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let (mut n, mut shift) = (0, 0);
            loop {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                n |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return n;
                }
            }
        }
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes);
            let mut take = |n: usize| {
                let (head, rest) = bytes.split_at(n);
                bytes = rest;
                head.to_vec()
            };
            let field = match tag & 7 {
                VARINT => Field::Int(varint(&mut bytes)),
                FIXED64 => Field::Double(f64::from_le_bytes(take(8).try_into().unwrap())),
                FIXED32 => Field::Float(f32::from_le_bytes(take(4).try_into().unwrap())),
                _ => {
                    let length = varint(&mut bytes) as usize;
                    let (head, rest) = bytes.split_at(length);
                    let field = Field::Bytes(head.to_vec());
                    bytes = rest;
                    field
                }
            };
            out.push((tag >> 3, field));
        }
        out
    }

    #[test]
    fn the_examples_of_the_guide() {
        // "Test1 { a: 150 }" and "Test2 { b: \"testing\" }".
        assert_eq!(Message::default().int(1, 150).0, [0x08, 0x96, 0x01]);
        assert_eq!(
            Message::default().bytes(2, b"testing").0,
            [0x12, 7, b't', b'e', b's', b't', b'i', b'n', b'g']
        );
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, &inner).0, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let all = Message::default().double(1, -0.5).int(2, u64::MAX).float(16, 3.25);
        assert_eq!(
            fields(&all.0),
            [(1, Field::Double(-0.5)), (2, Field::Int(u64::MAX)), (16, Field::Float(3.25))]
        );
    }
}
