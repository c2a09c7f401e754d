//! The shared library exports what the header declares, and nothing else.
//!
//! `ANWDL_LIBRARY` names the library to look at; without it, the test builds the release.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn library() -> PathBuf {
    match std::env::var_os("ANWDL_LIBRARY") {
        Some(path) => path.into(),
        None => build(),
    }
}

fn build() -> PathBuf {
    let mut cargo = Command::new("scripts/with-build-flags");
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        env!("CARGO"),
        "build",
        "--release",
        "--lib",
        "--message-format=json",
    ]);
    if !cfg!(feature = "aws-lc") {
        cargo.arg("--no-default-features");
    }
    let output = cargo.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Cargo says where it put the library: among the file names of its JSON messages.
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let path = messages
        .split('"')
        .rfind(|text| text.ends_with("/libanwdl.so"));
    path.expect("cargo made libanwdl.so").into()
}

fn exported() -> BTreeSet<String> {
    let library = library();
    // Unlike nm, it reads the libraries of other systems, too.
    let output = Command::new("readelf")
        .args(["--dyn-syms", "--wide"])
        .arg(&library)
        .env("LC_ALL", "C")
        .output()
        .expect("readelf is needed for this test (package binutils)");
    assert!(
        output.status.success(),
        "readelf {}: {}",
        library.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let symbols = String::from_utf8(output.stdout).expect("symbols are ASCII");
    symbols
        .lines()
        .map(|line| {
            let words = line.split_whitespace();
            // On POWER, a second entry of the function is in brackets before the section.
            words
                .filter(|word| !word.contains(['[', ']']))
                .collect::<Vec<_>>()
        })
        // Number, value, size, type, binding, visibility, section, name.
        .filter(|symbol| symbol.len() == 8 && symbol[4] == "GLOBAL")
        .filter(|symbol| symbol[6] != "UND" && symbol[6] != "ABS")
        .map(|symbol| symbol[7].to_owned())
        .collect()
}

/// The version that `scripts/linker` gives each exported function: programs that were linked with one ABI do not take
/// another one's.
fn version() -> String {
    let manifest = include_str!("../../Cargo.toml");
    let number = manifest
        .lines()
        .find_map(|line| line.strip_prefix("abi-version = "));
    format!("@@ANWDL_{}", number.expect("the ABI version is there"))
}

/// Every `anwdl_...(` outside of comments.
fn declared() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/anwdl.h");
    let header = std::fs::read_to_string(path).expect("include/anwdl.h is there");
    let mut code = String::new();
    let mut rest = header.as_str();
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").expect("the comment ends").1;
    }
    code.push_str(rest);
    code.split('(')
        .filter_map(|before| {
            before
                .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next()
        })
        .filter(|name| name.starts_with("anwdl_"))
        .map(|name| format!("{name}{}", version()))
        .collect()
}

#[test]
fn the_library_exports_what_the_header_declares() {
    let (exported, declared) = (exported(), declared());
    assert!(declared.len() > 50, "the header was read: {declared:?}");
    let undeclared: Vec<_> = exported.difference(&declared).collect();
    let missing: Vec<_> = declared.difference(&exported).collect();
    assert!(
        undeclared.is_empty() && missing.is_empty(),
        "exported but not declared: {undeclared:?}; declared but not exported: {missing:?}"
    );
}
