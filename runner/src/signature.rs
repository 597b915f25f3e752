//! Signatures on requests that go out: HMAC-SHA256 (RFC 2104) over the time and the body, so that a receiver knows
//! who sent them, that nothing was changed, and that they are not old ones again.

use sha2::{Digest as _, Sha256};

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// `v1=<hex>`: of `<seconds since 1970>.<body>`.
pub fn sign(secret: &[u8], seconds: u64, body: &[u8]) -> String {
    let signed = [seconds.to_string().as_bytes(), b".", body].concat();
    format!("v1={}", data_encoding::HEXLOWER.encode(&hmac(secret, &signed)))
}

/// The code of a message under a secret.
pub(crate) fn hmac(secret: &[u8], message: &[u8]) -> [u8; 32] {
    let mut key = [0_u8; BLOCK];
    let short: &[u8] = if secret.len() > BLOCK { &Sha256::digest(secret) } else { secret };
    for (place, byte) in key.iter_mut().zip(short) {
        *place = *byte;
    }
    let padded = |pad: u8| key.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(secret: &[u8], message: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(&hmac(secret, message))
    }

    /// RFC 4231, cases 1 to 4, 6 and 7.
    #[test]
    fn the_vectors_of_the_standard() {
        assert_eq!(
            hex(&[0x0b; 20], b"Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&[0xaa; 20], &[0xdd; 50]),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        );
        let counting: Vec<u8> = (1..=25).collect();
        assert_eq!(
            hex(&counting, &[0xcd; 50]),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        );
        assert_eq!(
            hex(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
        assert_eq!(
            hex(
                &[0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."
            ),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        );
    }

    #[test]
    fn time_and_body_are_signed() {
        let signed = sign(b"Jefe", 1_700_000_000, b"{}");
        assert!(signed.starts_with("v1=") && signed.len() == 67, "{signed}");
        assert_ne!(signed, sign(b"Jefe", 1_700_000_001, b"{}"));
        assert_ne!(signed, sign(b"Jefe", 1_700_000_000, b"[]"));
        assert_ne!(signed, sign(b"jefe", 1_700_000_000, b"{}"));
    }
}
