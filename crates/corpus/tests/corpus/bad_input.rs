//! Bad documents end in an error that names the place and a way out, or in the right result; never in a panic or in a
//! corpus that is silently smaller.

use crate::common::{build, fault, gzip, plain, project, stage, texts, zstd};

#[test]
fn an_empty_file_is_named() {
    let rows = plain("in", "");
    for (content, name) in [(&b""[..], "in/a.txt"), (b"", "in/a.jsonl"), (b"\n \r\n", "in/a.jsonl")] {
        let (message, hint) = fault(&[("in/0.txt", b"text"), (name, content)], &rows);
        assert_eq!(message, format!("`{name}` of source `s` is empty"));
        assert!(hint.contains("narrow the pattern"), "{hint}");
    }
    for packed in [gzip(b""), zstd(b"")] {
        let (message, _) = fault(&[("in/a.txt.gz", &packed)], &rows);
        assert_eq!(message, "`in/a.txt.gz` of source `s` is empty");
    }
}

#[test]
fn missing_files_and_folders_without_files_are_named() {
    let (message, hint) = fault(&[("in/a.txt", b"x")], &plain("in/b.txt", ""));
    assert!(message.contains("in/b.txt"), "{message}");
    assert!(hint.contains("in/a.txt"), "{hint}");
    let dir = project(&[]);
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let failure = stage(dir.path(), &plain("in", "")).unwrap_err();
    assert!(failure.to_string().contains("no files below the folder `in`"), "{failure}");
}

#[test]
fn a_folder_of_something_else_is_refused() {
    let (message, hint) = fault(&[("in/a.txt", b"x"), ("in/b.pdf", b"x")], &plain("in", ""));
    assert_eq!(message, "cannot tell the format of `in/b.pdf` of source `s` from its name");
    assert!(hint.contains("format = \"text\""), "{hint}");
}

#[test]
fn invalid_utf8_in_plain_text() {
    let files: &[(&str, &[u8])] = &[("a.txt", b"fine"), ("b.txt", b"caf\xe9 au lait")];
    let (message, hint) = fault(files, &plain("*.txt", ""));
    assert_eq!(message, "`b.txt`: invalid UTF-8 at byte 3 of the file");
    assert!(hint.contains("iconv"), "{hint}");

    let dir = project(files);
    let corpus = build(dir.path(), &plain("*.txt", "invalid_utf8 = \"replace\""));
    assert_eq!(texts(&corpus), ["fine", "caf\u{fffd} au lait"]);
    assert!(corpus.row(1).repaired && !corpus.row(0).repaired);
    let corpus = build(dir.path(), &plain("*.txt", "invalid_utf8 = \"drop\""));
    assert_eq!(texts(&corpus), ["fine"]);
    let row = corpus.row(1);
    assert_eq!((corpus.reason_name(row.dropped.unwrap()), row.bytes), ("invalid_utf8", 12));
}

#[test]
fn invalid_utf8_far_into_a_text_that_is_cut() {
    let mut text = "line of text\n".repeat(200_000).into_bytes();
    text[2_000_000] = 0xff;
    let config = "sources = [{ name = \"s\", path = \"a.txt\", blocks = 1000 }]";
    let (message, _) = fault(&[("a.txt", &text)], config);
    assert_eq!(message, "`a.txt`: invalid UTF-8 at byte 2000000 of the file");
}

#[test]
fn invalid_utf8_in_rows() {
    let rows = b"{\"id\":1,\"text\":\"a\"}\n{\"id\":2,\"text\":\"b\xff\"}\n{\"id\":3,\"text\":\"c\"}\n";
    let files: &[(&str, &[u8])] = &[("a.jsonl", rows)];
    let (message, _) = fault(files, &plain("a.jsonl", ""));
    assert_eq!(message, "`a.jsonl`, line 2: invalid UTF-8 at byte 17 of the line");
    let dir = project(files);
    let corpus = build(dir.path(), &plain("a.jsonl", "invalid_utf8 = \"replace\""));
    assert_eq!(texts(&corpus), ["a", "b\u{fffd}", "c"]);
    let corpus = build(dir.path(), &plain("a.jsonl", "invalid_utf8 = \"drop\""));
    assert_eq!(texts(&corpus), ["a", "c"]);
    assert_eq!(corpus.id(1), "2");
}

/// A text in UTF-16 with the mark of the byte order, the least byte first or last.
fn utf16(text: &str, least_first: bool) -> Vec<u8> {
    let bytes = |unit: u16| if least_first { unit.to_le_bytes() } else { unit.to_be_bytes() };
    format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
}

#[test]
fn a_file_in_utf_16_is_told_by_its_mark() {
    let row = "{\"id\":\"a\",\"text\":\"ein Löwe\"}\n{\"id\":\"b\",\"text\":\"中文\"}\n";
    let table = "id,text\r\na,\"ein Löwe, 中文\"\r\n";
    for least_first in [true, false] {
        for (name, text, source) in [
            ("a.txt", "ein Löwe\n", ""),
            ("a.txt", "ein Löwe\n", ", blocks = 100"),
            ("a.md", "# ein Löwe\n", ", format = \"markdown\""),
            ("a.jsonl", row, ""),
            ("a.csv", table, ""),
            // Nothing of it passes for a zero byte, by which files are told that are no text.
            ("c/a.rs", "这个程序什么也不做", ", format = \"code\""),
        ] {
            let bytes = utf16(text, least_first);
            let config = format!("sources = [{{ name = \"s\", path = \"{name}\"{source} }}]");
            let (message, hint) = fault(&[(name, &bytes)], &config);
            assert_eq!(message, format!("`{name}` begins with the mark of UTF-16, but text must be UTF-8"));
            assert_eq!(hint, "convert the file to UTF-8 (iconv -f UTF-16 -t UTF-8)");
        }
        // Pages say by the mark what they are.
        let page = utf16("<html><body><p>Ein Löwe liegt vor der Höhle.</p></body></html>", least_first);
        let dir = project(&[("a.html", &page)]);
        assert!(texts(&build(dir.path(), &plain("a.html", "")))[0].contains("Ein Löwe liegt"));
        // Who wants such files dropped has them dropped.
        let dir = project(&[("a.txt", &utf16("é", least_first)), ("b.txt", b"fine")]);
        assert_eq!(texts(&build(dir.path(), &plain("*.txt", "invalid_utf8 = \"drop\""))), ["fine"]);
    }
    let (message, hint) = fault(&[("a.txt", b"\xff\xfe\0\0a\0\0\0")], &plain("a.txt", ""));
    assert!(message.contains("UTF-32") && hint.contains("iconv -f UTF-32"), "{message} {hint}");
    // Elsewhere, or alone, these bytes say nothing.
    for text in [&b"a\n\xff\xfe"[..], b"\xff", b"\xfe\xfe\xff"] {
        let (message, _) = fault(&[("a.txt", text)], &plain("a.txt", ""));
        assert!(message.contains("invalid UTF-8 at byte"), "{message}");
    }
}

#[test]
fn half_a_utf16_pair_is_no_text() {
    let files: &[(&str, &[u8])] = &[("a.jsonl", b"{\"text\":\"a\"}\n{\"text\":\"b\\ud83d\"}\n")];
    let (message, hint) = fault(files, &plain("a.jsonl", ""));
    assert!(message.starts_with("`a.jsonl`, line 2, column "), "{message}");
    assert!(hint.contains("invalid_utf8"), "{hint}");
    let dir = project(files);
    let corpus = build(dir.path(), &plain("a.jsonl", "invalid_utf8 = \"replace\""));
    assert_eq!(texts(&corpus), ["a", "b\u{fffd}"]);
    let corpus = build(dir.path(), &plain("a.jsonl", "invalid_utf8 = \"drop\""));
    assert_eq!(texts(&corpus), ["a"]);
}

#[test]
fn cut_off_files_are_named() {
    let row = |i: u32| format!("{{\"id\":{i},\"text\":\"{}\"}}\n", i.wrapping_mul(2_654_435_761));
    let content: String = (0..20_000).map(row).collect();
    for (name, packed) in [("gzip", gzip(content.as_bytes())), ("zstd", zstd(content.as_bytes()))] {
        let file = format!("a.jsonl.{}", if name == "gzip" { "gz" } else { "zst" });
        for cut in [packed.len() - 1, packed.len() / 2, 12, 5] {
            let (message, hint) = fault(&[(&file, &packed[..cut])], &plain(&file, ""));
            assert_eq!(message, format!("`{file}` is cut off: its {name} data ends early"), "at {cut}");
            assert!(hint.contains("its end is missing"), "{hint}");
        }
    }
}

#[test]
fn what_follows_the_last_gzip_member_is_padding_or_an_error() {
    let rows = |zeros: &[u8]| [&gzip(b"{\"id\":1,\"text\":\"a\"}\n")[..], zeros].concat();
    let dir = project(&[("a.jsonl.gz", &rows(&[0; 700]))]);
    assert_eq!(texts(&build(dir.path(), &plain("a.jsonl.gz", ""))), ["a"]);
    let (message, hint) = fault(&[("a.jsonl.gz", &rows(b"\0\0trailing garbage"))], &plain("a.jsonl.gz", ""));
    assert_eq!(
        message,
        "cannot decompress `a.jsonl.gz` as gzip: something that is no gzip (0x74726169) follows its last member"
    );
    assert!(hint.contains("gzip -t"), "{hint}");
}

#[test]
fn damaged_and_misnamed_compression_is_named() {
    let mut packed = gzip(&b"some text to compress".repeat(500));
    let middle = packed.len() / 2;
    packed[middle] ^= 0xff;
    let (message, hint) = fault(&[("a.txt.gz", &packed)], &plain("a.txt.gz", ""));
    assert!(message.starts_with("cannot decompress `a.txt.gz` as gzip"), "{message}");
    assert!(hint.contains("gzip -t"), "{hint}");
    let (message, _) = fault(&[("a.txt.zst", b"plain text")], &plain("a.txt.zst", ""));
    assert!(message.starts_with("cannot decompress `a.txt.zst` as zstd"), "{message}");
    let dir = project(&[("a.txt", &gzip(b"packed all the same"))]);
    assert_eq!(texts(&build(dir.path(), &plain("a.txt", ""))), ["packed all the same"]);
}

#[test]
fn rows_without_text() {
    let rows = b"{\"id\":\"x\",\"text\":\"a\"}\n\n{\"id\":\"y\"}\n{\"id\":\"z\",\"text\":null}\n{\"id\":\"e\",\"text\":\"\"}\n";
    let files: &[(&str, &[u8])] = &[("a.jsonl", rows)];
    let (message, hint) = fault(files, &plain("a.jsonl", ""));
    assert_eq!(message, "`a.jsonl`, line 3: the row has no text field `text`");
    assert!(hint.contains("text_field") && hint.contains("missing_text"), "{hint}");
    let dir = project(files);
    let corpus = build(dir.path(), &plain("a.jsonl", "missing_text = \"drop\""));
    assert_eq!(texts(&corpus), ["a"]);
    let fate: Vec<_> = (1..4).map(|i| corpus.reason_name(corpus.row(i).dropped.unwrap())).collect();
    assert_eq!(fate, ["missing_text", "missing_text", "empty"]);
    let funnel = corpus.funnel().unwrap();
    let steps: Vec<_> = funnel.steps.iter().map(|s| (s.step.as_str(), s.left.documents)).collect();
    assert_eq!(steps, [("read", 4), ("missing_text", 2), ("empty", 1)]);
}

#[test]
fn rows_of_other_shapes_are_named() {
    let of = |row: &str, more: &str| {
        let rows = format!("{{\"id\":0,\"text\":\"a\"}}\n{row}\n");
        let config = format!("sources = [{{ name = \"s\", path = \"a.jsonl\"{more} }}]");
        fault(&[("a.jsonl", rows.as_bytes())], &config).0
    };
    assert_eq!(
        of("{\"text\": 5}", ""),
        "`a.jsonl`, line 2: field `text` must be a text, found a whole number"
    );
    assert_eq!(
        of("{\"text\": \"a\", \"id\": [1]}", ""),
        "`a.jsonl`, line 2: field `id` must be a text or a whole number, found a list"
    );
    assert_eq!(
        of("{\"text\": \"a\", \"author_kind\": \"robot\"}", ""),
        "`a.jsonl`, line 2: field `author_kind` must be one of human, machine, mixed, unknown, found `robot`"
    );
    assert_eq!(
        of("{\"text\": \"a\", \"metadata\": {\"license\": \"cc by 4\"}}", ""),
        "`a.jsonl`, line 2: licence `cc by 4` of source `s` is not an SPDX expression: unknown term"
    );
    assert_eq!(
        of("{\"text\": \"a\"}", ", format = \"dolma\""),
        "`a.jsonl`, line 2: the row has no field `id`, which the Dolma format requires"
    );
    assert!(of("{\"text\": \"a", "").starts_with("`a.jsonl`, line 2, column 11: EOF"));
    assert_eq!(
        of("[\"text\"]", ""),
        "`a.jsonl`, line 2, column 1: invalid type: sequence, expected a JSON object"
    );
}

#[test]
fn two_rows_with_one_id_are_both_named() {
    let files: &[(&str, &[u8])] = &[
        ("a.jsonl", b"{\"id\":\"x\",\"text\":\"a\"}\n{\"id\":7,\"text\":\"b\"}\n"),
        ("b.jsonl", b"{\"id\":\"y\",\"text\":\"c\"}\n\n{\"id\":\"7\",\"text\":\"d\"}\n"),
    ];
    let (message, hint) = fault(files, &plain("*.jsonl", ""));
    assert_eq!(message, "source `s` has the id `7` twice: `a.jsonl`, line 2 and `b.jsonl`, line 3");
    assert!(hint.contains("two sources"), "{hint}");
    // In two sources of their own they are two documents.
    let dir = project(files);
    let config = "sources = [{ name = \"a\", path = \"a.jsonl\" }, { name = \"b\", path = \"b.jsonl\" }]\n\
         filter = { quality = \"none\" }\nvalidation = 0";
    assert_eq!(texts(&build(dir.path(), config)), ["a", "b", "c", "d"]);
}

#[test]
fn a_line_of_200_mb_is_one_document() {
    let sentence = "the whole of that line is one document \\u00e9 and goes on ";
    let times = 200_000_000 / sentence.len() + 1;
    let mut rows = b"{\"id\":\"before\",\"text\":\"short\"}\n{\"id\":\"long\",\"text\":\"".to_vec();
    rows.extend(sentence.as_bytes().repeat(times));
    rows.extend_from_slice(b"\"}\n{\"id\":\"after\",\"text\":\"short too\"}\n");
    let packed = zstd(&rows);
    drop(rows);
    let dir = project(&[("a.jsonl.zst", &packed)]);
    let config = "sources = [{ name = \"s\", path = \"a.jsonl.zst\" }]\nvalidation = 0\nfilter = { min_words = 1, \
         max_words = 0, min_stop_words = 0 }";
    // Its words and lines are in memory, too.
    let little = stage(dir.path(), &format!("{config}\nmemory = 1000000000")).unwrap_err();
    assert!(
        little.to_string().contains("a.jsonl.zst") && little.hint().unwrap().contains("memory"),
        "{little}"
    );
    let corpus = build(dir.path(), config);
    assert_eq!(corpus.kept().map(|i| corpus.id(i)).collect::<Vec<_>>(), ["before", "long", "after"]);
    let text = corpus.text(1).unwrap().unwrap();
    assert_eq!(text.len(), times * (sentence.len() - 4));
    assert!(text.starts_with("the whole of that line is one document é and") && text.ends_with("goes on "));
}

#[test]
fn a_document_longer_than_all_others_keeps_its_place() {
    let long = "the long document of that kind\n".repeat(100_000);
    let files: &[(&str, &[u8])] =
        &[("a.txt", b"first"), ("b.txt", long.as_bytes()), ("c.txt", b"last"), ("d.txt", long.as_bytes())];
    let corpus = build(project(files).path(), &plain("*.txt", ""));
    assert_eq!(texts(&corpus), ["first", &long, "last"]);
    assert_eq!(corpus.row(3).representative, Some(1));
}

#[test]
fn nothing_left_shows_the_funnel() {
    let rows = b"{\"text\":\"too short\"}\n{\"text\":\"\"}\n{\"text\":\"too short as well\"}\n";
    let (message, hint) = fault(&[("a.jsonl", rows)], "sources = [{ name = \"s\", path = \"a.jsonl\" }]");
    assert_eq!(
        message,
        "no document is left of 3 read\n  read: 3 documents, 26 B\n  empty (text of no length): 1 dropped, 2 documents \
         left\n  min_words (number of words below 50): 2 dropped, 0 documents left"
    );
    assert!(hint.contains("quality = \"none\""), "{hint}");
}

#[test]
fn nothing_left_says_what_to_do_about_the_greatest_step() {
    let rows = b"{\"text\":\"caf\xe9\"}\n{\"text\":\"\xff\xfe\"}\n{\"text\":\"\"}\n";
    let source = "sources = [{ name = \"s\", path = \"a.jsonl\" }]\nfilter = { quality = \"none\" }\n";
    let (message, hint) = fault(&[("a.jsonl", rows)], &format!("{source}invalid_utf8 = \"drop\""));
    assert!(message.contains("invalid_utf8 (text that is not UTF-8): 2 dropped"), "{message}");
    assert!(hint.contains("invalid_utf8 = \"replace\"") && !hint.contains("quality"), "{hint}");
    let of = |rows: &[u8], more: &str| fault(&[("a.jsonl", rows)], &format!("{source}{more}")).1;
    let hint = of(b"{\"txt\":\"a\"}\n", "missing_text = \"drop\"");
    assert!(hint.contains("`text_field`"), "{hint}");
    let hint = of(b"{\"text\":\"a\"}\n", "drop = [\"bytes < 9\"]");
    assert!(hint.contains("`bytes < 9`"), "{hint}");
}

#[test]
fn a_licence_in_words_may_count_as_none() {
    let rows = b"{\"text\":\"a\",\"license\":\"Public Domain\"}\n";
    let (message, hint) = fault(&[("a.jsonl", rows)], "sources = [{ name = \"s\", path = \"a.jsonl\" }]");
    assert!(message.contains("`Public Domain`"), "{message}");
    assert!(hint.contains("invalid_licence = \"noassertion\""), "{hint}");
}

#[test]
fn all_in_validation_is_refused() {
    let config =
        "sources = [{ name = \"s\", path = \"a.txt\" }]\nfilter = { quality = \"none\" }\nvalidation = 1";
    let (message, hint) = fault(&[("a.txt", b"text")], config);
    assert_eq!(message, "all 1 document kept went to validation (validation = 1); none is left to train on");
    assert!(hint.contains("lower `validation`"), "{hint}");
}

#[test]
fn the_config_is_checked_before_anything_is_read() {
    let of = |source: &str| fault(&[("a.txt", b"x")], &format!("sources = [{source}]"));
    let (message, hint) = of("{ name = \"s\", path = \"a.txt\", licence = \"apache 2\" }");
    assert!(message.contains("licence `apache 2` is not an SPDX expression"), "{message}");
    assert_eq!(hint, "did you mean `Apache-2.0`?");
    assert!(of("").0.contains("at least one source"));
    assert!(of("{ name = \"a b\", path = \"a.txt\" }").0.contains("`a b` is not a name"));
    assert!(of("{ name = \"s\", paths = \"a.txt\" }").0.contains("unknown field `paths`"));
}

#[test]
fn every_damaged_file_of_an_artifact_is_named() {
    let row = |i: u32| format!("{{\"id\":\"{i}é\",\"text\":\"text {i} é\"}}\n");
    let content: String = (0..50).map(row).collect();
    let dir = project(&[("a.jsonl", content.as_bytes())]);
    let config = "sources = [{ name = \"s\", path = \"a.jsonl\" }]\nvalidation = 0\nfilter = { min_words = 1, \
         min_stop_words = 0, min_alphabetic_share = 0, min_mean_word_length = 0 }";
    let artifact = stage(dir.path(), config).unwrap();
    let read = || -> regimen_corpus::Result<usize> {
        let corpus = regimen_corpus::Corpus::open_dir(&artifact.path)?;
        let mut bytes = 0;
        for i in 0..corpus.len() as u32 {
            bytes += corpus.text(i)?.map_or(0, str::len) + corpus.id(i).len() + corpus.rules(i).len();
        }
        corpus.funnel()?;
        Ok(bytes)
    };
    read().unwrap();
    for name in
        ["docs.tbl", "text.bin", "text.idx", "ids.bin", "ids.idx", "rules.bin", "names.json", "funnel.json"]
    {
        let path = artifact.file(name);
        let whole = std::fs::read(&path).unwrap();
        // One byte less, or for JSON, whose last byte is a line feed, three.
        let less = if name.ends_with("json") { 3 } else { 1 };
        std::fs::write(&path, &whole[..whole.len() - less]).unwrap();
        let error = read().unwrap_err().to_string();
        let other = if name.ends_with(".bin") { name.replace(".bin", ".idx") } else { name.into() };
        assert!(error.contains(name) || error.contains(&other), "{name}: {error}");
        std::fs::remove_file(&path).unwrap();
        assert!(read().unwrap_err().to_string().contains(name), "{name}");
        std::fs::write(&path, whole).unwrap();
    }
    // Bytes that change in place are found where they must be, and never lead to a panic.
    for name in ["docs.tbl", "text.bin", "text.idx", "ids.bin", "ids.idx"] {
        let path = artifact.file(name);
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 97 + 1) {
            let mut damaged = whole.clone();
            damaged[at] = 0xff;
            std::fs::write(&path, damaged).unwrap();
            let _ = read();
        }
        std::fs::write(&path, whole).unwrap();
    }
    let mut text = std::fs::read(artifact.file("text.bin")).unwrap();
    text[2] = 0xff;
    std::fs::write(artifact.file("text.bin"), text).unwrap();
    assert!(
        read()
            .unwrap_err()
            .to_string()
            .contains("text.bin` is damaged: document 0 is invalid UTF-8 at its byte 2")
    );
}
