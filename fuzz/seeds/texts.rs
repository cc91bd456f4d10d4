//! Seeds that are text.

use regimen_fuzz::tokenizers_made::FILES;

use super::Seeds;

fn numbered(all: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Seeds {
    all.into_iter().enumerate().map(|(number, content)| (format!("{number:02}"), content.into())).collect()
}

fn record(kind: &str, media: &str, block: &str) -> String {
    format!(
        "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{kind}>\r\nWARC-Date: 2026-11-26T10:00:00Z\r\n\
         WARC-Target-URI: http://a.org/x\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{block}\r\n\r\n",
        block.len()
    )
}

pub fn warc() -> Seeds {
    let page = "<html><body><p>Some words of text.</p></body></html>";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 52\r\n\r\n{page}"
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n";
    let gzip = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot packed";
    let deflate = "HTTP/1.1 200 OK\r\nContent-Encoding: deflate, identity\r\n\r\nnot packed";
    let http = "application/http; msgtype=response";
    let records = [
        record("warcinfo", "application/warc-fields", "software: x\r\nformat: WARC"),
        record("request", "application/http; msgtype=request", "GET / HTTP/1.1\r\n\r\n"),
        record("response", http, &answer),
        record("response", http, chunked),
        record("response", http, gzip),
        record("response", http, deflate),
        record("conversion", "text/plain", "plain text of a page\n"),
        record("metadata", "application/json", "{\"a\": [1, 2]}"),
        record("resource", "text/html", page),
    ];
    let all = records.concat();
    let members = records.join("\x01");
    let long = record("response", http, "x").replace("Content-Length: 1", "Content-Length: 99999999");
    let cut = &all[..all.len() - 70];
    let folded =
        all.replace("WARC-Date: ", "WARC-Folded: a\r\n b\r\n\tc\r\nwarc-date:").replace("1.0", "1.1");
    let damaged = all.replace("Content-Length: 26", "Content-Length: 2x6");
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for content in [&all[..], &members, &long, cut, &folded, &damaged, &all.replace("\r\n", "\n"), "WARC/"] {
        for flags in [0u8, 1, 2, 4, 5, 6, 0x34, 0x15] {
            seeds.push([&[flags], content.as_bytes()].concat());
        }
    }
    // A frame with a dictionary ahead.
    let frame = zstd::bulk::compress(records[2].as_bytes(), 1).unwrap_or_default();
    let mut skipped = vec![0, 0x5d, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, b'd', b'i', b'c', b't'];
    skipped.extend(frame);
    seeds.push(skipped);
    numbered(seeds)
}

pub fn html() -> Seeds {
    let plain = "<!doctype html><html lang=en><head><title>A title &amp; more</title><meta charset=utf-8>\
        <meta property=\"og:title\" content=\"Social\"><link rel=license href='https://a.org/l'></head><body>\
        <nav><ul><li><a href=/a>Home</a><li><a href=/b>Other</a></ul></nav><article><h1>Head</h1>\
        <p>A paragraph with enough words in it to be taken for text, and a comma.</p>\
        <table><tr><th>a<td>b</table><pre> x\n  y</pre><ol start=3><li>one<li>two</ol><blockquote>q</blockquote>\
        <p>Another paragraph, with &eacute;&#233;&#xe9;&nLt; entities, and <b>bold <i>both</b> wrong</i> nesting.</p>\
        <script>if (a < b) { '</p>' }</script><style>p { color: red }</style><!-- a comment --><br/>\
        </article><footer>Copyright, share, follow us</footer></body></html>";
    let pieces = [
        plain,
        "<?xml version='1.0' encoding='iso-8859-1'?><html><p>\u{e9}</p>",
        "<meta http-equiv=content-type content='text/html; charset=shift_jis'><p>x",
        "<div>\x01<div class='comment sidebar'><p>word, word</p>\x01</div>",
        "\x01<b>\x01",
        "<p>\x01<a href=x>link</a> \x01</p>",
        "<table>\x01<tr><td>\x01</table>",
        "\x01<p class=content>some words here, and there\x01",
        "\x01</p></div>\x01",
        "<!--\x01-->\x01",
        "\x01<!--\x01",
        "\x01&\x01",
        "\x01&#x\x01",
        "<p \x01a=b \x01>x",
        "\x01<script>\x01",
        "\x01<![CDATA[\x01",
        "<textarea>\x01</textare\x01",
        "<ul>\x01<li><ul>\x01",
        "<pre>\x01\n \x01</pre>",
        "<p>\x01word \x01</p>",
        "\x01<form><select><option>\x01",
    ];
    let mut seeds = Vec::new();
    for piece in pieces {
        for flags in [0u8, 9] {
            seeds.push([&[flags], piece.as_bytes()].concat());
        }
    }
    numbered(seeds)
}

pub fn attributes() -> Seeds {
    let rows = [
        r#"{"id":"a","text":"né, one and two.\n@ x a@b.org 192.168.0.1 lorem ipsum {","source":"s","metadata":{"url":"https://a.org/x"}}"#,
        r#"{"id":7,"text":"日本 🦀 \ud83e\udd80\n\n\nsame\nsame\n+49 30 123456 4111 1111 1111 1111"}"#,
        r#"{"id":-1.5,"text":"","metadata":null,"added":[{"a":[1]}]}"#,
        "{\n\"id\":\"x\",\"text\":\"javascript terms of use\"\n}",
    ];
    let stored: [&[u8]; 4] = [
        b"\x00\x00\x00\x00",
        b"\x02\x01\x00\x05\x01\x02\x08\x01\x03\x01\x01\x00",
        b"\xff\xff\xff\xff\x7f\x01",
        b"",
    ];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for row in rows {
        seeds.extend(stored.iter().map(|stored| [row.as_bytes(), &[0], stored].concat()));
    }
    numbered(seeds)
}

pub fn jsonl() -> Seeds {
    let rows = [
        r#"{"id":"a","text":"x\ny é \u00e9 \ud83e\udd80","created":"2020-01-01","metadata":{"license":"MIT","author_kind":"human"},"license":null}"#,
        r#"{"text":"lone \ud800 half","id":18446744073709551615}"#,
        r#"{"text":null,"id":-7,"other":[1e400,{"a":{"b":[]}}],"text":"again"}"#,
        r#"{"te\u0078t":"escaped key","id":1.5}"#,
        r#" {"text":"a"} "#,
        r#"{"text":"a"} x"#,
        "[[[[[[[[]]]]]]]]",
    ];
    let mut seeds: Vec<Vec<u8>> = rows.iter().map(|row| [b"\0", row.as_bytes()].concat()).collect();
    let lines = format!("\u{feff}{}\n\n \r\n{}\n", rows[0], rows[2]);
    seeds.push([b"\x21", lines.as_bytes()].concat());
    seeds.push([b"\x07", &zstd::bulk::compress(lines.as_bytes(), 1).unwrap_or_default()[..]].concat());
    let mut encoder = flate2::write::GzEncoder::new(vec![9], flate2::Compression::none());
    let packed = std::io::Write::write_all(&mut encoder, lines.as_bytes()).and_then(|()| encoder.finish());
    seeds.push(packed.unwrap_or_default());
    numbered(seeds)
}

pub fn expr() -> Seeds {
    let behind = "\0Some text, with\nlines a@b.org.\0{\"url\":\"https://a.org\",\"n\":12,\"t\":\"x\"}";
    let expressions = [
        "gopher_v1.word_count < 50 or count(pii@dolma.emails) > 5",
        "not (source == \"a\" and bytes >= 1e3) or metadata.n in [1, 12, -3]",
        "contains(text, 'mail') and matches(id, \"^[a-z]{1,3}(x|y)*$\") and has(metadata.url)",
        "-1 + 2 * bytes / (3 - 4) != metadata.n and covered(c4@dolma.lines_with_too_few_words) <= .5",
        "max(length.bytes) > 1 and true != false",
        "source in [\"a\", 'b', \"\\\"\"] or licence < \"M\" and author > metadata.t",
        "((((((((true))))))))",
        "not not not - - - 1 > 2",
    ];
    let long = format!("{}true", "true and ".repeat(2000));
    let sum = format!("1{} > 0", "+1".repeat(4000));
    let all = expressions.iter().map(|text| format!("{text}{behind}")).chain([long, sum]);
    numbered(all)
}

pub fn plain_licence() -> Seeds {
    let mit = "MIT License\n\nCopyright (c) 2020 A\n\nPermission is hereby granted, free of charge, to any person obtaining a copy \
        of this software and associated documentation files (the \"Software\"), to deal in the Software without restriction";
    numbered([
        format!("LICENSE\0{mit}"),
        format!("src/LICENSE-MIT.txt\0{mit}\x01{mit}\x01"),
        "a.h\0// SPDX-License-Identifier: (GPL-2.0-only OR MIT) */\n# SPDX-License-Identifier: Apache-2.0".into(),
        "a.m\0#import <x>\n% it under the terms of the GNU General Public License, either version 2, or any later version".into(),
        "x/COPYING.LESSER\0Licensed under the Apache License, Version 2.0".into(),
        "a\0#!/usr/bin/env -S python3 -x\n".into(),
        "a\0\x01SPDX-License-Identifier: (MIT\n\x01".into(),
        "a\0\x01word \x01".into(),
        ".gitignore\0x".into(),
        "é.PY\0x".into(),
    ])
}

pub fn tags() -> Seeds {
    let metadata = r#"{"url":"https://user@www.a.co.uk:80/x","html":"<a href=\"https://creativecommons.org/licenses/by/4.0\">","author_kind":"human"}"#;
    let units = [
        "Some words of text, and more.\n",
        "a@b.org ",
        "192.168.0.1 ",
        "+1 (555) 123-4567 ",
        "4111 1111 1111 1111 ",
        "DE89 3704 0044 0532 0130 00 ",
        "- bullet\n",
        "...\n",
        "\u{2026} ",
        "{ lorem ipsum javascript ",
        "a",
        "\n",
        " ",
        "é",
        "/* ",
        "*/",
        "\"\"\"",
        "'''",
        "// x\n",
        "# x\n",
        "<!-- ",
        "http://a.org/",
        "www.",
        "@",
        "1",
        "1.2.3.4.",
        "::",
        "AKIAIOSFODNN7EXAMPLE ",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "Copyright (c) ",
        "0123456789 ",
        "abc abc ",
        "U.S.A. ",
        "don't ",
        "日本",
        "\u{300}",
        "\r\n",
        "\u{2028}",
        "creativecommons.org/licenses/by/",
        "SPDX-License-Identifier: MIT\n",
    ];
    let mut seeds: Vec<String> = units.iter().map(|unit| format!("{metadata}\0x\x01{unit}\x01 y")).collect();
    seeds.extend(units.windows(3).map(|three| format!("{{}}\0{}", three.concat().repeat(3))));
    numbered(seeds)
}

pub fn tokenizer() -> Seeds {
    let text = "The theatre isn't  a<x>\r\n\n日本 é e\u{301} 1234 aaaaa HTTPServer \t\u{a0}x’s 'S";
    let mut seeds = Vec::new();
    for (number, file) in FILES.iter().enumerate() {
        seeds.push([&[128 + number as u8], text.as_bytes()].concat());
        seeds.push([b"\0", file.to_string().as_bytes(), b"\0", text.as_bytes()].concat());
    }
    let small = [
        r#"{"model":{"type":"BPE","vocab":{"a":0,"</s>":1,"b":2,"ab":3},"merges":["a b"]}}"#,
        r###"{"model":{"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##","max_input_chars_per_word":9,"vocab":{"a":0,"</s>":1,"?":2,"##b":3}},"pre_tokenizer":{"type":"Whitespace"}}"###,
        r#"{"model":{"type":"WordLevel","vocab":{"a":0,"</s>":1,"?":2},"unk_token":"?"},"normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"Punctuation","behavior":"Isolated"}}"#,
        r#"{"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["</s>",0.0],["a",-1.5],["ab",-2.0],["▁",-1.0]],"byte_fallback":false},"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}}"#,
        r#"{"added_tokens":[{"id":3,"content":"</s>","single_word":true,"lstrip":true,"rstrip":true,"normalized":true,"special":false}],"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2},"merges":[],"unk_token":"c","fuse_unk":true},"normalizer":{"type":"Replace","pattern":{"String":"x"},"content":"a"},"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{}}}"#,
    ];
    seeds.extend(small.iter().map(|json| [b"\0", json.as_bytes(), b"\0a ab x", text.as_bytes()].concat()));
    numbered(seeds)
}
