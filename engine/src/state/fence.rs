//! Fences and epochs in JSON: hex text, since 64 random bits are more than a JSON number keeps.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::Fence;

/// `<epoch, 16 hex digits>.<seq>`.
impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.0, self.1)
    }
}

impl FromStr for Fence {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, seq) = text.split_once('.').ok_or("a fence is an epoch, a dot and a number")?;
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| "an epoch is hex")?;
        Ok(Self(epoch, seq.parse().map_err(|_| "a fence ends with a number")?))
    }
}

impl Serialize for Fence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// An epoch alone.
pub(crate) mod epoch {
    use super::{Cow, Deserialize, Deserializer, Error, Serializer};

    pub(crate) fn serialize<S: Serializer>(epoch: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{epoch:016x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(|_| D::Error::custom("an epoch is hex"))
    }
}

#[cfg(test)]
mod tests {
    use super::Fence;

    #[test]
    fn a_fence_keeps_all_its_bits() {
        let fence = Fence(u64::MAX - 1, 12);
        assert_eq!(fence.to_string(), "fffffffffffffffe.12");
        assert_eq!(fence.to_string().parse(), Ok(fence));
        assert_eq!(
            serde_json::from_str::<Fence>(&serde_json::to_string(&fence).unwrap()).unwrap(),
            fence
        );
        for bad in ["", "12", "x.1", "1.x", "1.-1"] {
            assert!(bad.parse::<Fence>().is_err(), "{bad}");
        }
    }
}
