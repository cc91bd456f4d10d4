//! Names of files that are being written: `NAME.tmpPID-SPACE`. Process ids are unique in one PID namespace of one boot of one machine
//! alone, and folders may be shared by several: SPACE tells these apart. Names without it are of earlier versions.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::OnceLock;

use super::{list, remove_file};
use crate::Hash256;

/// Digits of a space.
const DIGITS: usize = 12;

/// The extension of temporary files of this process, which those of no other one have.
pub fn temporary() -> String {
    format!("tmp{}-{}", std::process::id(), space())
}

/// The space of this process.
fn space() -> &'static str {
    static SPACE: OnceLock<String> = OnceLock::new();
    SPACE.get_or_init(|| {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let namespace = std::fs::read_link("/proc/self/ns/pid");
        let known = match (boot, namespace) {
            (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
            // Nobody knows then whose files are left.
            _ => format!("{} {}", RandomState::new().build_hasher().finish(), std::process::id()),
        };
        Hash256::of(known.as_bytes()).to_string()[..DIGITS].into()
    })
}

/// The process that called a file so, and its space.
fn writer(path: &Path) -> Option<(i32, Option<&str>)> {
    let name = path.file_name()?.to_str()?;
    let (stem, writer) = name.rsplit_once(".tmp")?;
    let (pid, space) = writer.split_once('-').map_or((writer, None), |(pid, space)| (pid, Some(space)));
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_space = |space: &str| space.len() == DIGITS && space.bytes().all(hex);
    let fine = !stem.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) && space.is_none_or(is_space);
    fine.then(|| Some((pid.parse().ok()?, space)))?
}

/// Whether `path` is called as a temporary file of any process.
pub fn is_temporary(path: &Path) -> bool {
    writer(path).is_some()
}

/// Whether `path` is called as a temporary file of a process that is surely no more: what other machines and containers write
/// is not known here.
pub fn is_leftover(path: &Path) -> bool {
    let dead = |pid| {
        let pid = rustix::process::Pid::from_raw(pid);
        pid.is_none_or(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
    };
    writer(path).is_some_and(|(pid, other)| other.is_none_or(|other| other == space()) && dead(pid))
}

/// Remove the temporary files that [`super::write()`] left in a folder when its process was killed. Those of processes that
/// live, or may live elsewhere, stay, and what cannot be removed does no harm.
pub fn remove_leftovers(dir: &Path) {
    for path in list(dir).unwrap_or_default() {
        if is_leftover(&path) {
            let _ = remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_of_the_dead_go_and_those_of_the_living_and_of_strangers_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (own, dead) = (std::process::id(), 999_999_999);
        let gone = ["a.tmp999999999".to_string(), format!("a.tmp{dead}-{}", space())];
        let stay = [
            "a".to_string(),
            "c.tmp".into(),
            "d.tmpx".into(),
            ".tmp1".into(),
            format!("b.tmp{own}"),
            format!("b.{}", temporary()),
            // Of another machine, or of another container of this one.
            format!("b.tmp{dead}-0123456789ab"),
            format!("b.tmp{dead}-{}0", space()),
            format!("b.tmp{dead}-"),
        ];
        for name in gone.iter().chain(&stay) {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        remove_leftovers(dir.path());
        for (names, there) in [(&gone[..], false), (&stay[..], true)] {
            names.iter().for_each(|name| assert_eq!(dir.path().join(name).exists(), there, "{name}"));
        }
        assert!(is_temporary(Path::new("b.tmp7-0123456789ab")) && is_temporary(Path::new("b.tmp7")));
        assert!(!is_temporary(Path::new("b.tmp7-x")) && !is_temporary(Path::new("b.tmpfile")));
    }

    #[test]
    fn a_process_keeps_its_name() {
        assert_eq!(temporary(), temporary());
        assert!(is_temporary(Path::new(&format!("x.{}", temporary()))));
    }
}
