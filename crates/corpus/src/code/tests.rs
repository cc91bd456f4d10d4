//! Trees written here, as folders and as archives.

use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn mit() -> &'static str {
    spdx::license_id("MIT").unwrap().text()
}

fn entries() -> Vec<(&'static str, Vec<u8>)> {
    let apache = spdx::license_id("Apache-2.0").unwrap().text();
    vec![
        ("LICENSE", mit().into()),
        ("a/b/deep.py", b"print(1)\n".to_vec()),
        ("big.txt", vec![b'x'; 5000]),
        ("data.bin", b"ab\0c".to_vec()),
        ("empty.c", vec![]),
        ("latin.c", b"// \xe4\n".to_vec()),
        ("main.rs", b"// SPDX-License-Identifier: GPL-3.0-or-later\nfn main() {}\n".to_vec()),
        ("odd/COPYING", b"Ask first.".to_vec()),
        ("odd/x.go", b"package x\n".to_vec()),
        ("vendor/LICENSES/Apache-2.0.txt", apache.into()),
        ("vendor/LICENSES/MIT.txt", mit().into()),
        ("vendor/run", b"#!/bin/sh\necho\n".to_vec()),
    ]
}

fn folder(dir: &Path) {
    for (path, content) in entries() {
        let full = dir.join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, content).unwrap();
    }
    std::fs::create_dir(dir.join(".git")).unwrap();
    std::fs::write(dir.join(".git/config"), "x").unwrap();
}

fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in entries().into_iter().rev() {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn read(path: &Path) -> crate::Result<Vec<String>> {
    let files = Files::open("x.tar", path, Options { max_bytes: 4000 })?;
    files
        .map(|item| {
            Ok(match item? {
                Item::File(file) => {
                    let licence = file
                        .licence
                        .map_or("-".into(), |l| format!("{} {}", l.expression, l.files.join(",")));
                    format!("{} {} {licence}", file.path, file.language.unwrap_or("?"))
                }
                Item::Licence { path, found } => format!("{path} = {}", found.join(",")),
                Item::Skipped { path, why, bytes } => format!("{path} {why:?} {bytes}"),
            })
        })
        .collect()
}

fn on_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

const EXPECTED: [&str; 12] = [
    "LICENSE = MIT",
    "a/b/deep.py Python MIT LICENSE",
    "big.txt TooLarge 5000",
    "data.bin Binary 4",
    "empty.c Empty 0",
    "latin.c NotUtf8 5",
    "main.rs Rust GPL-3.0-or-later ",
    "odd/COPYING = ",
    "odd/x.go Go -",
    "vendor/LICENSES/Apache-2.0.txt = Apache-2.0",
    "vendor/LICENSES/MIT.txt = MIT",
    "vendor/run Shell Apache-2.0 AND MIT vendor/LICENSES/Apache-2.0.txt,vendor/LICENSES/MIT.txt",
];

#[test]
fn a_folder_in_the_order_of_its_names() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("zlink.txt")).unwrap();
    let mut got = read(dir.path()).unwrap();
    assert_eq!(got.remove(0), ".git Repository 0");
    #[cfg(unix)]
    assert_eq!(got.pop().unwrap(), "zlink.txt NoFile 0");
    assert_eq!(got, EXPECTED);
}

#[test]
fn an_archive_in_its_own_order_plain_and_packed() {
    let plain = archive();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    for bytes in [plain.clone(), gzip.finish().unwrap(), zstd::encode_all(&plain[..], 1).unwrap()] {
        let mut got = read(on_disk(&bytes).path()).unwrap();
        got.reverse();
        let joined = |line: &str| line.split(' ').take(4).collect::<Vec<_>>().join(" ");
        assert_eq!(got.iter().map(|l| joined(l)).collect::<Vec<_>>(), EXPECTED.map(joined));
    }
}

#[test]
fn a_licence_beside_one_file_speaks_for_it_alone() {
    let cc0 = "SPDX-FileCopyrightText: 2026 A\n\nSPDX-License-Identifier: CC0-1.0\n";
    let hidden = "SPDX-License-Identifier: GPL-2.0-only\n";
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in [
        ("LICENSE", mit()),
        ("logo.svg.license", cc0),
        ("logo.svg", "<svg/>\n"),
        ("what.py.license", "Ask first."),
        ("what.py", "x\n"),
        ("main.py", "y\n"),
        ("sub/mylib.license", "Ask first."),
        ("sub/x.py", "z\n"),
        (".gitignore.license", hidden),
        (".hidden/LICENSE", hidden),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let lines = read(on_disk(&builder.into_inner().unwrap()).path()).unwrap();
    let of = |path: &str| lines.iter().find(|line| line.starts_with(&format!("{path} "))).unwrap().clone();
    assert_eq!(of("main.py"), "main.py Python MIT LICENSE");
    assert!(of("logo.svg").ends_with(" CC0-1.0 logo.svg.license"), "{lines:?}");
    // What nobody knows might say anything, of the one file or of the folder.
    assert_eq!([of("what.py"), of("sub/x.py")], ["what.py Python -", "sub/x.py Python -"]);
    assert!(lines.iter().all(|line| !line.contains("hidden")));
}

#[test]
fn long_names_links_and_names_that_lead_elsewhere() {
    let mut builder = tar::Builder::new(Vec::new());
    let long = format!("{}/x.py", "deep/".repeat(60));
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    builder.append_data(&mut header, &long, &b"a\n"[..]).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_entry_type(tar::EntryType::Symlink);
    builder.append_link(&mut header, "link", "/etc/passwd").unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(1);
    header.as_mut_bytes()[..9].copy_from_slice(b"../up.txt");
    header.set_cksum();
    builder.append(&header, &b"x"[..]).unwrap();
    builder.append_pax_extensions([("path", "p\u{e4}x.rs".as_bytes())]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(1);
    header.set_path("other").unwrap();
    header.set_cksum();
    builder.append(&header, &b"x"[..]).unwrap();
    let got = read(on_disk(&builder.into_inner().unwrap()).path()).unwrap();
    let long = long.replace("//", "/");
    assert_eq!(
        got,
        [
            format!("{long} Python -"),
            "link NoFile 0".into(),
            "../up.txt NoFile 1".into(),
            "p\u{e4}x.rs Rust -".into()
        ]
    );
}

#[test]
fn damaged_archives_are_errors_with_a_place() {
    let whole = archive();
    let why = |bytes: &[u8]| read(on_disk(bytes).path()).unwrap_err().to_string();
    assert_eq!(why(&whole[..700]), "`x.tar`, byte 700: tar content: the archive ends in the middle of it");
    assert_eq!(why(&whole[..100]), "`x.tar`, byte 0: tar header: the archive ends in the middle of it");
    assert!(why(&[b'x'; 600]).starts_with("`x.tar`, byte 0: tar checksum: "));
    let packed = zstd::encode_all(&whole[..], 1).unwrap();
    assert!(why(&packed[..packed.len() / 2]).starts_with("`x.tar`, byte "));
}

#[test]
fn a_name_of_ten_gigabytes_is_refused() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(10_000_000_000);
    header.set_cksum();
    let error = read(on_disk(header.as_bytes()).path()).unwrap_err().to_string();
    assert_eq!(error, "`x.tar`, byte 512: tar name: a name of 10000000000 bytes, more than 65536");
}

#[test]
fn a_size_beyond_all_numbers_is_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("size", u64::MAX.to_string().as_bytes())]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(1);
    header.set_path("a.py").unwrap();
    header.set_cksum();
    builder.append(&header, &b"x"[..]).unwrap();
    let error = read(on_disk(&builder.into_inner().unwrap()).path()).unwrap_err().to_string();
    assert!(error.contains("tar content: the archive ends in the middle of it"), "{error}");
}

proptest! {
    #[test]
    fn flipped_bytes_give_files_or_errors(flips in proptest::collection::vec((any::<usize>(), 1u8..=255), 1..5)) {
        let mut bytes = archive();
        let length = bytes.len();
        for (at, flip) in flips {
            bytes[at % length] ^= flip;
        }
        if let Ok(items) = read(on_disk(&bytes).path()) {
            prop_assert!(items.len() <= 12);
        }
    }
}
