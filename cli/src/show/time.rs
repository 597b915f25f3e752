//! Times: RFC 3339 for programs, lengths for people.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// `2026-11-02T09:00:00.000Z`.
pub(crate) fn rfc3339(ms: u64) -> String {
    static PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| ms.to_string(), |time| PRINTER.timestamp_to_string(&time))
}

/// A length: `3ms`, `1.2s`, `4m10s`, `3h05m`, `2d04h`.
pub(crate) fn length(ms: u64) -> String {
    let (seconds, minutes, hours) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..10_000 => format!("{seconds}.{}s", ms % 1_000 / 100),
        10_000..60_000 => format!("{seconds}s"),
        60_000..3_600_000 => format!("{minutes}m{:02}s", seconds % 60),
        3_600_000..86_400_000 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{}d{:02}h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::{length, rfc3339};

    #[test]
    fn lengths_and_times() {
        let shown: Vec<String> = [0, 999, 1_250, 12_900, 250_000, 11_100_000, 187_200_000]
            .into_iter()
            .map(length)
            .collect();
        assert_eq!(shown, ["0ms", "999ms", "1.2s", "12s", "4m10s", "3h05m", "2d04h"]);
        assert_eq!(rfc3339(1_793_836_799_999), "2026-11-04T23:59:59.999Z");
    }
}
