//! `include/anwdl.hpp` compiles by itself for every standard that it promises, so does the
//! first example in it, and it covers all of `include/anwdl.h`.

mod compiler;

use std::path::Path;

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

#[test]
fn it_compiles_alone_for_every_standard() {
    for standard in STANDARDS {
        // Twice, for the include guard.
        let source = "#include \"anwdl.hpp\"\n#include \"anwdl.hpp\"\n";
        compiler::check("g++", "c++", standard, WARNINGS, source);
    }
}

#[test]
fn it_compiles_behind_the_macros_of_others() {
    // What the header includes comes first, as macros of others may well break that.
    let text = header("anwdl.hpp");
    let includes: String = text
        .lines()
        .filter(|line| line.starts_with("#include <"))
        .map(|line| format!("{line}\n"))
        .collect();
    for standard in STANDARDS {
        let known: String = match *standard {
            "c++11" | "c++14" | "c++17" | "c++20" => includes
                .lines()
                .filter(|line| !line.contains("<expected>"))
                .filter(|line| {
                    !standard.starts_with("c++1")
                        || *standard == "c++17"
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
        compiler::check("g++", "c++", standard, WARNINGS, &source);
    }
}

#[test]
fn its_example_compiles() {
    let text = header("anwdl.hpp");
    let (_, rest) = text
        .split_once(" * @code{.cpp}\n")
        .expect("there is an example");
    let (example, _) = rest.split_once(" * @endcode").expect("the example ends");
    let lines = example.lines().map(|line| {
        let line = line.strip_prefix(" *").expect("a comment's line");
        format!("{}\n", line.strip_prefix(' ').unwrap_or(line))
    });
    let example: String = lines.collect();
    for standard in STANDARDS {
        compiler::check("g++", "c++", standard, WARNINGS, &example);
    }
}

/// A function of C that C++ has under no name would be missed by those who use it.
#[test]
fn it_calls_every_function_of_the_c_header() {
    // What their variants with a length do better.
    const REPLACED: &[&str] = &["anwdl_data_set_string", "anwdl_data_add_string"];
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
