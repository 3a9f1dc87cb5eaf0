//! How APISIX shows secrets of plugins and private keys in answers to writes: AES-128-CBC, the
//! key being its initial vector too, in base64.
//!
//! Only the answers are encrypted here; the store keeps plain values, since reads show those.

use aws_lc_rs::cipher::{AES_128, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// The first entry of `apisix.data_encryption.keyring` in APISIX's shipped configuration.
const DEFAULT_KEYRING: &[u8; 16] = b"qeddd145sfvddff3";

/// The text as the default configuration encrypts it; unchanged if that fails.
pub(crate) fn encrypt(text: &str) -> String {
    encrypted(text).map_or_else(|_| text.to_owned(), |bytes| base64(&bytes))
}

fn encrypted(text: &str) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
    let key = UnboundCipherKey::new(&AES_128, DEFAULT_KEYRING)?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key)?;
    let mut bytes = text.as_bytes().to_vec();
    let start = EncryptionContext::Iv128(FixedLength::from(DEFAULT_KEYRING));
    key.less_safe_encrypt(&mut bytes, start)?;
    Ok(bytes)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4_usize {
            let sextet = (bits >> (18 - 6 * position)) & 63;
            let padded = position > chunk.len();
            text.push(if padded {
                '='
            } else {
                char::from(ALPHABET[sextet as usize])
            });
        }
    }
    text
}

/// The bytes of a text in base64, padded or not; none if it is not.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n_bits) = (0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let sextet = ALPHABET.iter().position(|known| *known == letter)?;
        bits = bits << 6 | u32::try_from(sextet).ok()?;
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push(u8::try_from(bits >> n_bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_there_and_back() {
        for text in ["", "a", "ab", "abc", "rose:p\u{e4}"] {
            assert_eq!(from_base64(&base64(text.as_bytes())), Some(text.as_bytes().to_vec()));
        }
        assert_eq!(from_base64("a b"), None);
    }

    #[test]
    fn encrypts_as_recorded() {
        assert_eq!(encrypt("jackkey"), "fVqxkFgn8qKwj6swtQOfhQ==");
        assert_eq!(encrypt("credkey"), "CTdMj0IZZuPauhj2XHZAdQ==");
    }
}
