//! A WARC file as a stream of unpacked bytes that knows where each compressed member starts and ends.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use zstd::stream::read::Decoder;

use super::input::Input;

/// Bytes unpacked at a time.
const WINDOW: usize = 1 << 14;
/// Unpacked bytes behind the start of a record that are kept at most.
const KEPT: u64 = 1 << 20;
/// Bytes may be read again up to so many times what was read, and [`KEPT`].
const AGAIN: u64 = 8;
/// A dictionary in the first frame of a `.warc.zst` may have so many bytes.
const DICTIONARY: usize = 1 << 24;

/// How a file or one of its members is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// Gzip, one member for each record.
    Gzip,
    /// Zstandard, one frame for each record.
    Zstd,
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Skippable frames have the magic numbers 0x184D2A50 to 0x184D2A5F.
fn skippable(start: &[u8]) -> bool {
    matches!(start, [low, 0x2a, 0x4d, 0x18, ..] if low & 0xf0 == 0x50)
}

impl Packing {
    pub(super) fn of_start(start: &[u8]) -> Packing {
        if start.starts_with(&GZIP) {
            Packing::Gzip
        } else if start.starts_with(&ZSTD) || skippable(start) {
            Packing::Zstd
        } else {
            Packing::Plain
        }
    }
}

enum Layer<R: Read> {
    Plain(Input<R>),
    Gzip(Box<GzDecoder<Input<R>>>),
    Zstd(Decoder<'static, Input<R>>),
}

impl<R: Read> Layer<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Layer::Plain(input) => input.read(out),
            Layer::Gzip(decoder) => decoder.read(out),
            Layer::Zstd(decoder) => decoder.read(out),
        }
    }

    fn into_input(self) -> Input<R> {
        match self {
            Layer::Plain(input) => input,
            Layer::Gzip(decoder) => decoder.into_inner(),
            Layer::Zstd(decoder) => decoder.finish(),
        }
    }

    fn input(&mut self) -> &mut Input<R> {
        match self {
            Layer::Plain(input) => input,
            Layer::Gzip(decoder) => decoder.get_mut(),
            Layer::Zstd(decoder) => decoder.get_mut(),
        }
    }
}

/// How much was read again behind damaged records. Without a limit, records that each claim a megabyte and start a few bytes
/// apart would take time that is quadratic.
#[derive(Default)]
struct Rereads {
    /// The furthest byte that was read.
    furthest: u64,
    /// Bytes that were read again.
    again: u64,
}

impl Rereads {
    /// Whether reading, which stopped at byte `here`, may go back by so many bytes.
    fn allow(&mut self, here: u64, back: u64) -> bool {
        self.furthest = self.furthest.max(here);
        self.again.saturating_add(back) <= self.furthest.saturating_mul(AGAIN).saturating_add(KEPT)
    }
}

/// What stands where a member should start.
pub(super) enum Start {
    /// A member, now open.
    Member,
    /// The end of the file.
    End,
    /// Something else.
    Garbage,
}

pub(super) struct Stream<R: Read> {
    /// Always there but while a layer is taken off or put on.
    layer: Option<Layer<R>>,
    packing: Packing,
    dictionary: Option<Vec<u8>>,
    window: Vec<u8>,
    at: usize,
    /// Where a record starts in the window that [`Stream::find_inside`] may go back to.
    mark: Option<usize>,
    /// Of unpacked bytes of the open member.
    member_rereads: Rereads,
    /// Of bytes of the file.
    file_rereads: Rereads,
    /// Where the open member starts in the file.
    pub member: u64,
    /// Unpacked bytes of the open member that were given out.
    pub within: u64,
    /// Whether a member is open.
    pub open: bool,
}

fn gone() -> io::Error {
    io::Error::other("the stream was closed by an earlier error")
}

impl<R: Read> Stream<R> {
    pub fn new(source: R) -> io::Result<(Stream<R>, bool)> {
        let mut input = Input::new(source);
        let (packing, empty, plain) = {
            let start = input.peek(5)?;
            (Packing::of_start(start), start.is_empty(), start.starts_with(b"WARC/"))
        };
        let known = empty || plain || packing != Packing::Plain;
        let stream = Stream {
            layer: Some(Layer::Plain(input)),
            packing,
            dictionary: None,
            window: Vec::new(),
            at: 0,
            mark: None,
            member_rereads: Rereads::default(),
            file_rereads: Rereads::default(),
            member: 0,
            within: 0,
            open: packing == Packing::Plain,
        };
        Ok((stream, known))
    }

    pub fn packing(&self) -> Packing {
        self.packing
    }

    fn input(&mut self) -> io::Result<&mut Input<R>> {
        self.layer.as_mut().map(Layer::input).ok_or_else(gone)
    }

    /// Why the source itself failed, if it did.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.input().ok().and_then(Input::failure)
    }

    /// Offset in the file up to which bytes were used.
    pub fn offset(&mut self) -> u64 {
        self.layer.as_mut().map_or(0, |layer| layer.input().offset())
    }

    /// Open the member that starts here. Zero bytes between members are padding.
    pub fn open_member(&mut self) -> io::Result<Start> {
        let dictionary = self.dictionary.take();
        let mut input = self.layer.take().ok_or_else(gone)?.into_input();
        let start = Self::find_start(&mut input, dictionary.is_none());
        let (start, found) = match start {
            Ok(found) => found,
            Err(error) => {
                (self.layer, self.dictionary) = (Some(Layer::Plain(input)), dictionary);
                return Err(error);
            }
        };
        self.dictionary = found.or(dictionary);
        self.member = input.offset();
        self.within = 0;
        self.member_rereads = Rereads::default();
        self.forget_window();
        self.open = false;
        let Start::Member = start else {
            self.layer = Some(Layer::Plain(input));
            return Ok(start);
        };
        input.mark();
        let gzip = input.peek(2)? == GZIP;
        self.open = true;
        self.layer = Some(if gzip {
            Layer::Gzip(Box::new(GzDecoder::new(input)))
        } else {
            let decoder = match &self.dictionary {
                Some(dictionary) => Decoder::with_dictionary(input, dictionary)?,
                None => Decoder::with_buffer(input)?,
            };
            Layer::Zstd(decoder.single_frame())
        });
        Ok(Start::Member)
    }

    fn find_start(input: &mut Input<R>, wants_dictionary: bool) -> io::Result<(Start, Option<Vec<u8>>)> {
        let mut dictionary = None;
        loop {
            let start = input.peek(8)?;
            if start.is_empty() {
                return Ok((Start::End, dictionary));
            } else if start[0] == 0 {
                let zeros = input.buffered().iter().take_while(|&&b| b == 0).count();
                input.consume(zeros);
            } else if let (true, [low, _, _, _, a, b, c, d]) = (skippable(start), start) {
                let (low, size) = (*low, u32::from_le_bytes([*a, *b, *c, *d]) as usize);
                let first = input.offset() == 0;
                input.consume(8);
                // The frame of the dictionary by the WARC/zstd proposal: 0x184D2A5D at the start of the file.
                if low == 0x5d && first && wants_dictionary {
                    dictionary = Some(read_dictionary(input, size)?);
                } else {
                    let skipped = io::copy(&mut input.by_ref().take(size as u64), &mut io::sink())?;
                    if skipped < size as u64 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            } else {
                let known = Packing::of_start(start) != Packing::Plain && !skippable(start);
                return Ok((if known { Start::Member } else { Start::Garbage }, dictionary));
            }
        }
    }

    fn forget_window(&mut self) {
        self.window.clear();
        self.at = 0;
        self.mark = None;
    }

    /// What is unpacked and not yet used; empty only at the end of the member.
    pub fn fill(&mut self) -> io::Result<&[u8]> {
        if matches!(self.layer, Some(Layer::Plain(_))) {
            return self.input()?.fill_buf();
        }
        if self.at == self.window.len() {
            self.more()?;
        }
        Ok(&self.window[self.at..])
    }

    /// Unpack more of the open member. False at its end.
    fn more(&mut self) -> io::Result<bool> {
        let layer = self.layer.as_mut().ok_or_else(gone)?;
        if self.mark.is_some_and(|mark| (self.at - mark) as u64 > KEPT) {
            self.mark = None;
        }
        let dead = self.mark.unwrap_or(self.at);
        // Moving the rest costs no more than unpacking what is thrown away did.
        if dead >= self.window.len() - dead {
            self.window.drain(..dead);
            self.at -= dead;
            self.mark = self.mark.map(|mark| mark - dead);
        }
        let filled = self.window.len();
        self.window.resize(filled + WINDOW, 0);
        let got = layer.read(&mut self.window[filled..]);
        self.window.truncate(filled + *got.as_ref().unwrap_or(&0));
        Ok(got? > 0)
    }

    /// The same, with at least `n` bytes unless the member ends before, in whatever pieces the source gives them.
    pub fn ahead(&mut self, n: usize) -> io::Result<&[u8]> {
        if matches!(self.layer, Some(Layer::Plain(_))) {
            return self.input()?.peek(n);
        }
        while self.window.len() - self.at < n && self.more()? {}
        Ok(&self.window[self.at..])
    }

    /// Count the next `n` bytes as used.
    pub fn consume(&mut self, n: usize) {
        self.within += n as u64;
        match &mut self.layer {
            Some(Layer::Plain(input)) => input.consume(n),
            _ => self.at = (self.at + n).min(self.window.len()),
        }
    }

    /// Note where a record starts, so that [`Stream::find_record`] can go back there in a plain file, and, if `inside`,
    /// [`Stream::find_inside`] in a member.
    pub fn mark_record(&mut self, inside: bool) {
        match &mut self.layer {
            Some(Layer::Plain(input)) => input.mark(),
            _ => self.mark = inside.then_some(self.at),
        }
    }

    /// Look in the open member for the next record behind the one that was marked, which starts at its unpacked byte `from`,
    /// or, where that is more than a megabyte back or too much of the member was read again, behind the place where reading
    /// stopped. False at the end of the member, which is closed then.
    pub fn find_inside(&mut self, from: u64) -> io::Result<bool> {
        let back = self.within.saturating_sub(from);
        let allowed = self.member_rereads.allow(self.within, back) && back <= KEPT;
        if let Some(mark) = self.mark.take().filter(|_| allowed) {
            self.member_rereads.again += back;
            (self.at, self.within) = (mark, from);
            self.consume(1);
        }
        loop {
            let seen = self.ahead(7)?;
            let (length, found) = (seen.len(), next_record(seen));
            match found {
                Some(at) => {
                    self.consume(at);
                    return Ok(true);
                }
                None if length < 7 => {
                    self.consume(length);
                    self.open = false;
                    return Ok(false);
                }
                None => self.consume(length - 6),
            }
        }
    }

    /// Bytes that were read again: of the open member, and of the file.
    #[cfg(test)]
    pub fn read_again(&self) -> (u64, u64) {
        (self.member_rereads.again, self.file_rereads.again)
    }

    /// Look for the next record (plain) or member (packed) behind `from`, the start of a damaged one, or, where that is
    /// more than a megabyte back or too much of the file was read again, behind the place where reading stopped. False at the
    /// end of the file.
    pub fn find_record(&mut self, from: u64) -> io::Result<bool> {
        let mut input = self.layer.take().ok_or_else(gone)?.into_input();
        self.forget_window();
        let here = input.offset();
        let back = here.saturating_sub(from);
        if self.file_rereads.allow(here, back) && input.rewind(from) {
            self.file_rereads.again += back;
            input.consume(1);
        }
        self.open = self.packing == Packing::Plain;
        let found = if self.open {
            find_plain(&mut input)
        } else {
            find_member(&mut input, self.dictionary.as_deref())
        };
        self.within = input.offset();
        self.layer = Some(Layer::Plain(input));
        found
    }
}

fn read_dictionary<R: Read>(input: &mut Input<R>, size: usize) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidData, "the dictionary is larger than 16 MiB");
    if size > DICTIONARY {
        return Err(too_large());
    }
    let mut raw = Vec::new();
    input.by_ref().take(size as u64).read_to_end(&mut raw)?;
    if raw.len() < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if !raw.starts_with(&ZSTD) {
        return Ok(raw);
    }
    let mut unpacked = Vec::new();
    Decoder::with_buffer(&raw[..])?.take(DICTIONARY as u64 + 1).read_to_end(&mut unpacked)?;
    if unpacked.len() > DICTIONARY { Err(too_large()) } else { Ok(unpacked) }
}

/// Where the next line begins that begins with `WARC/` and a digit.
fn next_record(seen: &[u8]) -> Option<usize> {
    let starts = |w: &[u8]| w[0] == b'\n' && &w[1..6] == b"WARC/" && w[6].is_ascii_digit();
    seen.windows(7).position(starts).map(|at| at + 1)
}

/// Go to the next line that begins with `WARC/` and a digit.
fn find_plain<R: Read>(input: &mut Input<R>) -> io::Result<bool> {
    loop {
        if input.peek(7)?.len() < 7 {
            let rest = input.buffered().len();
            input.consume(rest);
            return Ok(false);
        }
        let seen = input.buffered();
        match next_record(seen) {
            Some(at) => {
                input.consume(at);
                return Ok(true);
            }
            None => {
                let used = seen.len() - 6;
                input.consume(used);
            }
        }
    }
}

/// Go to the next gzip member or zstd frame whose content begins with `WARC/`.
fn find_member<R: Read>(input: &mut Input<R>, dictionary: Option<&[u8]>) -> io::Result<bool> {
    loop {
        if input.peek(4)?.len() < 4 {
            let rest = input.buffered().len();
            input.consume(rest);
            return Ok(false);
        }
        let seen = input.buffered();
        let gzip = |w: &[u8]| w.starts_with(&GZIP) && w[2] == 8 && w[3] & 0xe0 == 0;
        match seen.windows(4).position(|w| gzip(w) || w == ZSTD) {
            None => {
                let used = seen.len() - 3;
                input.consume(used);
            }
            Some(at) => {
                input.consume(at);
                let look = if input.buffered().starts_with(&GZIP) { LOOK_GZIP } else { LOOK_ZSTD };
                if begins_a_record(input.peek(look)?, dictionary) {
                    return Ok(true);
                }
                input.consume(1);
            }
        }
    }
}

/// Bytes that are looked at to see what a member holds: its header and the first symbols.
const LOOK_GZIP: usize = 1 << 12;
/// The same for a frame, which gives nothing before its first block of at most 128 KiB is whole.
const LOOK_ZSTD: usize = (1 << 17) + 64;

fn begins_a_record(member: &[u8], dictionary: Option<&[u8]>) -> bool {
    let mut start = [0u8; 5];
    let read = match (member.starts_with(&GZIP), dictionary) {
        (true, _) => GzDecoder::new(member).read_exact(&mut start),
        (_, None) => Decoder::with_buffer(member).and_then(|mut decoder| decoder.read_exact(&mut start)),
        (_, Some(dictionary)) => Decoder::with_dictionary(member, dictionary)
            .and_then(|mut decoder| decoder.read_exact(&mut start)),
    };
    read.is_ok() && &start == b"WARC/"
}
