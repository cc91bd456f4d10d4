//! The language of a source file by its name, or by the first line of a script.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Language, ends of names (after the last dot) and whole names, both in lower case. Where an end stands for several
/// languages, the one with more files in public code has it: `.h` is C, `.m` Objective-C, `.v` Verilog.
const TABLE: &[(&str, &str, &str)] = &[
    ("Ada", "adb ads", ""),
    ("Assembly", "asm s nasm", ""),
    ("AsciiDoc", "adoc asciidoc", ""),
    ("Awk", "awk", ""),
    ("Batch", "bat cmd", ""),
    ("BibTeX", "bib", ""),
    ("Bazel", "bzl bazel", "build workspace"),
    ("C", "c h", ""),
    ("C#", "cs csx", ""),
    ("C++", "cpp cc cxx c++ hpp hh hxx h++ inl ipp tpp", ""),
    ("CMake", "cmake", "cmakelists.txt"),
    ("COBOL", "cob cbl cobol", ""),
    ("CSS", "css", ""),
    ("CUDA", "cu cuh", ""),
    ("Clojure", "clj cljs cljc edn", ""),
    ("CoffeeScript", "coffee", ""),
    ("Common Lisp", "lisp lsp cl asd", ""),
    ("Coq", "coq", ""),
    ("Crystal", "cr", ""),
    ("Cython", "pyx pxd pxi", ""),
    ("D", "d", ""),
    ("Dart", "dart", ""),
    ("Dockerfile", "dockerfile", "dockerfile containerfile"),
    ("Elixir", "ex exs", ""),
    ("Elm", "elm", ""),
    ("Emacs Lisp", "el", ""),
    ("Erlang", "erl hrl", ""),
    ("F#", "fs fsi fsx", ""),
    ("Fish", "fish", ""),
    ("Fortran", "f f77 f90 f95 f03 f08 for", ""),
    ("GLSL", "glsl vert frag geom comp", ""),
    ("Go", "go", ""),
    ("Go module", "", "go.mod go.work"),
    ("GraphQL", "graphql gql", ""),
    ("Groovy", "groovy gvy gradle", "jenkinsfile"),
    ("HCL", "tf hcl tfvars", ""),
    ("HLSL", "hlsl fx", ""),
    ("HTML", "html htm xhtml", ""),
    ("Haskell", "hs lhs", ""),
    ("Haxe", "hx", ""),
    ("INI", "ini cfg", ".editorconfig .gitconfig"),
    ("Idris", "idr", ""),
    ("JSON", "json jsonc json5 webmanifest", ".babelrc .eslintrc"),
    ("Java", "java", ""),
    ("JavaScript", "js mjs cjs jsx", ""),
    ("Jinja", "j2 jinja jinja2", ""),
    ("Julia", "jl", ""),
    ("Jupyter", "ipynb", ""),
    ("Kotlin", "kt kts", ""),
    ("LLVM IR", "ll", ""),
    ("Lean", "lean", ""),
    ("Less", "less", ""),
    ("Lua", "lua", ""),
    ("MATLAB", "matlab", ""),
    ("Makefile", "mk mak make", "makefile gnumakefile"),
    ("Markdown", "md markdown mdx rmd qmd", ""),
    ("Meson", "", "meson.build meson_options.txt"),
    ("Metal", "metal", ""),
    ("Mojo", "mojo", ""),
    ("Nim", "nim nims", ""),
    ("Nix", "nix", ""),
    ("OCaml", "ml mli mll mly", ""),
    ("Objective-C", "m", ""),
    ("Objective-C++", "mm", ""),
    ("OpenCL", "opencl", ""),
    ("PHP", "php phtml php3 php4 php5", ""),
    ("Pascal", "pas dpr lpr pp", ""),
    ("Perl", "pl pm t pod", ""),
    ("PowerShell", "ps1 psm1 psd1", ""),
    ("Prolog", "pro prolog", ""),
    ("Protocol Buffers", "proto", ""),
    ("Puppet", "puppet", ""),
    ("Python", "py pyi pyw", "sconstruct sconscript snakefile wscript"),
    ("R", "r", ""),
    ("Racket", "rkt", ""),
    ("Ruby", "rb rake gemspec podspec", "rakefile gemfile podfile vagrantfile"),
    ("Rust", "rs", ""),
    ("SQL", "sql", ""),
    ("SVG", "svg", ""),
    ("Sass", "sass scss", ""),
    ("Scala", "scala sbt sc", ""),
    ("Scheme", "scm ss sld", ""),
    ("Shell", "sh bash zsh ksh", ".bashrc .profile .zshrc .bash_profile"),
    ("Smalltalk", "st", ""),
    ("Solidity", "sol", ""),
    ("Standard ML", "sml sig fun", ""),
    ("Starlark", "star", ""),
    ("Stylus", "styl", ""),
    ("Svelte", "svelte", ""),
    ("Swift", "swift", ""),
    ("SystemVerilog", "sv svh", ""),
    ("TOML", "toml", "cargo.lock poetry.lock"),
    ("Tcl", "tcl tk", ""),
    ("TeX", "tex sty cls ltx dtx", ""),
    ("Text", "txt text", "readme changelog changes authors news todo install"),
    ("Thrift", "thrift", ""),
    ("TypeScript", "ts tsx mts cts", ""),
    ("VHDL", "vhd vhdl", ""),
    ("Vala", "vala vapi", ""),
    ("Verilog", "v vh", ""),
    ("Vim script", "vim", ".vimrc"),
    ("Visual Basic", "vb vbs bas", ""),
    ("Vue", "vue", ""),
    ("WebAssembly", "wat wast", ""),
    ("XML", "xml xsd xsl xslt csproj vbproj props targets plist", ""),
    ("YAML", "yaml yml", ".clang-format .clang-tidy"),
    ("Yacc", "y yy", ""),
    ("Zig", "zig zon", ""),
    ("reStructuredText", "rst", ""),
];

static ENDS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| words(|row| row.1));
static NAMES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| words(|row| row.2));

fn words(
    column: fn(&(&'static str, &'static str, &'static str)) -> &'static str,
) -> HashMap<&'static str, &'static str> {
    TABLE
        .iter()
        .flat_map(|row| column(row).split(' ').filter(|word| !word.is_empty()).map(|word| (word, row.0)))
        .collect()
}

/// The language of a file, if its name or the first line of its text says.
pub fn language(path: &str, text: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let end = name.rsplit_once('.').map(|(_, end)| end);
    let by_end = || end.and_then(|end| ENDS.get(end));
    NAMES.get(name.as_str()).or_else(by_end).copied().or_else(|| by_first_line(text))
}

/// `#!/usr/bin/env python3`.
fn by_first_line(text: &str) -> Option<&'static str> {
    let line = text.strip_prefix("#!")?.lines().next()?;
    let mut words = line.split_ascii_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = words.find(|word| !matches!(*word, "env" | "-S") && !word.contains('='))?;
    let program = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(match program {
        "sh" | "bash" | "dash" | "zsh" | "ksh" => "Shell",
        "fish" => "Fish",
        "python" | "pypy" => "Python",
        "perl" => "Perl",
        "ruby" => "Ruby",
        "node" | "nodejs" | "deno" => "JavaScript",
        "lua" | "luajit" => "Lua",
        "php" => "PHP",
        "awk" | "gawk" | "mawk" => "Awk",
        "tclsh" | "wish" => "Tcl",
        "Rscript" => "R",
        "make" => "Makefile",
        "julia" => "Julia",
        "guile" => "Scheme",
        "runhaskell" => "Haskell",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ends_and_first_lines() {
        for (path, text, expected) in [
            ("src/main.rs", "", Some("Rust")),
            ("a/b/CMakeLists.txt", "", Some("CMake")),
            ("x.TXT", "", Some("Text")),
            ("Makefile", "", Some("Makefile")),
            ("a.b/tool", "#!/usr/bin/env -S python3.11 -u\n", Some("Python")),
            ("tool", "#! /bin/sh -e", Some("Shell")),
            ("tool", "#!/usr/bin/env A=1 perl5", Some("Perl")),
            ("tool", "#!", None),
            ("data.xyz", "text", None),
            ("\u{130}.py", "", Some("Python")),
        ] {
            assert_eq!(language(path, text), expected, "{path}");
        }
        assert!(TABLE.len() >= 100);
        let ends: usize =
            TABLE.iter().map(|row| row.1.split_whitespace().count() + row.2.split_whitespace().count()).sum();
        assert_eq!(ends, ENDS.len() + NAMES.len(), "each end stands for one language");
    }
}
