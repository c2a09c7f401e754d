//! What the fuzzers have found worth keeping, once more and without them: each input of
//! `fuzz/corpus` does what the models of `fuzz/src` say.

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::path::Path;

#[test]
fn the_committed_corpus_does_what_the_models_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut count = 0;
    for target in &fuzz::TARGETS {
        let folder = folder.join(target.name);
        let mut paths: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} is empty", folder.display());
        for path in &paths {
            // It is named where it fails, and its bytes are where its name is.
            println!("{}", path.display());
            fuzz::run(target.name, &std::fs::read(path).unwrap());
        }
        count += paths.len();
    }
    println!("cases: {count} inputs of the committed corpus");
}
