//! The CMOS clock's registers as Unix time.

/// The clock registers as read, in the format that `status_b` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the whole meaning")]
pub struct RtcFields {
    pub second: u8,
    pub minute: u8,
    /// Bit 7 means afternoon in the 12-hour format.
    pub hour: u8,
    pub day: u8,
    pub month: u8,
    /// Of the century 2000.
    pub year: u8,
    pub status_b: u8,
}

const STATUS_B_24_HOURS: u8 = 1 << 1;
const STATUS_B_BINARY: u8 = 1 << 2;

/// Seconds since 1970 (UTC), or `None` where the fields are not a date between 2000 and 2099.
pub fn unix_from_rtc(fields: &RtcFields) -> Option<u64> {
    let number = |raw: u8| -> Option<u64> {
        if fields.status_b & STATUS_B_BINARY != 0 {
            return Some(u64::from(raw));
        }
        let (tens, ones) = (raw >> 4, raw & 0xf);
        (tens < 10 && ones < 10).then(|| u64::from(tens * 10 + ones))
    };
    let (second, minute) = (number(fields.second)?, number(fields.minute)?);
    let (day, month, year) = (
        number(fields.day)?,
        number(fields.month)?,
        2000 + number(fields.year)?,
    );
    let hour = if fields.status_b & STATUS_B_24_HOURS != 0 {
        number(fields.hour)?
    } else {
        let half = number(fields.hour & 0x7f)?;
        (half <= 12).then_some(half % 12 + if fields.hour & 0x80 != 0 { 12 } else { 0 })?
    };
    let valid = second < 60
        && minute < 60
        && hour < 24
        && (1..=31).contains(&day)
        && (1..=12).contains(&month)
        && year < 2100;
    valid.then(|| (days_since_1970(year, month, day) * 24 + hour) * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01. The year is counted from March, so that the leap day is its last; 306 days lie between
/// 1 March of year 0 and 1 January of year 1.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before_year = year * 365 + year / 4 - year / 100 + year / 400;
    before_year + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bcd(year: u8, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> RtcFields {
        RtcFields {
            second,
            minute,
            hour,
            day,
            month,
            year,
            status_b: STATUS_B_24_HOURS,
        }
    }

    #[test]
    fn known_dates() {
        // From `date -u -d '...' +%s`.
        assert_eq!(
            unix_from_rtc(&bcd(0x00, 0x01, 0x01, 0, 0, 0)),
            Some(946_684_800)
        );
        assert_eq!(
            unix_from_rtc(&bcd(0x24, 0x02, 0x29, 0x23, 0x59, 0x59)),
            Some(1_709_251_199)
        );
        assert_eq!(
            unix_from_rtc(&bcd(0x24, 0x03, 0x01, 0, 0, 0)),
            Some(1_709_251_200)
        );
        assert_eq!(
            unix_from_rtc(&bcd(0x99, 0x12, 0x31, 0x12, 0x34, 0x56)),
            Some(4_102_403_696)
        );
    }

    #[test]
    fn formats_agree() {
        let expected = unix_from_rtc(&bcd(0x26, 0x11, 0x20, 0x21, 0x05, 0x09));
        let binary = RtcFields {
            second: 9,
            minute: 5,
            hour: 21,
            day: 20,
            month: 11,
            year: 26,
            status_b: 0x06,
        };
        assert_eq!(unix_from_rtc(&binary), expected);
        let afternoon = RtcFields {
            hour: 0x89,
            status_b: 0,
            ..bcd(0x26, 0x11, 0x20, 0, 0x05, 0x09)
        };
        assert_eq!(unix_from_rtc(&afternoon), expected);
        let midnight = RtcFields {
            hour: 0x12,
            status_b: 0,
            ..bcd(0x26, 0x11, 0x20, 0, 0, 0)
        };
        assert_eq!(
            unix_from_rtc(&midnight),
            unix_from_rtc(&bcd(0x26, 0x11, 0x20, 0, 0, 0))
        );
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(
            unix_from_rtc(&RtcFields {
                second: 0xff,
                ..bcd(0, 1, 1, 0, 0, 0)
            }),
            None
        );
        assert_eq!(unix_from_rtc(&bcd(0x26, 0x13, 0x01, 0, 0, 0)), None);
        assert_eq!(unix_from_rtc(&bcd(0x26, 0x00, 0x01, 0, 0, 0)), None);
    }
}
