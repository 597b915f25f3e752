//! Durations and times as people write them. No clock: the present moment comes from outside.

/// Milliseconds of a duration such as `500ms`, `90s`, `1h30m`, `7d`; at most ten years.
pub fn duration(text: &str) -> Option<u64> {
    const MOST: u64 = 10 * 366 * 86_400_000;
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let (unit, length) = match rest.as_bytes() {
            [b'm', b's', ..] => (1, 2),
            [b's', ..] => (1_000, 1),
            [b'm', ..] => (60_000, 1),
            [b'h', ..] => (3_600_000, 1),
            [b'd', ..] => (86_400_000, 1),
            _ => return None,
        };
        rest = rest.get(length..)?;
        total = total.checked_add(number.checked_mul(unit)?)?;
    }
    (!text.is_empty() && total <= MOST).then_some(total)
}

/// Milliseconds since 1970 of an RFC 3339 time with offset: `2026-11-02T09:00:00Z`, `2026-11-02T09:00:00.250+01:00`.
pub fn instant(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut ms = 0;
    if is(at, b".") {
        let end =
            (at + 1..bytes.len()).find(|&i| !bytes[i].is_ascii_digit()).unwrap_or(bytes.len());
        let fraction =
            text.get(at + 1..end).filter(|digits| !digits.is_empty() && digits.len() <= 9)?;
        ms = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        at = end;
    }
    let offset = match bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && is(at + 3, b":") => {
            let minutes = number(at + 1, at + 3)? * 60 + number(at + 4, at + 6)?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    // Days since 1970-01-01, after Howard Hinnant's published algorithm.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted - era * 400;
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
    let total: i64 = ((days * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1_000 + ms;
    u64::try_from(total).ok()
}

/// Milliseconds since 1970 as RFC 3339 with milliseconds, in UTC.
pub fn rfc3339(time: u64) -> String {
    let (days, rest) = (time / 86_400_000, time % 86_400_000);
    // Civil date from days since 1970-01-01, after Howard Hinnant's published algorithm.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second, ms) =
        (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Milliseconds since 1970 as RFC 3339 in JSON.
pub(crate) mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(time: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::rfc3339(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        super::instant(&text).ok_or_else(|| D::Error::custom("not a time"))
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, instant, rfc3339};

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Some(500));
        assert_eq!(duration("1h30m"), Some(5_400_000));
        assert_eq!(duration("7d"), Some(604_800_000));
        for bad in ["", "5", "s", "1.5s", "-1s", "1w", "99999999999999999999s", "1s ", "4000d"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn instants() {
        assert_eq!(instant("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(instant("2026-11-04T23:59:59.999Z"), Some(1_793_836_799_999));
        assert_eq!(instant("2026-11-05T00:59:59.999+01:00"), Some(1_793_836_799_999));
        assert_eq!(instant("2000-02-29T00:00:00Z"), Some(951_782_400_000));
        for bad in [
            "2026-02-29T00:00:00Z",
            "2026-11-04T23:59:59",
            "2026-13-01T00:00:00Z",
            "soon",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(rfc3339(1_793_836_799_999), "2026-11-04T23:59:59.999Z");
    }
}
