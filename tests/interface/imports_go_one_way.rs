//! The folders of `src/` import each other in one direction, and no files import each other in a
//! circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From top to bottom: a file imports from its own folder, or from one of a later line.
const LAYERS: &[&[&str]] = &[
    &["ffi"],
    &["client", "client_interface"],
    &["endpoint"],
    &["protocol"],
    &["message", "crypto"],
    &["secret", "log"],
    &["error"],
];

/// The modules that each module imports from, by their paths, such as `endpoint::options`.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The text of each file of `src/` by the path of its module, without comments and tests.
fn sources(folder: &Path, module: &str, sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let inner = match (module, name) {
            (_, "lib" | "tests" | "vectors") => continue,
            (_, "mod") => module.to_owned(),
            ("", _) => name.to_owned(),
            _ => format!("{module}::{name}"),
        };
        if path.is_dir() {
            self::sources(&path, &inner, sources);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = text.lines().map(|line| line.split("//").next().unwrap());
        sources.insert(inner, code.collect::<Vec<_>>().join("\n"));
    }
}

/// The paths in a `use`: `a::{b, c::{d, e}}` has three.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    for (at, character) in tree.char_indices().chain([(tree.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = tree[start..at].trim();
                match part.split_once('{') {
                    Some((more, inner)) => {
                        let inner = inner.strip_suffix('}').unwrap();
                        expand(&format!("{prefix}{more}"), inner, paths);
                    }
                    None => paths.push(format!("{prefix}{part}")),
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The module behind a path that is written in `module`, if it is one of this crate.
fn resolve(module: &str, path: &str, known: &BTreeMap<String, String>) -> Option<String> {
    let mut base: Vec<&str> = module.split("::").collect();
    let mut words = path.split("::").peekable();
    match *words.peek()? {
        "crate" => base.clear(),
        "super" | "self" => {}
        child if known.contains_key(&format!("{module}::{child}")) => {}
        _ => return None,
    }
    for word in words {
        match word {
            "crate" | "self" => {}
            "super" => drop(base.pop()),
            word => base.push(word),
        }
    }
    while !base.is_empty() && !known.contains_key(&base.join("::")) {
        base.pop();
    }
    (!base.is_empty()).then(|| base.join("::"))
}

fn imports() -> Imports {
    let mut known = BTreeMap::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        "",
        &mut known,
    );
    let mut imports = Imports::new();
    for (module, code) in &known {
        let mut paths = Vec::new();
        for statement in code.split_inclusive([';', '{', '}', '(', ',']) {
            for start in ["crate::", "super::"] {
                for (at, _) in statement.match_indices(start) {
                    if statement[..at].ends_with("::") {
                        continue;
                    }
                    let end = |c: char| !c.is_alphanumeric() && c != '_' && c != ':';
                    let path = statement[at..].split(end).next().unwrap();
                    if !path.ends_with("::") {
                        paths.push(path.to_owned());
                    }
                }
            }
        }
        for (at, _) in code.match_indices("use ") {
            if code[..at].ends_with(['\n', ' ']) || at == 0 {
                let tree = code[at + 4..].split(';').next().unwrap();
                expand("", tree, &mut paths);
            }
        }
        let found = paths
            .iter()
            .filter_map(|path| resolve(module, path, &known))
            .filter(|other| other != module);
        imports.insert(module.clone(), found.collect());
    }
    imports
}

fn layer_of(module: &str) -> usize {
    let module = module.split("::").next().unwrap();
    let found = LAYERS.iter().position(|layer| layer.contains(&module));
    found.unwrap_or_else(|| panic!("src/{module} is in no line of LAYERS"))
}

#[test]
fn modules_import_from_lower_layers_only() {
    let imports = imports();
    assert!(imports["client"].contains("endpoint::options"));
    for (module, others) in &imports {
        for other in others {
            let is_own = module.split("::").next() == other.split("::").next();
            assert!(
                is_own || layer_of(module) < layer_of(other),
                "{module} imports from {other}"
            );
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut imports = imports();
    // One module: its files share the helpers of its root.
    imports.retain(|module, _| !module.starts_with("ffi"));
    // Removes what imports nothing that is left, or is imported by nothing that is left, until
    // only circles and the ways between them are left.
    loop {
        let imported: BTreeSet<String> = imports.values().flatten().cloned().collect();
        let left: BTreeSet<String> = imports.keys().cloned().collect();
        imports.retain(|module, others| imported.contains(module) && !others.is_disjoint(&left));
        if imports.len() == left.len() {
            break;
        }
    }
    let left: BTreeSet<String> = imports.keys().cloned().collect();
    for others in imports.values_mut() {
        others.retain(|other| left.contains(other));
    }
    assert!(imports.is_empty(), "a circle is among {imports:#?}");
}
