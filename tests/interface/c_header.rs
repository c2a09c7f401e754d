//! `include/anwdl.h` is what cbindgen makes from the code, it compiles by itself in every
//! language that it promises, and so do the examples in it.
//!
//! With `ANWDL_UPDATE_HEADER=1` in the environment the header is rewritten instead of
//! compared (`make header`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anwdl::message;

use crate::compiler;

/// The files of `src/ffi/`, in the order in which the header shows their functions, with the
/// headings that they get there. A function in a file that is missing here would be exported
/// and not declared, which `exported_symbols.rs` notices.
const SECTIONS: &[(&str, &str)] = &[
    ("error.rs", "Errors and version"),
    ("client_options.rs", "Options for clients"),
    ("client.rs", "Clients: the Python ClientInstance"),
    ("session.rs", "Sessions without a descriptor"),
    (
        "client_interface.rs",
        "The side that connects: the Python ClientInterface",
    ),
    ("request.rs", "Requests"),
    ("response.rs", "Responses"),
    ("data.rs", "Data of responses and parameters of requests"),
    ("value.rs", "Values: reading parameters and data"),
    ("rsa_wrapper.rs", "RSA keys: the Python RSAWrapper"),
    ("aes_wrapper.rs", "AES keys: the Python AESWrapper"),
    ("log.rs", "Log messages"),
    ("memory.rs", "Memory that the caller owns"),
];

const RESPONSE_MESSAGES: &[(&str, &str, &str)] = &[
    (
        "OK",
        message::RESPONSE_MSG_OK,
        "the request was carried out.",
    ),
    (
        "BAD_AUTH",
        message::RESPONSE_MSG_BAD_AUTH,
        "the client token does not belong to the container.",
    ),
    (
        "BAD_REQ",
        message::RESPONSE_MSG_BAD_REQ,
        "the request does not fit the request format, or this server.",
    ),
    (
        "REFUSED_REQ",
        message::RESPONSE_MSG_REFUSED_REQ,
        "the server refuses to carry out the request.",
    ),
    (
        "UNAVAILABLE",
        message::RESPONSE_MSG_UNAVAILABLE,
        "the server cannot carry out the request now.",
    ),
    (
        "INTERNAL_ERROR",
        message::RESPONSE_MSG_INTERNAL_ERROR,
        "the server failed while carrying out the request.",
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header_path() -> PathBuf {
    root().join("include/anwdl.h")
}

/// The header in the tree. Where an update is asked for, it is written before any test reads it.
static COMMITTED: LazyLock<String> = LazyLock::new(|| {
    if std::env::var_os("ANWDL_UPDATE_HEADER").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(root().join("include")).expect("include/ can be made");
        std::fs::write(header_path(), generated_header()).expect("the header can be written");
    }
    std::fs::read_to_string(header_path())
        .expect("include/anwdl.h is there (`make header` makes it)")
});

/// What tells compilers more than C99 can say.
const ATTRIBUTES: &str = r#"/**
 * Makes the compiler warn if the result of a function is not used: a status that is not checked, an object
 * that is never freed. To turn the warning off, define this as empty before including the header.
 */
#ifndef ANWDL_MUST_USE
#if defined(__cplusplus) && __cplusplus >= 201703L
#  define ANWDL_MUST_USE [[nodiscard]]
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L
#  define ANWDL_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#  define ANWDL_MUST_USE __attribute__((__warn_unused_result__))
#else
#  define ANWDL_MUST_USE
#endif
#endif

/** Makes the compiler warn if a function is called; `note`, a string, says what to call instead. */
#ifndef ANWDL_DEPRECATED
#if defined(__GNUC__)
#  define ANWDL_DEPRECATED(note) __attribute__((__deprecated__(note)))
#elif defined(_MSC_VER)
#  define ANWDL_DEPRECATED(note) __declspec(deprecated(note))
#else
#  define ANWDL_DEPRECATED(note)
#endif
#endif

/**
 * Tells gcc's analyzer (-fanalyzer) which function frees the result of the next one. The compiler cannot follow
 * objects that come through out-parameters.
 */
#ifndef ANWDL_DEALLOC
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#  define ANWDL_DEALLOC(function) __attribute__((__malloc__(function, 1)))
#else
#  define ANWDL_DEALLOC(function)
#endif
#endif

/** Gives an enum the size of an int, as in the library, even with -fshort-enums. */
#ifndef ANWDL_INT_ENUM
#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#  define ANWDL_INT_ENUM : int
#elif defined(__GNUC__)
#  define ANWDL_INT_ENUM __attribute__((__mode__(__SI__)))
#else
#  define ANWDL_INT_ENUM
#endif
#endif

"#;

/// The functions that return what the caller frees, with the function that does so.
const DEALLOCATORS: &[(&str, &str)] = &[("anwdl_client_options_new", "anwdl_client_options_free")];

/// The macros that cbindgen cannot make: each has its one source in the crate.
fn macros() -> String {
    let mut text = String::from(ATTRIBUTES);
    let versions = [
        (
            "",
            format!("{:?}", env!("CARGO_PKG_VERSION")),
            "The version of this header; anwdl_version() is that of the library.",
        ),
        (
            "_MAJOR",
            env!("CARGO_PKG_VERSION_MAJOR").into(),
            "The first number of ANWDL_VERSION.",
        ),
        (
            "_MINOR",
            env!("CARGO_PKG_VERSION_MINOR").into(),
            "The second number of ANWDL_VERSION.",
        ),
        (
            "_PATCH",
            env!("CARGO_PKG_VERSION_PATCH").into(),
            "The third number of ANWDL_VERSION.",
        ),
        (
            "_NUMBER",
            "(ANWDL_VERSION_MAJOR * 1000000 + ANWDL_VERSION_MINOR * 1000 + ANWDL_VERSION_PATCH)"
                .into(),
            "ANWDL_VERSION as one number that grows with it, for the preprocessor: 1002003 for 1.2.3.",
        ),
    ];
    for (suffix, value, comment) in versions {
        writeln!(
            text,
            "/** {comment} */\n#define ANWDL_VERSION{suffix} {value}\n"
        )
        .unwrap();
    }
    for (name, value, comment) in RESPONSE_MESSAGES {
        let name = format!("ANWDL_RESPONSE_MSG_{name}");
        writeln!(
            text,
            "/** Response message: {comment} */\n#define {name} {value:?}\n"
        )
        .unwrap();
    }
    text
}

fn generated_header() -> String {
    let mut config =
        cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml is valid");
    config.after_includes = Some(format!("\n{}", macros().trim_end()));
    let sources = root().join("src/ffi");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for (file, _) in SECTIONS {
        builder = builder.with_src(sources.join(file));
    }
    let mut header = Vec::new();
    builder
        .generate()
        .expect("cbindgen understands src/ffi")
        .write(&mut header);
    let header = String::from_utf8(header).expect("the header is UTF-8");
    let header = for_old_compilers(&header.replace("\n\n\n", "\n\n"));
    with_headings(with_attributes(with_dense_lines(&header)))
}

/// How wide the header is.
const WIDTH: usize = 112;

/// cbindgen writes the marks of a comment on lines of their own, and if the parameters of a function
/// do not fit on one line, each of them too. This fills the lines: comments share lines with their
/// marks, and parameters with each other.
fn with_dense_lines(header: &str) -> String {
    let mut text = String::new();
    let mut lines = header.lines().peekable();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start() == "/**" {
            let mut comment = vec![];
            for line in lines.by_ref().take_while(|line| line.trim() != "*/") {
                comment.push(line.trim_start());
            }
            let margin = " ".repeat(indent);
            let content = comment.join(&format!("\n{margin} "));
            let has_code = comment.iter().any(|line| line.starts_with("* @code"));
            let last = comment.last().expect("no comment is empty");
            if has_code || indent + 1 + last.len() + 3 > WIDTH {
                writeln!(text, "{margin}/*{content}\n{margin} */").unwrap();
            } else {
                writeln!(text, "{margin}/*{content} */").unwrap();
            }
        } else if line.ends_with(',') && line.contains(" anwdl_") && line.contains('(') {
            let indent = line.find('(').expect("it was found") + 1;
            let mut width = line.len();
            text.push_str(line);
            while let Some(parameter) = lines.next_if(|line| line.starts_with("  ")) {
                let parameter = parameter.trim_start();
                if width + 1 + parameter.len() <= WIDTH {
                    write!(text, " {parameter}").unwrap();
                    width += 1 + parameter.len();
                } else {
                    write!(text, "\n{}{parameter}", " ".repeat(indent)).unwrap();
                    width = indent + parameter.len();
                }
            }
            text.push('\n');
        } else {
            writeln!(text, "{line}").unwrap();
        }
    }
    text
}

/// Puts attributes on lines of their own, and those that cbindgen does not know to their places.
fn with_attributes(header: String) -> String {
    let mut header = header
        .replace("\ntypedef enum {", "\ntypedef enum ANWDL_INT_ENUM {")
        .replace("\nANWDL_MUST_USE ", "\nANWDL_MUST_USE\n");
    for (function, deallocator) in DEALLOCATORS {
        let declaration = header
            .find(&format!("*{function}("))
            .and_then(|at| header[..at].rfind('\n'))
            .expect("the function is in the header");
        let attribute = format!("\nANWDL_DEALLOC({deallocator})");
        header.insert_str(declaration, &attribute);
    }
    header
}

/// Leaves out what cbindgen writes and C90 does not have: comments that begin with `//`, and a comma
/// behind the last member of an enum.
fn for_old_compilers(header: &str) -> String {
    header
        .replace(" // __cplusplus", "")
        .replace("  // extern \"C\"", "")
        .replace(",\n} anwdl_", "\n} anwdl_")
}

/// Puts a heading before the first function of each file; cbindgen has no means for it.
fn with_headings(mut header: String) -> String {
    for (file, heading) in SECTIONS {
        let source =
            std::fs::read_to_string(root().join("src/ffi").join(file)).expect("the file is there");
        let (_, signature) = source
            .split_once("extern \"C\" fn ")
            .expect("the file has a function");
        let name = signature.split('(').next().unwrap();
        let declaration = header
            .find(&format!("{name}("))
            .into_iter()
            .chain(header.match_indices(&format!(" {name}(")).map(|(at, _)| at))
            .chain(header.match_indices(&format!("*{name}(")).map(|(at, _)| at))
            .find(|&at| !line_around(&header, at).trim_start().starts_with(COMMENT))
            .unwrap_or_else(|| panic!("{name} is in the header"));
        let comment = header[..declaration]
            .rfind("/**")
            .expect("it has a comment");
        let rule = "-".repeat(heading.len());
        header.insert_str(
            comment,
            &format!("/* {rule}\n * {heading}\n * {rule} */\n\n"),
        );
    }
    header
}

/// How the lines of a comment begin.
const COMMENT: [char; 2] = ['*', '/'];

fn line_around(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[start..].lines().next().unwrap_or("")
}

const C: &[(&str, &str, &str)] = &[
    ("gcc", "c", "c90"),
    ("gcc", "c", "c99"),
    ("gcc", "c", "c11"),
    ("gcc", "c", "c17"),
    ("gcc", "c", "c2x"),
];
/// What is warned of besides the usual.
const WARNINGS: &[&str] = &["-Wconversion", "-Wshadow", "-Wundef", "-Wredundant-decls"];
/// C++ has no functions without prototypes.
const C_WARNINGS: &[&str] = &["-Wstrict-prototypes"];
const CPP: &[(&str, &str, &str)] = &[
    ("g++", "c++", "c++11"),
    ("g++", "c++", "c++17"),
    ("g++", "c++", "c++2b"),
];

/// C23 and C++26 with the compilers that know them, which the system's gcc may be too old for.
static NEWEST: LazyLock<Vec<(&str, &str, &str)>> = LazyLock::new(|| {
    let mut newest = Vec::new();
    let (clang, clang_cpp) = compiler::clangs().first().copied().unzip();
    for c in ["gcc"].into_iter().chain(clang) {
        newest.extend(compiler::knows_c23(c).then_some((c, "c", "c2x")));
    }
    for cpp in ["g++"].into_iter().chain(clang_cpp) {
        newest.extend(compiler::knows_cpp26(cpp).then_some((cpp, "c++", "c++2c")));
    }
    newest
});

fn every_language() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut languages = [C, CPP].concat();
    languages.extend(NEWEST.iter().filter(|newest| !C.contains(newest)));
    languages
}

#[test]
fn the_committed_header_is_what_the_code_gives() {
    let (committed, generated) = (&*COMMITTED, generated_header());
    let difference = committed
        .lines()
        .zip(generated.lines())
        .enumerate()
        .find(|(_, (committed, generated))| committed != generated);
    if let Some((index, (committed, generated))) = difference {
        panic!(
            "include/anwdl.h is not what the code gives (`make header` rewrites it); line {}:\n\
             committed: {committed}\ngenerated: {generated}",
            index + 1
        );
    }
    assert!(
        *committed == generated,
        "include/anwdl.h is not as long as what the code gives (`make header` rewrites it)"
    );
}

#[test]
fn it_compiles_alone_in_every_language() {
    LazyLock::force(&COMMITTED);
    // Twice, for the include guard; and the enums have the size that the library returns.
    let mut source = String::from("#include \"anwdl.h\"\n#include \"anwdl.h\"\n");
    let enums = enums();
    assert_eq!(enums.len(), 9, "{enums:?}");
    for name in enums {
        writeln!(
            source,
            "typedef char {name}_is_an_int[sizeof({name}) == sizeof(int) ? 1 : -1];"
        )
        .unwrap();
    }
    for (compiler, language, standard) in every_language() {
        let mut warnings = WARNINGS.to_vec();
        if language == "c" {
            warnings.extend(C_WARNINGS);
        }
        compiler::check(compiler, language, standard, &warnings, &source);
        // The library takes and returns enums as int, whatever the program makes of its own.
        compiler::check(compiler, language, standard, &["-fshort-enums"], &source);
    }
}

/// The names of all enums in the header.
fn enums() -> Vec<&'static str> {
    let parts = COMMITTED.split("\ntypedef enum ").skip(1);
    let name = |part: &'static str| Some(part.split_once("\n} ")?.1.split_once(';')?.0);
    parts
        .map(|part| name(part).expect("the enum ends with its name"))
        .collect()
}

/// What the compiler says of the body of a function.
fn complaint(
    flags: &[&str],
    (compiler, language, standard): (&str, &str, &str),
    body: &str,
) -> String {
    let source = format!("#include \"anwdl.h\"\nvoid f(void);\nvoid f(void)\n{{\n{body}\n}}\n");
    compiler::complaint(compiler, language, standard, flags, &source).unwrap_or_default()
}

#[test]
fn what_must_not_be_ignored_is_warned_of() {
    LazyLock::force(&COMMITTED);
    for language in every_language() {
        let dropped = complaint(&[], language, "anwdl_client_options_new();");
        assert!(dropped.contains("unused-result"), "{language:?}: {dropped}");
        let unwanted = complaint(
            &["-DANWDL_MUST_USE="],
            language,
            "anwdl_client_options_new();",
        );
        assert_eq!(unwanted, "", "{language:?}");
    }
}

/// By the attribute of the language: compilers other than gcc and clang know no other.
#[test]
fn c23_has_an_attribute_for_what_must_not_be_ignored() {
    LazyLock::force(&COMMITTED);
    let all_of_c23 = NEWEST.iter().filter(|(_, language, _)| *language == "c");
    if all_of_c23.clone().next().is_none() {
        eprintln!("left out, as no compiler has all of C23");
    }
    for language in all_of_c23 {
        let ignored = complaint(&[], *language, "anwdl_session_feed_end(NULL);");
        assert!(ignored.contains("nodiscard"), "{language:?}: {ignored}");
    }
}

#[test]
fn statuses_must_not_be_ignored() {
    // What ends something, whose failure changes nothing for the caller; a computation, whose
    // failure the call that asked for it tells; the time, which fails only for NULL; and a log,
    // which no work depends on.
    let may_be_ignored = |line: &str| {
        let name = line.split('(').next().unwrap();
        let ends = [
            "_close_connection",
            "_session_end",
            "_compute",
            "_session_set_time",
            "_set_log_callback",
            "_set_log_handler",
        ];
        ends.iter().any(|end| name.ends_with(end))
    };
    let lines: Vec<&str> = COMMITTED.lines().collect();
    let mut count = 0;
    for pair in lines.windows(2) {
        if pair[1].starts_with("anwdl_status_t anwdl_") {
            count += 1;
            let marked = pair[0] == "ANWDL_MUST_USE";
            assert_ne!(marked, may_be_ignored(pair[1]), "{}", pair[1]);
        }
    }
    assert!(count > 90, "only {count} functions were found");
}

#[test]
fn the_analyzer_knows_what_frees_what() {
    LazyLock::force(&COMMITTED);
    let new = "anwdl_client_options_t *options = anwdl_client_options_new();\n";
    let language = ("gcc", "c", "c11");
    let leaked = complaint(&["-fanalyzer"], language, &format!("{new}(void)options;"));
    assert!(leaked.contains("leak of"), "{leaked}");
    let freed = complaint(
        &["-fanalyzer"],
        language,
        &format!("{new}anwdl_client_options_free(options);"),
    );
    assert_eq!(freed, "");
}

/// Objects come through out-parameters, or are borrowed. What returns one that the caller must free has to say with what.
#[test]
fn no_other_function_returns_what_must_be_freed() {
    let objects: Vec<String> = COMMITTED
        .lines()
        .filter_map(|line| line.strip_prefix("typedef struct ")?.strip_suffix(';'))
        .filter_map(|names| names.split_once(' '))
        .map(|(_, name)| format!("{name} *"))
        .collect();
    assert!(objects.len() > 8, "only {objects:?} were found");
    let functions = functions();
    let returned: Vec<&str> = functions
        .iter()
        .filter(|function| objects.contains(&function.result))
        .map(|function| &*function.name)
        .collect();
    let listed: Vec<&str> = DEALLOCATORS.iter().map(|(function, _)| *function).collect();
    assert_eq!(returned, listed);
}

#[test]
fn the_version_is_a_number_too() {
    LazyLock::force(&COMMITTED);
    let source = "#include \"anwdl.h\"\n\
                  #if ANWDL_VERSION_NUMBER < 1000 || ANWDL_VERSION_NUMBER / 1000000 != ANWDL_VERSION_MAJOR\n\
                  #error no number\n#endif\n";
    for (compiler, language, standard) in every_language() {
        compiler::check(compiler, language, standard, &[], source);
    }
}

#[test]
fn what_is_deprecated_is_warned_of() {
    LazyLock::force(&COMMITTED);
    for language in every_language() {
        let declaration = "ANWDL_DEPRECATED(\"call that\") void old(void);";
        let called = complaint(&[], language, &format!("{declaration}\nold();"));
        // The compiler shows the line of the declaration too, without these words side by side.
        assert!(
            called.contains("deprecated: call that"),
            "{language:?}: {called}"
        );
        assert_eq!(complaint(&[], language, declaration), "", "{language:?}");
    }
}

#[test]
fn it_compiles_behind_the_macros_of_others() {
    LazyLock::force(&COMMITTED);
    // What the header includes comes first, as macros of others may well break that.
    let source = format!(
        "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n{}#include \"anwdl.h\"\n",
        compiler::foreign_macros()
    );
    for (compiler, language, standard) in every_language() {
        // C90 has no macros with any number of arguments.
        if standard == "c90" {
            continue;
        }
        compiler::check(compiler, language, standard, &[], &source);
    }
}

#[test]
fn its_examples_compile() {
    let examples: Vec<String> = COMMITTED
        .split(" * @code{.c}\n")
        .skip(1)
        .map(|rest| {
            let (example, _) = rest.split_once(" * @endcode").expect("the example ends");
            let lines = example
                .lines()
                .map(|line| line.strip_prefix(" *").expect("a comment's line"));
            lines
                .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
                .collect()
        })
        .collect();
    assert_eq!(examples.len(), 5);
    for example in &examples {
        // One has comments that C90 does not know.
        for &(compiler, language, standard) in &C[1..] {
            compiler::check(compiler, language, standard, &[], example);
        }
    }
}

#[test]
fn everything_in_it_is_documented() {
    let lines: Vec<&str> = COMMITTED.lines().collect();
    let mut found = 0;
    for (index, line) in lines.iter().enumerate() {
        let declares = line.contains(" anwdl_")
            || line.contains("*anwdl_")
            || line.starts_with("#define ANWDL_");
        let member = line.trim_start().starts_with("ANWDL_") && line.contains(" = ");
        let in_comment = line.trim_start().starts_with(COMMENT);
        let continued = line.starts_with("  ") && !member;
        let guard = *line == "#define ANWDL_H" || line.starts_with('}');
        if (declares || member) && !in_comment && !continued && !guard {
            found += 1;
            let attributes = lines[..index].iter().rev().take_while(|line| {
                line.starts_with("ANWDL_MUST_USE") || line.starts_with("ANWDL_DEALLOC")
            });
            let before = lines[index - 1 - attributes.count()].trim();
            assert!(before.ends_with("*/"), "no comment before: {line}");
        }
    }
    assert!(found > 100, "only {found} declarations were found");
}

/// A function of the header with its comment, each on one line.
struct Function {
    comment: String,
    result: String,
    name: String,
    parameters: Vec<String>,
}

fn functions() -> Vec<Function> {
    COMMITTED
        .split("/**")
        .filter_map(|part| {
            let (comment, rest) = part.split_once("*/")?;
            let (declaration, _) = rest.split_once(';')?;
            // Attributes stand on lines of their own.
            let is_before = |line: &&str| line.is_empty() || line.starts_with("ANWDL_");
            let declaration: Vec<&str> = declaration.lines().skip_while(is_before).collect();
            let declaration = declaration.join("\n");
            let (before, parameters) = declaration.split_once('(')?;
            let start = before.rfind("anwdl_")?;
            let is_function = !before.contains("typedef") && !before.contains("#define");
            is_function.then(|| Function {
                comment: comment.replace("\n *", "").replace("  ", " "),
                result: before[..start].trim().to_owned(),
                name: before[start..].to_owned(),
                parameters: parameters
                    .trim_end_matches(')')
                    .split(',')
                    .map(|parameter| parameter.trim().to_owned())
                    .filter(|parameter| parameter != "void")
                    .collect(),
            })
        })
        .collect()
}

/// A function, and those that it refers to for what it does not describe itself: "as anwdl_X()".
fn with_models<'a>(functions: &'a [Function], function: &'a Function) -> Vec<&'a Function> {
    let mut found = vec![function];
    let mut next = 0;
    while let Some(function) = found.get(next) {
        for rest in function.comment.split("s anwdl_").skip(1) {
            let name = format!("anwdl_{}", rest.split('(').next().unwrap_or(rest));
            let is_new = !found.iter().any(|function| function.name == name);
            found.extend(functions.iter().find(|model| is_new && model.name == name));
        }
        next += 1;
    }
    found
}

/// Doxygen can ask for every parameter to be described or for none. Here, a function's own object needs
/// no words, and what is described for another function need not be repeated.
#[test]
fn what_goes_in_and_out_is_described() {
    let functions = functions();
    assert!(functions.len() > 200, "only {} were found", functions.len());
    for function in &functions {
        let Function {
            comment,
            name,
            result,
            parameters,
        } = function;
        let models = with_models(&functions, function);
        let describes = |tags: &[String]| {
            let has = |model: &&Function| tags.iter().any(|tag| model.comment.contains(tag));
            models.iter().any(has)
        };
        for (index, parameter) in parameters.iter().enumerate() {
            let start = parameter.rfind([' ', '*']).expect("it has a type") + 1;
            let (its_type, its_name) = parameter.split_at(start);
            let its_type = its_type.trim_start_matches("const ");
            let class = its_type.trim_end_matches([' ', '*']).trim_end_matches("_t");
            let is_own_object = index == 0 && name.starts_with(&format!("{class}_"));
            let tags = [" ", ",", "."].map(|end| format!("@param {its_name}{end}"));
            assert!(
                is_own_object || describes(&tags),
                "{name}() does not say what {its_name} is"
            );
        }
        let tags = ["@return ".to_owned(), "@retval ".to_owned()];
        assert!(
            result == "void" || describes(&tags),
            "{name}() does not say what it returns"
        );
        for described in comment.split("@param ").skip(1) {
            let (described, _) = described.split_once(' ').expect("a description follows");
            assert!(
                parameters
                    .iter()
                    .any(|parameter| parameter.ends_with(described)),
                "{name}() has no parameter {described}"
            );
        }
    }
}

/// The calls of Python classes in a text, as `Class(parameters)` or `Class.method(parameters)`.
fn python_calls(text: &str) -> Vec<(String, String)> {
    let mut calls = Vec::new();
    for class in [
        "ClientInstance",
        "ClientInterface",
        "RSAWrapper",
        "AESWrapper",
    ] {
        for (at, _) in text.match_indices(class) {
            let rest = &text[at + class.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '.' && c != '_');
            let (method, rest) = rest.split_at(end.unwrap_or(rest.len()));
            let whole_word = !text[..at].ends_with(|c: char| c.is_alphanumeric());
            if let (true, Some(rest)) = (whole_word, rest.strip_prefix('(')) {
                let parameters = &rest[..rest.find(')').expect("a call ends")];
                calls.push((format!("{class}{method}"), parameters.to_owned()));
            }
        }
    }
    calls
}

#[test]
fn the_python_names_in_it_are_those_of_the_releases() {
    let known = python_calls(include_str!("../fixtures/python_methods.txt"));
    // Comments may be broken anywhere; examples of the header are C.
    let text = COMMITTED.replace("\n * ", " ");
    let found = python_calls(&text);
    assert!(found.len() > 80, "only {} calls were found", found.len());
    for (name, parameters) in &found {
        let (_, all) = known
            .iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("no release has {name}()"));
        for parameter in parameters.split(", ").filter(|text| !text.is_empty()) {
            let parameter = parameter
                .split('=')
                .next()
                .expect("split gives one at least");
            assert!(
                all.split(", ").any(|known| known == parameter),
                "{name}({all}) has no parameter {parameter}"
            );
        }
    }
    for (name, _) in &known {
        assert!(
            found.iter().any(|(found, _)| found == name),
            "no function stands for {name}()"
        );
    }
}
