//! `include/anwdl.hpp` compiles by itself for every standard that it promises, with and without
//! exceptions, so do its examples, and it covers all of `include/anwdl.h`. `include/anwdl_asio.hpp`
//! compiles with the Asio that is installed.

// What compilers say of it is the same for both builds of the library.
#![cfg(feature = "aws-lc")]

use std::path::Path;

use crate::compiler;

fn header(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("include")
        .join(name);
    std::fs::read_to_string(path).expect("the header is there")
}

/// What is warned of besides the usual.
const WARNINGS: &[&str] = &[
    "-Wconversion",
    "-Wshadow",
    "-Wsign-conversion",
    "-Wold-style-cast",
    "-Weffc++",
    "-Wundef",
];

const STANDARDS: &[&str] = &["c++11", "c++14", "c++17", "c++20", "c++2b"];

/// The standards that the compiler has.
fn standards(compiler: &str) -> Vec<&'static str> {
    let newest = compiler::knows_cpp26(compiler).then_some("c++2c");
    STANDARDS.iter().copied().chain(newest).collect()
}

/// The compilers with the standards that each is tried with: the system's own with all that it has, and the newest clang
/// with what that one may be too old for.
fn every_language() -> Vec<(&'static str, &'static str)> {
    let mut languages: Vec<_> = standards("g++")
        .into_iter()
        .map(|standard| ("g++", standard))
        .collect();
    if let Some(&(_, clang)) = compiler::clangs().first() {
        languages.extend(compiler::knows_cpp26(clang).then_some((clang, "c++2c")));
    }
    languages
}

/// With nothing of C++ that some programs turn off.
const BARE: &[&str] = &["-fno-exceptions", "-fno-rtti"];

#[test]
fn it_compiles_behind_the_macros_of_others() {
    // What the header includes comes first, as macros of others may well break that.
    let text = header("anwdl.hpp");
    let includes: String = text
        .lines()
        .filter(|line| line.starts_with("#include <"))
        .map(|line| format!("{line}\n"))
        .collect();
    for (compiler, standard) in every_language() {
        let known: String = match standard {
            "c++11" | "c++14" | "c++17" | "c++20" => includes
                .lines()
                .filter(|line| !line.contains("<expected>"))
                .filter(|line| {
                    !standard.starts_with("c++1")
                        || standard == "c++17"
                        || !line.contains("optional") && !line.contains("string_view")
                })
                .map(|line| format!("{line}\n"))
                .collect(),
            _ => includes.clone(),
        };
        let source = format!(
            "{known}{}#include \"anwdl.hpp\"\n",
            compiler::foreign_macros()
        );
        compiler::check(compiler, "c++", standard, WARNINGS, &source);
    }
}

/// The programs in the first comment of a header.
fn examples(name: &str) -> Vec<String> {
    let text = header(name);
    let mut found = Vec::new();
    for part in text.split(" * @code{.cpp}\n").skip(1) {
        let (example, _) = part.split_once(" * @endcode").expect("the example ends");
        let lines = example.lines().map(|line| {
            let line = line.strip_prefix(" *").expect("a comment's line");
            format!("{}\n", line.strip_prefix(' ').unwrap_or(line))
        });
        found.push(lines.collect());
    }
    found
}

#[test]
fn it_compiles_alone_for_every_standard_and_so_do_its_examples() {
    let examples = examples("anwdl.hpp");
    let [throwing, bare] = examples.as_slice() else {
        panic!("there are {} examples", examples.len());
    };
    // Twice, for the include guard, and before all that an example includes.
    let twice = "#include \"anwdl.hpp\"\n#include \"anwdl.hpp\"\n";
    for (compiler, standard) in every_language() {
        // Both in one, in which each would have a function of that name.
        let source = format!("{twice}{throwing}#define serve serve_without\n{bare}");
        compiler::check(compiler, "c++", standard, WARNINGS, &source);
        let source = format!("{twice}{bare}");
        compiler::check(
            compiler,
            "c++",
            standard,
            &[WARNINGS, BARE].concat(),
            &source,
        );
        // As a program can ask for it.
        let source = format!("#define ANWDL_NO_EXCEPTIONS\n{source}");
        compiler::check(compiler, "c++", standard, WARNINGS, &source);
    }
}

#[test]
fn the_header_for_asio_compiles() {
    let asio = "#include <asio.hpp>\n";
    const STANDALONE: &[&str] = &["-DASIO_STANDALONE"];
    if compiler::complaint("g++", "c++", "c++14", STANDALONE, asio).is_some() {
        eprintln!("left out, as there is no Asio");
        return;
    }
    let twice = "#include \"anwdl_asio.hpp\"\n#include \"anwdl_asio.hpp\"\n";
    let flags = [WARNINGS, STANDALONE].concat();
    compiler::check("g++", "c++", "c++14", &flags, twice);
    for example in examples("anwdl_asio.hpp") {
        compiler::check("g++", "c++", "c++20", &flags, &example);
    }
}

/// A function of C that C++ has under no name would be missed by those who use it.
#[test]
fn it_calls_every_function_of_the_c_header() {
    // What their variants with one more argument do as well.
    const REPLACED: &[&str] = &[
        "anwdl_data_set_string",
        "anwdl_data_add_string",
        "anwdl_rsa_wrapper_verify_data_signature",
    ];
    let (c, cpp) = (header("anwdl.h"), header("anwdl.hpp"));
    let words = |text: &str| -> Vec<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        text.split(|c| !is_part(c)).map(str::to_owned).collect()
    };
    let used = words(&cpp);
    let mut count = 0;
    for line in c.lines() {
        let declares = !line.trim_start().starts_with(['*', '/', '#']) && !line.starts_with(' ');
        let Some((before, _)) = line.split_once('(').filter(|_| declares) else {
            continue;
        };
        let Some(name) = words(before)
            .pop()
            .filter(|name| name.starts_with("anwdl_"))
        else {
            continue;
        };
        count += 1;
        assert!(
            used.contains(&name) || REPLACED.contains(&&*name),
            "{name} is not in anwdl.hpp"
        );
    }
    assert!(count > 150, "only {count} functions were found");
}

/// Every compiler of C++ with the standards that it has.
fn every_compiler() -> Vec<(&'static str, &'static str)> {
    let clangs = compiler::clangs();
    let compilers = std::iter::once("g++").chain(clangs.iter().map(|&(_, clang)| clang));
    compilers
        .flat_map(|compiler| {
            standards(compiler)
                .into_iter()
                .map(move |it| (compiler, it))
        })
        .collect()
}

#[test]
fn results_must_not_be_ignored() {
    let source = "#include \"anwdl.hpp\"
        void f(anwdl::client &, anwdl::data &);
        void f(anwdl::client &client, anwdl::data &data) {
            client.try_send_response(true, \"OK\");
            data.try_set_null(\"name\");
            anwdl::client::try_make(0);
            anwdl::try_set_log_handler(anwdl::log_level::debug, nullptr);
            (void)client.try_send_response(true, \"OK\");
            static_cast<void>(anwdl::client::try_make(0));
        }\n";
    // One of each kind: without the attribute, with it, and with std::expected.
    let kinds = ["c++11", "c++17", "c++2b"];
    let compilers = every_compiler().into_iter();
    for (compiler, standard) in compilers.filter(|(_, standard)| kinds.contains(standard)) {
        let complaint = compiler::complaint(compiler, "c++", standard, &[], source);
        let complaint = complaint.unwrap_or_default();
        let count = complaint.matches("unused-result]").count();
        assert_eq!(count, 4, "{compiler} -std={standard}:\n{complaint}");
    }
}

/// What the test above shows for some forms holds for all.
#[test]
fn each_form_with_try_is_declared_so() {
    let text = header("anwdl.hpp");
    let mut count = 0;
    for (at, _) in text.match_indices("try_") {
        let before = text[..at].trim_end();
        let statement = text[at..].split(';').next().expect("there is one");
        if before.ends_with('>') && !before.ends_with("->") && !statement.ends_with("= delete") {
            count += 1;
            let start = before.rsplit([';', '{', '}']).next().expect("there is one");
            assert!(start.contains("ANWDL_DETAIL_NODISCARD"), "{start}");
        }
    }
    assert!(count > 100, "only {count} forms with try_ were found");
}

/// As a bool, a pointer would be true: a text that was meant for another parameter.
#[test]
fn each_parameter_that_is_true_or_false_refuses_pointers() {
    let text = header("anwdl.hpp") + &header("anwdl_asio.hpp");
    let code = text.lines().filter(|line| !line.starts_with(" *"));
    let text = code.collect::<Vec<_>>().join("\n");
    for (at, _) in text.match_indices("bool ") {
        if !text[..at].trim_end().ends_with(['(', ',']) || text[at..].starts_with("bool &") {
            continue;
        }
        let parameter = text[at..]
            .split([',', ')', '>'])
            .next()
            .expect("there is one");
        // Beside these is a function that is deleted, which says what to call instead.
        let is_refused_otherwise = parameter == "bool generate_key_pair = true";
        let is_of_template = text[at + parameter.len()..].starts_with('>');
        assert!(
            is_refused_otherwise || is_of_template,
            "{parameter} should be a flag"
        );
    }
}

/// Some compilers know C++23 before their library does. This is the library of g++ without the one
/// header.
#[test]
fn without_std_expected_the_results_are_those_of_older_standards() {
    let output = std::process::Command::new("g++")
        .args(["-xc++", "-E", "-v", "/dev/null"])
        .output()
        .expect("g++ runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let folders = said.lines().filter_map(|line| line.strip_prefix(' '));
    let folders: Vec<&str> = folders.filter(|line| line.contains("/c++/")).collect();
    let some = Path::new(env!("CARGO_TARGET_TMPDIR")).join("without-expected");
    let _ = std::fs::remove_dir_all(&some);
    std::fs::create_dir_all(&some).expect("the folder can be made");
    let mut flags = vec!["-nostdinc++".to_owned()];
    for folder in folders
        .iter()
        .map(Path::new)
        .filter(|folder| folder.is_dir())
    {
        let mut used = folder.to_owned();
        if folder.join("expected").exists() {
            for entry in folder.read_dir().expect("it can be read") {
                let name = entry.expect("it can be read").file_name();
                if name != "expected" {
                    std::os::unix::fs::symlink(folder.join(&name), some.join(&name))
                        .expect("it can be linked");
                }
            }
            used = some.clone();
        }
        flags.extend(["-isystem".to_owned(), used.display().to_string()]);
    }
    let flags: Vec<&str> = flags
        .iter()
        .map(String::as_str)
        .chain(WARNINGS.iter().copied())
        .collect();
    let source = "#include \"anwdl.hpp\"
        static_assert(!std::is_copy_constructible<anwdl::result<int>>::value);\n";
    compiler::check("g++", "c++", "c++2b", &flags, source);
}

#[test]
fn they_can_be_imported_as_header_units() {
    import("anwdl.hpp", "return *anwdl::build_info() == 0;");
    // Macros are imported too.
    import(
        "anwdl.h",
        "return *anwdl_version() == 0 || *ANWDL_VERSION == 0;",
    );
}

/// Compiles a program that imports the header and uses it in this body of main().
fn import(name: &str, body: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("header-unit")
        .join(name);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let program = format!("import \"{name}\";\nint main() {{ {body} }}\n");
    std::fs::write(folder.join("program.cpp"), program).expect("it can be written");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let header = include.join(name).display().to_string();
    for arguments in [
        ["-xc++-header", &header].as_slice(),
        &["-xc++", "-fsyntax-only", "program.cpp"],
    ] {
        let output = std::process::Command::new("g++")
            .args(["-std=c++20", "-fmodules-ts", "-Wall", "-Wextra", "-I"])
            .arg(&include)
            .args(arguments)
            .current_dir(&folder)
            .output()
            .expect("g++ runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
    }
}

/// With everything that clang warns of, but for what is said here.
#[test]
fn clang_has_nothing_to_say() {
    let clangs = compiler::clangs();
    if clangs.is_empty() {
        eprintln!("left out, as there is no clang");
    }
    const POINTLESS: &[&str] = &[
        // C++98 is not promised, and each standard from C++11 on is compiled by itself.
        "-Wno-c++98-compat",
        "-Wno-c++98-compat-pedantic",
        "-Wno-pre-c++17-compat",
        // So is each of C: attributes and enums of C23 are used only in it.
        "-Wno-pre-c23-compat",
        // Doxygen's @retval and @file.
        "-Wno-documentation-unknown-command",
        // Nobody lays these classes out by hand.
        "-Wno-padded",
        // A header alone has no place for the one copy of a vtable.
        "-Wno-weak-vtables",
        // These want spans and containers that check every index. C++11 has none, and the header makes such views itself,
        // of pointers and lengths from C.
        "-Wno-unsafe-buffer-usage",
        "-Wno-unsafe-buffer-usage-in-libc-call",
        "-Wno-unsafe-buffer-usage-in-unique-ptr-array-access",
        // Where one path returns an error, the object of the other one is moved, which costs nothing worth mentioning.
        "-Wno-nrvo",
        // Older ones know not all of these.
        "-Wno-unknown-warning-option",
    ];
    let flags = [&["-Weverything"], POINTLESS].concat();
    for (clang, clang_cpp) in clangs {
        for standard in ["c99", "c17", "c2x"] {
            compiler::check(clang, "c", standard, &flags, "#include \"anwdl.h\"\n");
        }
        let source = "#include \"anwdl.hpp\"\n";
        for standard in standards(clang_cpp) {
            for flags in [&flags, &[&flags, BARE].concat()] {
                compiler::check(clang_cpp, "c++", standard, flags, source);
            }
        }
    }
}
