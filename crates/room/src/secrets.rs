use conclave_proto::{MessageId, ParticipantId, Secret};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// 132 bits at 6 a character: nobody guesses an identifier, and two never meet.
const ID_CHARS: usize = 22;
/// 258 bits.
const TOKEN_CHARS: usize = 43;

/// Makes identifiers and tokens out of the room's seed. Publishing the identifiers tells nothing
/// about the tokens: ChaCha20 is a cryptographic generator.
pub(crate) struct Secrets(ChaCha20Rng);

impl Secrets {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    pub(crate) fn participant_id(&mut self) -> ParticipantId {
        ParticipantId::parse(&self.text(ID_CHARS)).expect("22 URL-safe characters are an identifier")
    }

    pub(crate) fn message_id(&mut self) -> MessageId {
        MessageId::parse(&self.text(ID_CHARS)).expect("22 URL-safe characters are an identifier")
    }

    pub(crate) fn token(&mut self) -> Secret {
        Secret::parse(&self.text(TOKEN_CHARS)).expect("43 visible characters are a token")
    }

    /// Characters of the URL-safe alphabet of RFC 4648, section 5.
    fn text(&mut self, chars: usize) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut bytes = [0; TOKEN_CHARS];
        self.0.fill_bytes(&mut bytes);
        bytes[..chars].iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect()
    }
}
