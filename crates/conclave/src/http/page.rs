//! The web page: what `web/dist` held when the program was built. In debug builds it is read from
//! there at each request.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::io::Write as _;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

use super::App;
use crate::config::FrameAncestor;
use crate::net::{Host, Peer};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
#[allow_missing = true]
struct Dist;

/// Where the build puts files whose name holds a hash of their content.
const HASHED: &str = "assets/";
/// Not worth compressing: smaller than one packet.
const SMALL: usize = 1_200;

const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Conclave</title>
<p>The server runs, but it was built without its page. Run <code>make build</code> in the project's folder (it needs \
Node.js 20), which leaves the whole program in <code>target/release/conclave</code>, and start that one.
</html>
";

/// The page's files and headers.
pub struct Page {
    /// Filled in release builds, where the files cannot change.
    assets: HashMap<Cow<'static, str>, Asset>,
    frame_ancestors: String,
}

#[derive(Clone)]
struct Asset {
    content: Bytes,
    gzip: Option<Bytes>,
    /// Without quotes (RFC 9110, section 8.8.3).
    tag: String,
    mime: HeaderValue,
    is_hashed: bool,
}

impl Page {
    /// The page; `frame_ancestors` may show it in a frame.
    pub fn new(frame_ancestors: &[FrameAncestor]) -> Self {
        let mut sources = frame_ancestors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        if sources.is_empty() {
            sources = "'none'".into();
        }
        let assets = if cfg!(debug_assertions) {
            HashMap::new()
        } else {
            Dist::iter().filter_map(|path| Some((path.clone(), Asset::load(&path)?))).collect()
        };
        Self { assets, frame_ancestors: sources }
    }

    fn asset(&self, path: &str) -> Option<Cow<'_, Asset>> {
        if cfg!(debug_assertions) {
            Asset::load(path).map(Cow::Owned)
        } else {
            self.assets.get(path).map(Cow::Borrowed)
        }
    }

    fn policy(&self, host: Option<&Host>) -> String {
        // 'self' covers the WebSocket in current browsers; older ones want its origin by name.
        let socket = host.map(|host| format!(" wss://{host} ws://{host}")).unwrap_or_default();
        let frame_ancestors = &self.frame_ancestors;
        format!(
            "default-src 'self'; connect-src 'self'{socket}; img-src 'self' blob: data:; media-src 'self' blob:; \
             object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors {frame_ancestors}; \
             require-trusted-types-for 'script'; trusted-types svelte-trusted-html conclave"
        )
    }
}

impl Asset {
    fn load(path: &str) -> Option<Self> {
        let file = Dist::get(path)?;
        let mut tag = String::new();
        for byte in &file.metadata.sha256_hash()[..12] {
            let _ = write!(tag, "{byte:02x}");
        }
        let mime = file.metadata.mimetype();
        let content = Bytes::from(file.data.into_owned());
        let is_text = mime.starts_with("text/")
            || ["javascript", "json", "svg", "wasm", "xml"].iter().any(|kind| mime.contains(kind));
        let gzip = (is_text && content.len() > SMALL).then(|| compress(&content)).flatten();
        let mime = if mime.starts_with("text/") { format!("{mime}; charset=utf-8") } else { mime.to_owned() };
        Some(Self { content, gzip, tag, mime: mime.parse().ok()?, is_hashed: path.starts_with(HASHED) })
    }

    fn respond(&self, headers: &HeaderMap) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(headers));
        let tag = if gzip.is_some() { format!("\"{}-gz\"", self.tag) } else { format!("\"{}\"", self.tag) };
        let caching = if self.is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
        let mut response = if is_current(headers, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let body = Body::from(gzip.unwrap_or(&self.content).clone());
            let mut response = ([(header::CONTENT_TYPE, self.mime.clone())], body).into_response();
            if gzip.is_some() {
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let out = response.headers_mut();
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            out.insert(header::ETAG, tag);
        }
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        response
    }
}

fn compress(content: &[u8]) -> Option<Bytes> {
    // Once per start in a release build; a debug build compresses at each request.
    let level = if cfg!(debug_assertions) { Compression::fast() } else { Compression::best() };
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(content).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < content.len()).then(|| compressed.into())
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
            is_gzip && !parts.any(|part| part == "q=0" || part == "q=0.0")
        })
    })
}

fn is_current(headers: &HeaderMap, tag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|known| {
            let known = known.trim();
            known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
        })
    })
}

/// `GET /`, `GET /check`, `GET /admin` and `GET /m/{room}`: the page finds out by itself where it is.
pub(super) async fn index(State(app): State<App>, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Response {
    let mut response = match app.page.asset("index.html") {
        Some(index) => index.respond(&headers),
        None => {
            let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (StatusCode::SERVICE_UNAVAILABLE, html, NOT_BUILT).into_response()
        }
    };
    if let Ok(policy) = HeaderValue::from_str(&app.page.policy(peer.host.as_ref())) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    const DOCUMENT: [(&str, &str); 2] = [
        ("cross-origin-opener-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), fullscreen=(self), \
             picture-in-picture=(self), screen-wake-lock=(self), autoplay=(self), geolocation=(), payment=(), usb=(), \
             serial=(), hid=(), midi=()",
        ),
    ];
    for (name, value) in DOCUMENT {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Everything else: a file of the page, or nothing.
pub(super) async fn asset(State(app): State<App>, uri: Uri, request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return super::error::method_not_allowed().await;
    }
    let path = uri.path().trim_start_matches('/');
    // Its headers belong to the document, which has an address of its own.
    match app.page.asset(path).filter(|_| path != "index.html") {
        Some(asset) => asset.respond(request.headers()),
        None => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("value"))])
    }

    fn asset(path: &str) -> Asset {
        Asset {
            content: Bytes::from_static(b"long text"),
            gzip: Some(Bytes::from_static(b"short")),
            tag: "abc".into(),
            mime: HeaderValue::from_static("text/html"),
            is_hashed: path.starts_with(HASHED),
        }
    }

    #[test]
    fn a_client_gets_the_encoding_that_it_takes() {
        for (accepted, gzip) in
            [("gzip, deflate, br", true), ("br;q=1, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            let response = asset("index.html").respond(&headers(header::ACCEPT_ENCODING, accepted));
            assert_eq!(response.headers().contains_key(header::CONTENT_ENCODING), gzip, "{accepted}");
            assert_eq!(response.headers()[header::VARY], "accept-encoding");
        }
    }

    #[test]
    fn what_a_client_has_already_is_not_sent_again() {
        let status = |known: &str| asset("index.html").respond(&headers(header::IF_NONE_MATCH, known)).status();
        assert_eq!(status("\"abc\""), StatusCode::NOT_MODIFIED);
        assert_eq!(status("\"x\", W/\"abc\""), StatusCode::NOT_MODIFIED);
        assert_eq!(status("\"abc-gz\""), StatusCode::OK, "another encoding is another representation");
    }

    #[test]
    fn only_files_with_a_hash_in_their_name_are_kept_for_good() {
        let caching = |path| asset(path).respond(&HeaderMap::new()).headers()[header::CACHE_CONTROL].clone();
        assert_eq!(caching("index.html"), "no-cache");
        assert!(caching("assets/index-1a2b.js").to_str().expect("text").contains("immutable"));
    }

    #[test]
    fn a_host_header_cannot_change_the_policy() {
        let page = Page::new(&[]);
        assert_eq!(Host::parse("a; script-src *"), None);
        assert!(page.policy(Host::parse("a:8443").as_ref()).contains("connect-src 'self' wss://a:8443 ws://a:8443;"));
        assert!(page.policy(None).contains("frame-ancestors 'none'"));
    }

    #[test]
    fn nothing_outside_the_page_can_be_read() {
        let page = Page::new(&[]);
        for path in
            ["../Cargo.toml", "../../Cargo.toml", "..%2f..%2fCargo.toml", "/etc/passwd", "assets/../../package.json"]
        {
            assert!(page.asset(path).is_none(), "{path}");
        }
    }
}
