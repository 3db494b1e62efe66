use std::ffi::OsString;
use std::path::Path;

use super::*;

fn decide(file: &str, args: &[&str]) -> Result<Config, ConfigError> {
    let args = ["conclave", "serve"].iter().chain(args);
    let Command::Serve(given) = Cli::try_parse_from(args)?.command else { unreachable!("serve is asked for") };
    Config::decide(*given, file::parse(Path::new("c.toml"), file)?)
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
        ("public-address = [\"meet.example.org\"]", 1, "not an IP address"),
        ("trusted-proxy = [\"10.0.0.0/40\"]", 1, "network such as"),
        ("ice-server = [\"turn.example.org\"]", 1, "not a URL such as"),
        ("relay-bitrate = 0", 1, "between 1 and 1000"),
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
fn a_certificate_by_acme_needs_a_name_and_no_files() {
    let config = decide("acme-domain = [\"meet.example.org\"]", &["--acme-contact", "a@example.org"]).expect("valid");
    assert_eq!(config.acme.expect("set").domains[0].as_str(), "meet.example.org");
    assert!(refusal("acme-contact = [\"a@example.org\"]", &[]).contains("acme-domain is not"));
    let files = ["--tls-certificate", "c.pem", "--tls-key", "k.pem"];
    assert!(refusal("acme-domain = [\"meet.example.org\"]", &files).contains("one certificate"));
    assert!(refusal("", &["--acme-domain", "*.example.org"]).contains("wildcards"));
}

#[test]
fn options_that_need_each_other_say_so() {
    for (file, words) in [
        ("proxy-protocol = true", "trusted-proxy is not"),
        ("tls-at-proxy = true", "trusted-proxy is not"),
        ("ice-server = [\"turn:turn.example\"]", "ice-secret is not"),
        ("ice-secret = \"s3cret\"\nice-server = [\"stun:stun.example\"]", "names no TURN server"),
    ] {
        let said = refusal(file, &[]);
        assert!(said.contains(words) && !said.contains("s3cret"), "{file}: {said}");
    }
}

#[test]
fn proxies_certificates_and_ice_servers_can_be_set_everywhere() {
    let args = [
        "--public-address=203.0.113.7:443,2001:db8::7",
        "--trusted-proxy=10.0.0.0/8,::1",
        "--proxy-protocol",
        "--tls-at-proxy=false",
        "--acme-domain=meet.example.org",
        "--acme-domain=a.example.org",
        "--acme-contact=root@example.org",
        "--ice-server=turn:turn.example.org",
        "--ice-secret=north",
        "--relay-bitrate=3",
        "--media-threads=5",
        "--qos-controller=nada",
    ];
    let file = "
        public-address = [\"203.0.113.7:443\", \"2001:db8::7\"]
        trusted-proxy = [\"10.0.0.0/8\", \"::1\"]
        proxy-protocol = true
        tls-at-proxy = false
        acme-domain = [\"meet.example.org\", \"a.example.org\"]
        acme-contact = [\"root@example.org\"]
        ice-server = [\"turn:turn.example.org\"]
        ice-secret = \"north\"
        relay-bitrate = 3
        media-threads = 5
        qos.controller = \"nada\"";
    for config in [decide("", &args).expect("valid"), decide(file, &[]).expect("valid")] {
        assert_eq!(config.public_addresses[0].port, Some(443));
        assert_eq!(config.public_addresses[1].port, None);
        assert_eq!(config.media_threads.get(), 5);
        assert_eq!(config.qos_controller, Algorithm::Nada);
        assert!(config.proxies.proxy_protocol && !config.proxies.end_tls);
        assert!(config.proxies.trust("10.9.8.7".parse().expect("IP")));
        assert!(!config.proxies.trust("127.0.0.1".parse().expect("IP")));
        let acme = config.acme.as_ref().expect("wanted");
        assert_eq!(acme.domains.len(), 2);
        assert_eq!(config.external_ice.urls[0].as_str(), "turn:turn.example.org");
        assert_eq!(config.relay_mbits, 3);
        let printed = format!("{config:?}");
        assert!(!printed.contains("north") && !printed.contains("root@"), "{printed}");
    }
}

#[test]
fn a_mistyped_secret_is_not_shown() {
    let said = refusal("ice-secret = s3cret", &[]);
    assert!(said.contains("line 1") && !said.contains("s3cret"), "{said}");
}

#[test]
fn a_check_takes_the_address_that_people_have() {
    let invoked = |args: &[&str]| {
        let args = ["conclave", "check"].iter().chain(args).map(OsString::from);
        Invocation::from_args(args)
    };
    let Ok(Invocation::Check { options, json }) = invoked(&["meet.example.org/m/standup", "--insecure", "--json"])
    else {
        panic!("a check")
    };
    assert!(options.insecure && json && options.target.to_string() == "https://meet.example.org");
    let said = invoked(&["ftp://x"]).expect_err("refused").to_string();
    assert!(said.contains("https://meet.example.org"), "{said}");
}

#[test]
fn a_missing_file_is_named() {
    let args = ["conclave", "serve", "--config", "/nonexistent/c.toml"].map(OsString::from);
    let said = Invocation::from_args(args).expect_err("refused").to_string();
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
    let has = |name: &str| match name.strip_prefix("qos-") {
        Some(name) => table["qos"].as_table().is_some_and(|qos| qos.contains_key(name)),
        None => table.contains_key(name),
    };
    for name in cli::option_names() {
        assert!(has(&name), "conclave.example.toml does not show {name}");
    }
    assert_eq!(table.len(), cli::option_names().len());
}
