//! Trees of source code as sources: which files become documents, and under which licence.

use regimen_corpus::Corpus;
use regimen_corpus::inspect::Originals;

use crate::common::{build, fault, project, stage, texts};

fn licence(id: &str) -> Vec<u8> {
    spdx::license_id(id).unwrap().text().into()
}

/// Two licences, sub-folders, and files that are no code. Sorted by path.
fn tree() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("t/LICENSE", licence("MIT")),
        ("t/big.c", vec![b'x'; 2 << 20]),
        ("t/empty/__init__.py", Vec::new()),
        ("t/image.png", b"\x89PNG\0\0".to_vec()),
        ("t/latin.c", b"// caf\xe9\nint x;\n".to_vec()),
        ("t/notes.xyz", b"No language.".to_vec()),
        ("t/odd/COPYING", b"Ask first.".to_vec()),
        ("t/odd/y.js", b"let y = 1;\n".to_vec()),
        ("t/src/deep/x.py", b"\xef\xbb\xbfprint(1)\n".to_vec()),
        ("t/src/main.rs", b"fn main() {}\n".to_vec()),
        ("t/src/run", b"#!/bin/sh\necho 1\n".to_vec()),
        ("t/third/CVS/Root.txt", b"of a version control system".to_vec()),
        ("t/third/LICENSES/Apache-2.0.txt", licence("Apache-2.0")),
        ("t/third/own.go", b"// SPDX-License-Identifier: BSD-3-Clause\npackage own\n".to_vec()),
        ("t/third/sub/lib.c", b"int lib;\n".to_vec()),
        ("t/zero.c", b"int a;\0int b;\n".to_vec()),
    ]
}

fn config(path: &str, more: &str, stage: &str) -> String {
    format!(
        "sources = [{{ name = \"s\", path = \"{path}\", format = \"code\"{more} }}]\n\
         filter = {{ quality = \"none\" }}\nvalidation = 0\n{stage}\n"
    )
}

fn with(files: &[(&'static str, Vec<u8>)]) -> tempfile::TempDir {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (*path, &content[..])).collect();
    project(&files)
}

/// Id, licence, and why it is dropped.
fn fates(corpus: &Corpus) -> Vec<(String, String, String)> {
    let fate = |o: u32| {
        let row = corpus.row(o);
        let reason = row.dropped.map_or("", |reason| corpus.reason_name(reason));
        (corpus.id(o).to_string(), corpus.licence_name(row.licence).to_string(), reason.to_string())
    };
    (0..corpus.len() as u32).map(fate).collect()
}

const EXPECTED: [(&str, &str, &str); 16] = [
    ("LICENSE", "NOASSERTION", "licence_file"),
    ("big.c", "NOASSERTION", "too_large"),
    ("empty/__init__.py", "NOASSERTION", "empty"),
    ("image.png", "NOASSERTION", "binary"),
    ("latin.c", "MIT", ""),
    ("notes.xyz", "NOASSERTION", "no_code"),
    ("odd/COPYING", "NOASSERTION", "licence_file"),
    ("odd/y.js", "NOASSERTION", ""),
    ("src/deep/x.py", "MIT", ""),
    ("src/main.rs", "MIT", ""),
    ("src/run", "MIT", ""),
    ("third/CVS/Root.txt", "NOASSERTION", "no_code"),
    ("third/LICENSES/Apache-2.0.txt", "NOASSERTION", "licence_file"),
    ("third/own.go", "BSD-3-Clause", ""),
    ("third/sub/lib.c", "Apache-2.0", ""),
    ("zero.c", "NOASSERTION", "binary"),
];

fn expected(base: &str) -> Vec<(String, String, String)> {
    EXPECTED
        .iter()
        .map(|(path, of, why)| (format!("{base}/{path}"), of.to_string(), why.to_string()))
        .collect()
}

#[test]
fn files_of_a_folder_are_documents_under_the_nearest_licence() {
    let dir = with(&tree());
    let corpus = build(dir.path(), &config("t", "", "invalid_utf8 = \"replace\""));
    assert_eq!(fates(&corpus), expected("t"));
    assert_eq!(
        texts(&corpus),
        [
            "// caf\u{fffd}\nint x;\n",
            "let y = 1;\n",
            "print(1)\n",
            "fn main() {}\n",
            "#!/bin/sh\necho 1\n",
            "// SPDX-License-Identifier: BSD-3-Clause\npackage own\n",
            "int lib;\n"
        ]
    );
    assert_eq!(corpus.place(9).to_string(), "`t/src/main.rs`");
    assert!(corpus.row(4).repaired && !corpus.row(9).repaired && !corpus.row(9).own_id);
    assert_eq!(corpus.row(1).bytes, 2 << 20);
}

#[test]
fn a_declared_licence_stands_where_none_is_found_and_rules_see_path_and_language() {
    let dir = with(&tree());
    let stage = "invalid_utf8 = \"drop\"\ndrop = ['metadata.language == \"Python\"', 'contains(metadata.path, \"third/sub\")', \
                 'licence == \"BSD-3-Clause\"']";
    let corpus = build(dir.path(), &config("t", ", licence = \"ISC\"", stage));
    let of = |path: &str| {
        let all = fates(&corpus);
        let found = all.iter().find(|(id, ..)| id == &format!("t/{path}")).unwrap().clone();
        (found.1, found.2)
    };
    let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
    assert_eq!(of("odd/y.js"), pair("ISC", ""));
    assert_eq!(of("src/main.rs"), pair("MIT", ""));
    assert_eq!(of("src/deep/x.py"), pair("MIT", "drop_1"));
    assert_eq!(of("third/sub/lib.c"), pair("Apache-2.0", "drop_2"));
    assert_eq!(of("third/own.go"), pair("BSD-3-Clause", "drop_3"));
    assert_eq!(of("latin.c"), pair("ISC", "invalid_utf8"));
    assert_eq!(of("image.png"), pair("ISC", "binary"));
}

#[test]
fn invalid_text_is_an_error_that_names_file_and_byte() {
    let files = tree();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (*path, &content[..])).collect();
    let (message, hint) = fault(&files, &config("t", "", ""));
    assert_eq!(message, "`t/latin.c`: invalid UTF-8 at byte 6 of the file");
    assert!(hint.contains("invalid_utf8"), "{hint}");
}

#[test]
fn licence_files_count_only_if_the_source_names_them_and_change_the_corpus() {
    let dir = with(&tree());
    let only = config("t/**/*.rs", "", "");
    assert_eq!(
        fates(&build(dir.path(), &only)),
        [("t/src/main.rs".into(), "NOASSERTION".into(), String::new())]
    );
    let all = config("t/src", "", "");
    assert_eq!(fates(&build(dir.path(), &all))[1].1, "NOASSERTION");
    std::fs::write(dir.path().join("t/src/COPYING"), licence("ISC")).unwrap();
    assert_eq!(fates(&build(dir.path(), &all))[2].1, "ISC");
}

#[test]
fn an_archive_is_a_tree_of_its_own() {
    let mut builder = tar::Builder::new(Vec::new());
    // As in a folder, what is hidden is not there.
    let hidden =
        ["t/.hidden.py", "t/src/.github/x.py", "t/.git/config"].map(|path| (path, b"print(1)\n".to_vec()));
    for (path, content) in hidden.into_iter().chain(tree()) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path.strip_prefix("t/").unwrap(), &content[..]).unwrap();
    }
    let plain = builder.into_inner().unwrap();
    let packed = [
        ("a/t.tar", plain.clone()),
        ("a/t.tar.gz", crate::common::gzip(&plain)),
        ("a/t.tgz", crate::common::gzip(&plain)),
        ("a/t.tar.zst", crate::common::zstd(&plain)),
    ];
    for (name, content) in packed {
        let dir = with(&[(name, content.clone())]);
        let artifact = stage(dir.path(), &config("a", "", "invalid_utf8 = \"replace\"")).unwrap();
        let corpus = Corpus::open(&artifact).unwrap();
        assert_eq!(fates(&corpus), expected(name));
        assert_eq!(corpus.place(9).to_string(), format!("`{name}`, entry 10"));
        let (message, _) = fault(&[(name, &content)], &config("a", "", ""));
        assert_eq!(message, format!("`{name}/latin.c`: invalid UTF-8 at byte 6 of the file"));
    }
    let (message, _) = fault(&[("a/t.tar", &plain[..3000])], &config("a", "", ""));
    assert!(message.contains("`a/t.tar`, byte") && message.contains("tar content"), "{message}");
}

#[test]
fn what_was_dropped_is_read_again_from_the_tree() {
    let dir = with(&tree());
    let stage_config =
        config("t", "", "invalid_utf8 = \"replace\"\ndrop = ['metadata.language == \"Rust\"']");
    let artifact = stage(dir.path(), &stage_config).unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let read = originals.texts(&corpus, &[9, 4]).unwrap();
    assert_eq!(read, [Ok("fn main() {}\n".to_string()), Ok("// caf\u{fffd}\nint x;\n".into())]);
    std::fs::write(dir.path().join("t/src/main.rs"), "fn other() {}\n").unwrap();
    assert!(originals.texts(&corpus, &[9]).unwrap()[0].as_ref().unwrap_err().contains("has changed since"));
}

#[test]
fn any_number_of_threads_gives_the_same_payload() {
    let payload = |threads| {
        let dir = with(&tree());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let config = config("t", "", "invalid_utf8 = \"replace\"");
        pool.install(|| stage(dir.path(), &config).unwrap().manifest.payload)
    };
    assert_eq!(payload(1), payload(4));
}
