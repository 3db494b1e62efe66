//! The page's types are those of the server.

use std::path::Path;

#[test]
fn the_typescript_types_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/src/core/proto.ts");
    let wanted = conclave_proto::typescript();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).expect("web/src/core exists");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "web/src/core/proto.ts is not current: run UPDATE=1 cargo test -p conclave-proto");
}
