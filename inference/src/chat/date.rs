//! `strftime_now`: the date, in UTC, from a time that the caller gives.
use alloc::format;
use alloc::string::String;

use super::error::ErrorKind;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A day of the Gregorian calendar.
struct Day {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
}

/// The day that lies so many days after 1970-01-01. Counts in years that begin in March, so that the leap day is last.
fn day_of(days: i64) -> Day {
    let since_march_of_year_0 = days + 719_468;
    let era = since_march_of_year_0.div_euclid(146_097);
    let day_of_era = since_march_of_year_0.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    Day {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month,
        day,
    }
}

/// Formats a time in seconds since 1970 as C's `strftime` does.
pub(super) fn strftime(format: &str, unix_time: u32) -> Result<String, ErrorKind> {
    let (days, seconds) = (i64::from(unix_time / 86_400), unix_time % 86_400);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let Day { year, month, day } = day_of(days);
    let weekday = (days + 3).rem_euclid(7);
    let named = |names: &[&'static str], index: i64| {
        usize::try_from(index)
            .ok()
            .and_then(|index| names.get(index).copied())
            .unwrap_or_default()
    };
    let (month_name, day_name) = (named(&MONTHS, month - 1), named(&DAYS, weekday));
    let hour_of_12 = (hour + 11) % 12 + 1;
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out += &format!("{year}"),
            Some('y') => out += &format!("{:02}", year % 100),
            Some('m') => out += &format!("{month:02}"),
            Some('d') => out += &format!("{day:02}"),
            Some('e') => out += &format!("{day:2}"),
            Some('B') => out += month_name,
            Some('b' | 'h') => out += &month_name[..3],
            Some('A') => out += day_name,
            Some('a') => out += &day_name[..3],
            Some('H') => out += &format!("{hour:02}"),
            Some('I') => out += &format!("{hour_of_12:02}"),
            Some('M') => out += &format!("{minute:02}"),
            Some('S') => out += &format!("{second:02}"),
            Some('p') => out += if hour < 12 { "AM" } else { "PM" },
            Some('F') => out += &format!("{year}-{month:02}-{day:02}"),
            Some('T') => out += &format!("{hour:02}:{minute:02}:{second:02}"),
            Some('Z') => out += "UTC",
            Some('%') => out.push('%'),
            _ => return Err(ErrorKind::Unsupported("this directive of `strftime_now`")),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values are what `date -u -d @N` prints.
    #[test]
    fn dates_are_right_around_leap_days() {
        let cases = [
            (0, "1970-01-01 Thursday 00:00:00 12 AM"),
            (951_782_399, "2000-02-28 Monday 23:59:59 11 PM"),
            (951_868_800, "2000-03-01 Wednesday 00:00:00 12 AM"),
            (951_825_600, "2000-02-29 Tuesday 12:00:00 12 PM"),
            (4_107_542_400, "2100-03-01 Monday 00:00:00 12 AM"),
            (1_735_689_599, "2024-12-31 Tuesday 23:59:59 11 PM"),
        ];
        for (time, expected) in cases {
            assert_eq!(
                strftime("%Y-%m-%d %A %H:%M:%S %I %p", time).unwrap(),
                expected
            );
        }
    }
}
