//! A C or C++ compiler that the tests of the headers show sources to.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Macros that stand in the way of names where headers of others come first: of Windows, of macOS
/// (AssertMacros.h), of X11, of curses, of Arduino and Qt, of the system and of log libraries. A
/// name with `()` is a macro with arguments.
const FOREIGN_MACROS: &[&str] = &[
    // windows.h and what it includes
    "interface",
    "small",
    "hyper",
    "near",
    "far",
    "cdecl",
    "pascal",
    "min()",
    "max()",
    "ERROR",
    "NO_ERROR",
    "DELETE",
    "IN",
    "OUT",
    "OPTIONAL",
    "CONST",
    "VOID",
    "TRUE",
    "FALSE",
    "STRICT",
    "DOMAIN",
    "OVERFLOW",
    "UNDERFLOW",
    "IGNORE",
    "RELATIVE",
    "ABSOLUTE",
    "TRANSPARENT",
    "OPAQUE",
    "DIFFERENCE",
    "INPUT",
    "THIS",
    "PURE",
    "SendMessage",
    "GetMessage",
    "CreateFile",
    "Yield()",
    "grp1",
    "rad1",
    "lst1",
    "edt1",
    "ctl1",
    // AssertMacros.h
    "check()",
    "check_error()",
    "check_noerr()",
    "verify()",
    "verify_noerr()",
    "verify_action()",
    "require()",
    "require_noerr()",
    "require_action()",
    "require_quiet()",
    // X11
    "None",
    "Status",
    "Success",
    "Bool",
    "True",
    "False",
    "Always",
    "Above",
    "Below",
    "Unsorted",
    "Complex",
    "Convex",
    "Nonconvex",
    "Expose",
    "KeyPress",
    "KeyRelease",
    "FocusIn",
    "FocusOut",
    "CursorShape",
    "GrayScale",
    "Button1",
    "BadRequest",
    "BadValue",
    "XID",
    // curses, Arduino, Qt
    "clear()",
    "erase()",
    "refresh()",
    "timeout()",
    "echo()",
    "box()",
    "border()",
    "filter()",
    "bit()",
    "word()",
    "abs()",
    "round()",
    "constrain()",
    "PI",
    "DEFAULT",
    "INTERNAL",
    "EXTERNAL",
    "signals",
    "slots",
    "emit",
    "foreach()",
    "forever",
    // the system, and log and test libraries
    "unix",
    "linux",
    "major()",
    "minor()",
    "makedev()",
    "complex",
    "I",
    "ECHO",
    "errno",
    "assert()",
    "CHECK()",
    "REQUIRE()",
    "LOG()",
    "DEBUG",
    "INFO",
    "WARNING",
    "FATAL",
    "FAIL()",
    "TEST()",
    "MIN()",
    "MAX()",
    "OK",
    "YES",
    "NO",
    "nil",
    "likely()",
    "unlikely()",
    "log()",
    "debug()",
    "info()",
    "warn()",
    "isset()",
];

/// Lines that define them all so that whatever uses one does not compile.
pub fn foreign_macros() -> String {
    let define = |name: &&str| {
        let name = name.replace("()", "(...)");
        format!(
            "#undef {}\n#define {name} ) foreign macro (\n",
            name.replace("(...)", "")
        )
    };
    FOREIGN_MACROS.iter().map(define).collect()
}

/// The clangs that are there, each with its compiler of C++, the newest first: a system whose own is old may have a newer
/// one beside it (`scripts/ensure-tools new-clang`).
pub fn clangs() -> Vec<(&'static str, &'static str)> {
    let is_there = |(clang, _): &(&str, _)| {
        let mut command = Command::new(clang);
        command.arg("--version").output().is_ok()
    };
    [("clang-19", "clang++-19"), ("clang", "clang++")]
        .into_iter()
        .filter(is_there)
        .collect()
}

/// Whether the compiler of C has all of C23. Older ones take "c2x" too, and leave out what came later.
pub fn knows_c23(compiler: &str) -> bool {
    let source = "#if __STDC_VERSION__ < 202311L\n#error too old\n#endif\ntypedef int nothing;\n";
    complaint(compiler, "c", "c2x", &[], source).is_none()
}

/// Whether the compiler of C++ has C++26, as far as there is one.
pub fn knows_cpp26(compiler: &str) -> bool {
    let source = "#if __cplusplus <= 202302L\n#error too old\n#endif\n";
    complaint(compiler, "c++", "c++2c", &[], source).is_none()
}

/// Has a compiler check `source`, which includes a header of the library, and gives up on any
/// warning.
pub fn check(compiler: &str, language: &str, standard: &str, flags: &[&str], source: &str) {
    if let Some(complaint) = complaint(compiler, language, standard, flags, source) {
        panic!("{compiler} -std={standard} {flags:?}:\n{complaint}\n{source}");
    }
}

/// What the compiler says of `source`, if it warns of anything.
pub fn complaint(
    compiler: &str,
    language: &str,
    standard: &str,
    flags: &[&str],
    source: &str,
) -> Option<String> {
    // Down to the assembler's text, as the analyzer sees no less.
    let mut child = Command::new(compiler)
        .args(["-x", language, &format!("-std={standard}"), "-S"])
        .args([
            "-o",
            "/dev/null",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
        ])
        .args(flags)
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{compiler} is needed for this test: {error}"));
    let mut stdin = child.stdin.take().expect("it is a pipe");
    let written = stdin.write_all(source.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the compiler ends");
    if output.status.success() {
        // One that does not know the standard ends without reading.
        written.expect("the compiler reads");
        return None;
    }
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}
