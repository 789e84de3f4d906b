//! Numbers for people: thin grouping, three significant digits, shares as percent, times in the unit that suits them.

/// Between groups of three digits, where no line is broken.
const THIN: char = '\u{202f}';
/// For what is no number.
const NOTHING: &str = "\u{2013}";

/// A count: `12 345`.
pub(crate) fn grouped(count: u64) -> String {
    group(&count.to_string())
}

/// At least three significant digits, whole numbers in full: `0.0123`, `4.56`, `12 345`.
pub(crate) fn figures(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return NOTHING.into();
    }
    match size {
        0.0 => "0".into(),
        1e-6..1e15 => {
            let decimals = (2.0 - size.log10().floor()).clamp(0.0, 9.0) as usize;
            trim(&group(&format!("{value:.decimals$}")))
        }
        _ => format!("{value:.2e}"),
    }
}

/// The same where there is little room: `12.3 M` for what has more than seven digits.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        1e7..1e9 => format!("{} M", figures(value / 1e6)),
        1e9..1e12 => format!("{} G", figures(value / 1e9)),
        1e12..1e15 => format!("{} T", figures(value / 1e12)),
        _ => figures(value),
    }
}

/// A share from 0 to 1: `12.3 %`, and `99.998 %` where the rest is what matters.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let rest = 100.0 - percent;
    // Below what is worth a digit, rounding is what is left of a sum.
    if !(1e-6..1.0).contains(&rest) {
        return format!("{} %", figures(if rest.abs() < 1e-6 { 100.0 } else { percent }));
    }
    let decimals = (1.0 - rest.log10().floor()) as usize;
    format!("{} %", trim(&format!("{percent:.decimals$}")))
}

/// A time in nanoseconds: `1.23 ms`.
pub(crate) fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ..1e3 => (ns, "ns"),
        1e3..1e6 => (ns / 1e3, "µs"),
        1e6..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", figures(value))
}

/// The same, of microseconds.
pub(crate) fn time_us(us: f64) -> String {
    time(us * 1e3)
}

fn trim(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text.into() }
}

/// Groups what is before the point, four digits too.
fn group(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let whole = digits.find('.').unwrap_or(digits.len());
    let mut text = String::from(sign);
    for (at, digit) in digits.char_indices() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(THIN, "_")
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1_000"), (u64::MAX, "18_446_744_073_709_551_615")];
        for (count, text) in cases {
            assert_eq!(plain(&grouped(count)), text);
        }
    }

    #[test]
    fn figures_have_three_digits_and_whole_numbers_all() {
        let cases = [
            (0.0, "0"),
            (0.012_345, "0.0123"),
            (0.5, "0.5"),
            (4.561, "4.56"),
            (123.4, "123"),
            (-12_345.6, "-12_346"),
            (999.99, "1_000"),
            (1e18, "1.00e18"),
            (1e-9, "1.00e-9"),
            (f64::NAN, NOTHING),
            (f64::INFINITY, NOTHING),
        ];
        for (value, text) in cases {
            assert_eq!(plain(&figures(value)), text, "{value}");
        }
    }

    #[test]
    fn what_is_long_is_short_where_there_is_little_room() {
        let cases =
            [(9_999_999.0, "9_999_999"), (12_345_678.0, "12.3 M"), (1e10, "10 G"), (1.8e19, "1.80e19")];
        for (value, text) in cases {
            assert_eq!(plain(&short(value)), text, "{value}");
        }
    }

    #[test]
    fn percents_keep_what_is_missing_to_100() {
        let cases = [
            (0.0, "0 %"),
            (0.123_4, "12.3 %"),
            (0.999_98, "99.998 %"),
            (1.0, "100 %"),
            (1.0 - 1e-12, "100 %"),
            (12.0, "1_200 %"),
        ];
        for (share, text) in cases {
            assert_eq!(plain(&percent(share)), text, "{share}");
        }
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let cases = [
            (0.0, "0 ns"),
            (812.0, "812 ns"),
            (1_234.0, "1.23 µs"),
            (45.6e6, "45.6 ms"),
            (7.2e12, "7_200 s"),
        ];
        for (ns, text) in cases {
            assert_eq!(plain(&time(ns)), text, "{ns}");
        }
        assert_eq!(time_us(2.0), "2 µs");
    }
}
