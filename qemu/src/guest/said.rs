//! What the kernel says on its console, for programs.

use std::fmt;

/// What the kernel prints when it can answer requests; backend, model and boot time follow.
pub(super) const READY: &str = "ready backend=";

/// What the kernel prints when it has tested a device; the result follows.
const SELFTEST: &str = "selftest: ";

/// What the kernel said when it could answer requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Base of the API as a client on this machine reaches it.
    pub url: String,
    /// `cpu` or `gpu`.
    pub backend: String,
    /// The model's name.
    pub model: String,
    /// Milliseconds from the kernel's entry.
    pub boot_ms: u64,
    /// What a test at boot came to.
    pub selftest: Option<Selftest>,
}

/// What the kernel's test of a device came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selftest {
    /// Cases that gave what they should.
    pub passed: u64,
    /// Cases that did not.
    pub failed: u64,
}

impl fmt::Display for Selftest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{SELFTEST}{} passed, {} failed",
            self.passed, self.failed
        )
    }
}

impl Selftest {
    /// Reads `... selftest: N passed, N failed`.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (passed, rest) = line.split_once(SELFTEST)?.1.split_once(" passed, ")?;
        Some(Self {
            passed: passed.parse().ok()?,
            failed: rest.trim_end().strip_suffix(" failed")?.parse().ok()?,
        })
    }
}

/// Reads `... ready backend=B model=M boot_ms=N`; a model's name may hold spaces, the number stands last.
pub(super) fn parse_ready(line: &str, port: u16, selftest: Option<Selftest>) -> Option<Ready> {
    let rest = line.split_once(READY)?.1;
    let (backend, rest) = rest.split_once(" model=")?;
    let (model, boot_ms) = rest.rsplit_once(" boot_ms=")?;
    Some(Ready {
        url: format!("http://127.0.0.1:{port}/v1"),
        backend: backend.to_owned(),
        model: model.to_owned(),
        boot_ms: boot_ms.trim().parse().ok()?,
        selftest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_read() {
        let line = "[  0.8] ready backend=cpu model=a b c boot_ms=812";
        let ready = parse_ready(line, 80, None).unwrap();
        assert_eq!(
            (ready.backend.as_str(), ready.model.as_str(), ready.boot_ms),
            ("cpu", "a b c", 812)
        );
        assert_eq!(parse_ready("ready backend=cpu model=x", 80, None), None);
    }

    #[test]
    fn the_result_of_a_test_is_read() {
        let found = Selftest::parse("[  0.8] selftest: 12 passed, 3 failed").unwrap();
        assert_eq!((found.passed, found.failed), (12, 3));
        assert_eq!(found.to_string(), "selftest: 12 passed, 3 failed");
        for other in [
            "selftest: begins",
            "selftest: x passed, 1 failed",
            "12 passed, 3 failed",
        ] {
            assert_eq!(Selftest::parse(other), None);
        }
    }
}
