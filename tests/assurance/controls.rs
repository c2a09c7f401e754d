//! What the patches beside this file call. `scripts/controls` adds it to its copy of `src/`.

use std::sync::OnceLock;

/// Whether `rule` is the one that the environment variable `ANWDL_BREAK` names.
pub(crate) fn is_broken(rule: &str) -> bool {
    static BROKEN: OnceLock<Option<String>> = OnceLock::new();
    static TOLD: OnceLock<()> = OnceLock::new();
    let broken = BROKEN.get_or_init(|| std::env::var("ANWDL_BREAK").ok());
    let is_broken = broken.as_deref() == Some(rule);
    if is_broken {
        // So that a rule that no test reaches is not taken for one that was broken.
        // In one piece, between whose parts no other thread can print.
        TOLD.get_or_init(|| {
            let line = format!("negative control: {rule} is broken\n");
            eprint!("{line}");
        });
    }
    is_broken
}

/// Panics at the places that `ANWDL_PANIC` names at this moment: a test sets it when it has made
/// what it needs.
pub(crate) fn panic_if_told(place: &str) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("while a panic is thrown away");
        }
    }

    let told = std::env::var("ANWDL_PANIC").unwrap_or_default();
    match told.strip_prefix(place) {
        Some("") => panic!("as it was told"),
        Some(", without a text") => std::panic::panic_any(Bomb),
        _ => {}
    }
}
