//! Refuses systems whose sockets nobody looked at, gives the shared library its SONAME, which cargo does not, and lets it
//! stay where it was loaded.

/// As Rust calls them; docs/platforms.md says on which the library runs, and for which it only type-checks.
const SYSTEMS: &[&str] = &[
    "android", "freebsd", "linux", "macos", "netbsd", "openbsd", "windows",
];

fn main() {
    let system = std::env::var("CARGO_CFG_TARGET_OS").expect("cargo tells it");
    if !SYSTEMS.contains(&system.as_str()) {
        // In place of an error for each thing of a system that this one does not have.
        println!(
            "cargo::error=libanwdl does not support {system}, only {}",
            SYSTEMS.join(", ")
        );
        return;
    }
    if system == "windows" {
        // It names libraries otherwise, and calls nothing of an unloaded one when a thread ends.
        return;
    }
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-changed=scripts/linker");
    let manifest =
        std::fs::read_to_string("Cargo.toml").expect("cargo runs this beside Cargo.toml");
    let abi_version: u32 = manifest
        .lines()
        .find_map(|line| line.strip_prefix("abi-version = "))
        .and_then(|number| number.trim().parse().ok())
        .expect("Cargo.toml gives the ABI version as `abi-version = N`");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libanwdl.so.{abi_version}");
    // Threads that used the library call functions of it when they end. Behind a dlclose() that
    // took it out of memory, each of them would end the process.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
