use std::ffi::OsString;
use std::path::Path;

use super::*;

fn decide(file: &str, args: &[&str]) -> Result<Config, ConfigError> {
    let args = ["conclave", "serve"].iter().chain(args);
    let Command::Serve(given) = Cli::try_parse_from(args)?.command;
    Config::decide(given, file::parse(Path::new("c.toml"), file)?)
}

fn refusal(file: &str, args: &[&str]) -> String {
    decide(file, args).expect_err("refused").to_string()
}

#[test]
fn nothing_needs_to_be_set() {
    let config = decide("", &[]).expect("defaults");
    assert_eq!(config.listen, "[::]:8443".parse().expect("address"));
    assert!(config.listen_is_default);
    assert_eq!(config.mesh_limit, 4);
}

#[test]
fn the_command_line_counts_before_the_file() {
    let config = decide("mesh-limit = 5\nmax-rooms = 7", &["--mesh-limit", "6"]).expect("valid");
    assert_eq!((config.mesh_limit, config.max_rooms), (6, 7));
}

#[test]
fn a_wrong_option_in_the_file_is_named_with_its_line() {
    let said = refusal("# comment\n\nlisten = \"[::]:1\"\nlistne = 3\n", &[]);
    assert!(said.contains("c.toml, line 4") && said.contains("listne"), "{said}");
}

#[test]
fn a_wrong_value_in_the_file_is_named_with_its_line() {
    for (text, line, words) in [
        ("\nmesh-limit = 100", 2, "between 2 and 16"),
        ("\n\nmesh-limit = \"four\"", 3, "mesh-limit = \"four\""),
        ("listen = \"8443\"", 1, "listen = \"8443\""),
        // Of a list, the line is where it starts; the value is quoted.
        (
            "data = \"x\"\nallowed-origin = [\n  \"https://a.example\",\n  \"nonsense\",\n]",
            2,
            "\"nonsense\" is not an origin",
        ),
        ("log = \"verbose\"", 1, "not a level"),
        ("log-format = \"xml\"", 1, "xml"),
        ("listen = ", 1, "listen"),
    ] {
        let said = refusal(text, &[]);
        assert!(said.contains(&format!("line {line}")) && said.contains(words), "{text:?}: {said}");
    }
}

#[test]
fn a_wrong_value_on_the_command_line_is_named() {
    let said = refusal("", &["--mesh-limit", "1"]);
    assert!(said.contains("--mesh-limit") && said.contains("between 2 and 16"), "{said}");
    let said = refusal("", &["--mesh-limti", "3"]);
    assert!(said.contains("--mesh-limti"), "{said}");
}

#[test]
fn a_certificate_needs_its_key() {
    assert!(refusal("tls-certificate = \"a.pem\"", &[]).contains("tls-key"));
}

#[test]
fn a_missing_file_is_named() {
    let args = ["conclave", "serve", "--config", "/nonexistent/c.toml"].map(OsString::from);
    let said = Config::from_args(args).expect_err("refused").to_string();
    assert!(said.contains("/nonexistent/c.toml"), "{said}");
}

#[test]
fn origins_are_compared_as_browsers_write_them() {
    let origin = |text: &str| text.parse::<Origin>().map(|origin| origin.as_str().to_owned());
    assert_eq!(origin("HTTPS://Meet.Example.org:443/").as_deref(), Ok("https://meet.example.org"));
    assert_eq!(origin("http://localhost:5173").as_deref(), Ok("http://localhost:5173"));
    for bad in ["meet.example.org", "ftp://a", "https://", "https://a/b", "https://u@a", "https://*.a", "null", "*"] {
        assert!(origin(bad).is_err(), "{bad}");
    }
}

#[test]
fn frame_ancestors_cannot_smuggle_in_other_directives() {
    let ancestor = |text: &str| text.parse::<FrameAncestor>().map(|ancestor| ancestor.to_string());
    assert_eq!(ancestor("self").as_deref(), Ok("'self'"));
    assert_eq!(ancestor("https://*.Example.org").as_deref(), Ok("https://*.example.org"));
    for bad in ["*", "https://a; script-src *", "https://a b", "'none'"] {
        assert!(ancestor(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_example_file_has_every_option_and_each_of_its_lines_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conclave.example.toml");
    let text = std::fs::read_to_string(&path).expect("conclave.example.toml is at the root of the repository");
    file::parse(&path, &text).expect("the example parses as it is");
    // An option that is not set stands there as `#name = value`, prose as `# text`.
    let switched_on: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    file::parse(&path, &switched_on).expect("every option of the example parses");
    let table: toml::Table = switched_on.parse().expect("TOML");
    for name in cli::option_names() {
        assert!(table.contains_key(&name), "conclave.example.toml does not show {name}");
    }
    assert_eq!(table.len(), cli::option_names().len());
}
