//! A release build holds the page, so it is made again when the page has changed. A debug build
//! reads the page from disk.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // While the folder does not exist, cargo looks again at every build, so that a page that appears
    // is not overlooked.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed=../../web/dist");
    }
}
