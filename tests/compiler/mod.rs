//! A C or C++ compiler that the tests of the headers show sources to.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Has a compiler check `source`, which includes a header of the library, and gives up on any
/// warning.
pub fn check(compiler: &str, language: &str, standard: &str, warnings: &[&str], source: &str) {
    let mut child = Command::new(compiler)
        .args(["-x", language, &format!("-std={standard}"), "-fsyntax-only"])
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .args(warnings)
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{compiler} is needed for this test: {error}"));
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin
        .write_all(source.as_bytes())
        .expect("the compiler reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the compiler ends");
    assert!(
        output.status.success(),
        "{compiler} -std={standard}:\n{}\n{source}",
        String::from_utf8_lossy(&output.stderr)
    );
}
