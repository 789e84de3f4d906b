//! Whether a failed exchange with a model server is tried again, and when: what the vendors' own clients do.
//! `Retry-After`: RFC 9110 section 10.2.3.

use crate::error::HttpError;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// When to try again. Pure: the caller keeps count of the attempts, and waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first one.
    pub most: u32,
    /// The wait before the first of them, where the server says nothing; it doubles each time.
    pub first_wait: Duration,
    /// The longest wait, where the server says nothing.
    pub longest_wait: Duration,
    /// The longest wait that a server may ask for. It is not tried again if it asks for more.
    pub longest_asked: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            most: 2,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(8),
            longest_asked: Duration::from_secs(60),
        }
    }
}

/// What a response's headers say about another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hint {
    /// `retry-after-ms`, else `retry-after` as seconds or as a date.
    pub(crate) after: Option<Duration>,
    /// `x-should-retry`.
    pub(crate) should: Option<bool>,
}

impl Hint {
    /// Reads the headers of a response that came at `now`. What cannot be read counts as absent.
    pub(crate) fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let number = |name: &str| text(name)?.parse::<f64>().ok();
        let date = || {
            let date = httpdate::parse_http_date(text(RETRY_AFTER.as_str())?).ok()?;
            // A date that is over means now.
            Some(date.duration_since(now).unwrap_or_default())
        };
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
        let after = (number("retry-after-ms").and_then(|ms| seconds(ms / 1000.0)))
            .or_else(|| number(RETRY_AFTER.as_str()).and_then(seconds))
            .or_else(date);
        let should = match text("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        Self { after, should }
    }
}

impl RetryPolicy {
    /// How long to wait before the next attempt, after `attempts` of them. `None`: it is not tried again, since this
    /// failure would come again, enough was tried, or the wait is not over before `left` is.
    pub(crate) fn wait(
        &self,
        attempts: u32,
        error: &HttpError,
        hint: Hint,
        left: Option<Duration>,
    ) -> Option<Duration> {
        if attempts > self.most || !hint.should.unwrap_or_else(|| passes(error)) {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        let wait = match hint.after {
            Some(asked) if asked > self.longest_asked => return None,
            Some(asked) => asked,
            None => doubled.min(self.longest_wait),
        };
        left.is_none_or(|left| wait < left).then_some(wait)
    }
}

/// May this failure pass by itself? Our own time limit may not: what was too slow once costs as much again.
const fn passes(error: &HttpError) -> bool {
    match error {
        HttpError::Connect(_) | HttpError::Broken(_) => true,
        HttpError::Status { code, .. } => matches!(*code, 408 | 409 | 429 | 500..),
        HttpError::Timeout
        | HttpError::Reported(_)
        | HttpError::TooLarge { .. }
        | HttpError::Shape(_)
        | HttpError::Refusal(_)
        | HttpError::CutOff => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const POLICY: RetryPolicy = RetryPolicy {
        most: 2,
        first_wait: Duration::from_millis(500),
        longest_wait: Duration::from_secs(8),
        longest_asked: Duration::from_secs(60),
    };

    fn status(code: u16) -> HttpError {
        HttpError::Status { code, message: String::new() }
    }

    fn hint(headers: &[(&'static str, &'static str)]) -> Hint {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        // 1994-11-06 08:49:37, as in RFC 9110.
        Hint::read(&map, UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_ends() {
        let waits = |policy: RetryPolicy| {
            (1..=8).map(move |n| policy.wait(n, &status(500), Hint::default(), None)).collect::<Vec<_>>()
        };
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(waits(POLICY)[..3], [ms(500), ms(1_000), None]);
        let patient = RetryPolicy { most: 7, ..POLICY };
        assert_eq!(waits(patient)[2..], [ms(2_000), ms(4_000), ms(8_000), ms(8_000), ms(8_000), None]);
        assert_eq!(waits(RetryPolicy { most: u32::MAX, ..POLICY })[7], ms(8_000));
        assert_eq!(POLICY, RetryPolicy::default());
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let again = |error: &HttpError| POLICY.wait(1, error, Hint::default(), None).is_some();
        for code in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert!(again(&status(code)), "{code}");
        }
        for code in [200, 307, 400, 401, 402, 403, 404, 413, 422] {
            assert!(!again(&status(code)), "{code}");
        }
        assert!(again(&HttpError::Connect(String::new())) && again(&HttpError::Broken(String::new())));
        let (refusal, shape) = (HttpError::Refusal(String::new()), HttpError::Shape(String::new()));
        for error in [HttpError::Timeout, refusal, shape, HttpError::CutOff, HttpError::TooLarge { limit: 1 }]
        {
            assert!(!again(&error), "{error}");
        }
    }

    #[test]
    fn the_server_says_when_and_whether() {
        let after = |headers: &[_]| hint(headers).after.map(|after| after.as_millis());
        assert_eq!(after(&[("retry-after-ms", "250"), ("retry-after", "9")]), Some(250));
        assert_eq!(after(&[("retry-after-ms", "soon"), ("retry-after", "9")]), Some(9_000));
        assert_eq!(after(&[("retry-after", "1.5")]), Some(1_500));
        assert_eq!(after(&[("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")]), Some(3_000));
        assert_eq!(after(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(0));
        for nonsense in ["", "-1", "NaN", "inf", "1e300", "later", "Sun, 99 Nov 1994"] {
            assert_eq!(after(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        let wait = |code, headers, left| POLICY.wait(1, &status(code), hint(headers), left);
        assert_eq!(wait(429, &[("x-should-retry", "false")], None), None);
        assert!(wait(400, &[("x-should-retry", "true")], None).is_some());
        assert!(wait(429, &[("x-should-retry", "maybe")], None).is_some());
        assert_eq!(wait(429, &[("retry-after", "2")], None), Some(Duration::from_secs(2)));
        assert_eq!(wait(429, &[("retry-after", "3600")], None), None, "longer than anybody waits");
    }

    #[test]
    fn no_wait_goes_past_the_deadline() {
        let wait = |after, left| {
            POLICY.wait(1, &status(429), hint(&[("retry-after", after)]), Some(Duration::from_secs(left)))
        };
        assert_eq!(wait("2", 3), Some(Duration::from_secs(2)));
        assert_eq!((wait("3", 3), wait("4", 3), wait("0", 0)), (None, None, None));
        assert_eq!(POLICY.wait(1, &status(500), Hint::default(), Some(Duration::from_millis(500))), None);
    }
}
