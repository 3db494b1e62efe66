//! Minted tokens: JSON Web Tokens (RFC 7519), signed with HS256 by a key that never leaves the data
//! folder. Verification follows RFC 8725: the algorithm is pinned, and key id, audience and expiry
//! must be there and right.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use conclave_proto::{DisplayName, ErrorCode, ProtocolError, Role, RoomName};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::admin::{SecretFileError, read_or_make};

/// Longest lifetime of a token, in seconds: 90 days.
pub const MAX_LIFETIME: u32 = 90 * 24 * 3600;

const AUDIENCE: &str = "conclave";
const KEY_BYTES: usize = 32;

/// What a token gives its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// In which room, and in no other.
    pub room: RoomName,
    /// What the bearer is called; none: as the bearer likes.
    pub name: Option<DisplayName>,
    /// Host or participant.
    pub role: Role,
    /// Whether sources may be sent.
    pub may_publish: bool,
    /// Whether chat messages may be sent.
    pub may_chat: bool,
}

/// A fresh token. Its text is in no `Debug`.
pub struct MintedToken {
    /// The token.
    pub token: String,
    /// When it ends: seconds since 1970-01-01 UTC.
    pub expires_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    aud: String,
    iat: u64,
    exp: u64,
    room: RoomName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<DisplayName>,
    role: Role,
    publish: bool,
    chat: bool,
}

/// The key in `DATA/token-key`. Removing the file makes every minted token void.
pub(super) struct TokenKey {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl TokenKey {
    pub(super) fn open(data: &Path) -> Result<Self, SecretFileError> {
        let path = data.join("token-key");
        let text = read_or_make(&path)?;
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(key) if key.len() == KEY_BYTES => Ok(Self::from_secret(&key)),
            _ => Err(SecretFileError::Damaged { path }),
        }
    }

    fn from_secret(secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        // Expiry is checked below against the time that the caller gives.
        validation.validate_exp = false;
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(secret)[..6]);
        Self { id, encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret), validation }
    }

    pub(super) fn mint(&self, grants: Grants, lifetime: u32, now: u64) -> Result<MintedToken, ProtocolError> {
        let expires_at = now + u64::from(lifetime.clamp(1, MAX_LIFETIME));
        let claims = Claims {
            aud: AUDIENCE.into(),
            iat: now,
            exp: expires_at,
            room: grants.room,
            name: grants.name,
            role: grants.role,
            publish: grants.may_publish,
            chat: grants.may_chat,
        };
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.encoding)
            .map_err(|_| ProtocolError::new(ErrorCode::Internal, "the token could not be signed"))?;
        Ok(MintedToken { token, expires_at })
    }

    pub(super) fn verify(&self, token: &str, now: u64) -> Option<Grants> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?;
        let claims = data.claims;
        // The key id is compared, never used to look a key up: it comes from outside.
        if data.header.kid.as_deref() != Some(&self.id) || data.header.alg != Algorithm::HS256 {
            return None;
        }
        let lives = claims.exp > now && claims.exp - claims.iat.min(claims.exp) <= u64::from(MAX_LIFETIME);
        lives.then_some(Grants {
            room: claims.room,
            name: claims.name,
            role: claims.role,
            may_publish: claims.publish,
            may_chat: claims.chat,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn key() -> TokenKey {
        TokenKey::from_secret(&[7; KEY_BYTES])
    }

    fn grants() -> Grants {
        Grants {
            room: RoomName::parse("planning").expect("valid"),
            name: None,
            role: Role::Host,
            may_publish: true,
            may_chat: false,
        }
    }

    fn parts(token: &str) -> [Value; 2] {
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"));
        [(); 2].map(|()| serde_json::from_slice(&parts.next().expect("part")).expect("JSON"))
    }

    /// A token with a header and claims of the attacker's choice, signed with this secret.
    fn forge(header: &Value, claims: &Value, secret: &[u8]) -> String {
        let head = URL_SAFE_NO_PAD.encode(header.to_string());
        let body = URL_SAFE_NO_PAD.encode(claims.to_string());
        let signed = format!("{head}.{body}");
        let algorithm = match header["alg"].as_str() {
            Some("HS384") => Algorithm::HS384,
            Some("HS512") => Algorithm::HS512,
            _ => Algorithm::HS256,
        };
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &EncodingKey::from_secret(secret), algorithm).expect("signs");
        format!("{signed}.{signature}")
    }

    #[test]
    fn a_minted_token_gives_what_was_granted_until_it_expires() {
        let minted = key().mint(grants(), 60, NOW).expect("minted");
        assert_eq!(key().verify(&minted.token, NOW + 59), Some(grants()));
        assert_eq!(key().verify(&minted.token, NOW + 60), None, "expired");
        assert_eq!(minted.expires_at, NOW + 60);
    }

    #[test]
    fn a_token_of_another_key_or_key_id_is_refused() {
        let other = TokenKey::from_secret(&[8; KEY_BYTES]);
        let minted = other.mint(grants(), 60, NOW).expect("minted");
        assert_eq!(key().verify(&minted.token, NOW), None);

        let [mut header, claims] = parts(&key().mint(grants(), 60, NOW).expect("minted").token);
        assert!(key().verify(&forge(&header, &claims, &[7; KEY_BYTES]), NOW).is_some(), "the forger works");
        for kid in [json!("../../dev/null"), json!("other"), json!(""), Value::Null] {
            header["kid"] = kid;
            assert_eq!(key().verify(&forge(&header, &claims, &[7; KEY_BYTES]), NOW), None);
        }
    }

    #[test]
    fn only_the_pinned_algorithm_is_accepted() {
        let token = key().mint(grants(), 60, NOW).expect("minted").token;
        let [mut header, claims] = parts(&token);
        for algorithm in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA"] {
            header["alg"] = json!(algorithm);
            let forged = forge(&header, &claims, &[7; KEY_BYTES]);
            assert_eq!(key().verify(&forged, NOW), None, "{algorithm}");
            let unsigned = format!("{}.", forged.rsplit_once('.').expect("three parts").0);
            assert_eq!(key().verify(&unsigned, NOW), None, "{algorithm} without a signature");
        }
    }

    #[test]
    fn claims_must_be_there_and_right() {
        let [header, claims] = parts(&key().mint(grants(), 60, NOW).expect("minted").token);
        for (name, value) in [
            ("aud", json!("elsewhere")),
            ("aud", Value::Null),
            ("exp", json!(NOW - 1)),
            ("exp", json!(NOW + 10 * u64::from(MAX_LIFETIME))),
            ("exp", Value::Null),
            ("exp", json!("tomorrow")),
            ("room", json!("../x")),
            ("role", json!("admin")),
            ("publish", Value::Null),
        ] {
            let mut forged = claims.clone();
            forged[name] = value.clone();
            assert_eq!(key().verify(&forge(&header, &forged, &[7; KEY_BYTES]), NOW), None, "{name}: {value}");
            forged.as_object_mut().expect("object").remove(name);
            assert_eq!(key().verify(&forge(&header, &forged, &[7; KEY_BYTES]), NOW), None, "no {name}");
        }
    }

    #[test]
    fn a_changed_token_is_refused_whatever_was_changed() {
        let token = key().mint(grants(), 60, NOW).expect("minted").token;
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            // The last character of a part holds bits that decode to nothing; the decoder refuses them.
            assert_eq!(key().verify(&changed, NOW), None, "changed at {at}");
        }
        assert_eq!(key().verify("", NOW), None);
        assert_eq!(key().verify("..", NOW), None);
    }
}
