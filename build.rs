//! Gives the shared library its SONAME, which cargo does not, and lets it stay where it was loaded.

fn main() {
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
