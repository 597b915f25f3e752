//! Ids of runs, tickets and patches: `run_`, `ticket_`, `patch_` and 26 characters of lower-case
//! base32: 48 bits of milliseconds, 77 random bits, and the shard as last character.

use std::sync::Arc;

/// The alphabet: Crockford's, lower case, so that ids of one kind sort by time.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A new run id in a shard (0..32).
pub fn run(now: u64, random: u128, shard: u32) -> Arc<str> {
    format!("run_{}", body(now, random, shard)).into()
}

/// The shard of an id; none if it is not of this form.
pub fn shard(id: &str) -> Option<u32> {
    let (_, body) = id.rsplit_once('_')?;
    if body.len() != 26 {
        return None;
    }
    let last = *body.as_bytes().last()?;
    ALPHABET.iter().position(|&letter| letter == last).map(|at| at as u32)
}

/// The 26 characters: 10 of time (50 bits, the upper two 0), 15 random (75 bits), one of shard.
pub fn body(now: u64, random: u128, shard: u32) -> String {
    let mut text = String::with_capacity(26);
    for at in (0..10).rev() {
        text.push(letter(now >> (at * 5)));
    }
    for at in 0..15 {
        text.push(letter((random >> (at * 5)) as u64));
    }
    text.push(letter(u64::from(shard)));
    text
}

fn letter(bits: u64) -> char {
    char::from(ALPHABET[(bits & 31) as usize])
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_sort_by_time_and_name_their_shard() {
        let early = super::run(1_000, u128::MAX, 3);
        let late = super::run(1_001, 0, 31);
        assert!(early < late);
        assert_eq!(super::shard(&early), Some(3));
        assert_eq!(super::shard(&late), Some(31));
        assert_eq!(super::shard("run_short"), None);
        assert_eq!(early.len(), 30);
    }
}
