//! SHA-256 of whole files, and which published set a file belongs to.
//!
//! A signature tells the card that a blob is AMD's; it does not tell us that it is one that anybody has seen work. A file that
//! is in no set is refused, unless the caller accepts any.

use core::fmt;

use crate::error::{Error, Fault};
use crate::set::Set;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sum(pub [u8; 32]);

impl Sum {
    /// The sum of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(hmac_sha256::Hash::hash(bytes))
    }

    /// The sum that is written as these 64 digits.
    const fn new(digits: &str) -> Self {
        let digits = digits.as_bytes();
        assert!(digits.len() == 64);
        let mut sum = [0; 32];
        let mut at = 0;
        while at < 64 {
            let value = match digits[at] {
                digit @ b'0'..=b'9' => digit - b'0',
                digit @ b'a'..=b'f' => digit - b'a' + 10,
                _ => panic!("not a digit"),
            };
            sum[at / 2] = sum[at / 2] << 4 | value;
            at += 1;
        }
        Self(sum)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its sum.
    pub sum: Sum,
    /// The published set that it belongs to, the oldest of them; none if the table has no such file.
    pub set: Option<&'static str>,
}

/// Which files may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those of the table.
    Known,
    /// All: the owner of the machine says so.
    Any,
}

/// Computed from the files of the package.
const DEBIAN_12: &str = "Debian 12, firmware-amd-graphics 20230210-5";
/// Computed from the files of the package.
const DEBIAN_13: &str = "Debian 13, firmware-amd-graphics 20250410-2";
/// Carried over from tinygrad 0.14.0, `runtime/autogen/am/fw.py`; it has no sums of the scheduler's files.
const TINYGRAD: &str = "tinygrad 0.14.0, linux-firmware 0a6871b19abf";

macro_rules! sums {
    ($($file:literal $set:ident $sum:literal;)*) => {
        &[$(($file, $set, Sum::new($sum))),*]
    };
}

/// Files, sets and sums; a file that several sets have stands in the first.
const SUMS: &[(&str, &str, Sum)] = sums! {
    "psp_13_0_0_sos.bin" DEBIAN_12 "0e585dd67c1c1a36076263b9d4f64033684af47005a90b7f34eb355fcfdcdfcf";
    "psp_13_0_0_ta.bin" DEBIAN_12 "7357ea1b780dbe87e4f349e16b7285fd5a2954fa3c194cd72cdf7d25e901c855";
    "smu_13_0_0.bin" DEBIAN_12 "892728fc9bbadde27637dc578730b0069f9d15ea00b74dfcbf84defc0caef5db";
    "sdma_6_0_0.bin" DEBIAN_12 "6c0ee334cb4b71debe65eadd0da2537fab378fc552b736b53afe872703b5d414";
    "gc_11_0_0_pfp.bin" DEBIAN_12 "ef275f109937ee696e893729afbc396f441697c98d99fa6b97e8930faf48f82b";
    "gc_11_0_0_me.bin" DEBIAN_12 "df95b30c03f1725332655036c2800e5471b76467c50093ab52d5bface1dcf1ec";
    "gc_11_0_0_mec.bin" DEBIAN_12 "74daa9af1046e4b4d7f902ecfd2397d2eb94c6f20be38969d62eefe0340665a7";
    "gc_11_0_0_mes.bin" DEBIAN_12 "3b30fd16d1a0df5006afab78d1117ad6b3b2bdc9c01712070ece20648d362dec";
    "gc_11_0_0_mes1.bin" DEBIAN_12 "74d28d4e639513314a37177426bf31253708a00793bf5b456fe9d133384a1bcc";
    "gc_11_0_0_imu.bin" DEBIAN_12 "2a5fd2c6f59b058b855998586640ac806b4c554bab9fb1b1978b1f8e60ed64e2";
    "gc_11_0_0_rlc.bin" DEBIAN_12 "cd0e4f5b5aa9458231b33c78adcb5bfb42014c14583e12639581c62b9074d06f";
    "psp_13_0_0_sos.bin" DEBIAN_13 "2a211d631750bda24c7c56cef3dbfc34bdae22e78d5d5e6e87ba421596af5609";
    "psp_13_0_0_ta.bin" DEBIAN_13 "6e26d8c880dc966859fd3235d8bea3868dd0f6460ab00c187d758f2b0c06e47b";
    "smu_13_0_0.bin" DEBIAN_13 "a654b5f40c90326e9cbd2c67529431b42a62fccb9ef7bedcd12d086a5a45240c";
    "sdma_6_0_0.bin" DEBIAN_13 "1f363527ae9eb710dab0749bfd313aa2f993e06f46b1653190e5af4ec51f9c5e";
    "gc_11_0_0_pfp.bin" DEBIAN_13 "e46ca7fa9bdbb6c4aa97862187d234c0427d05057f83b33b0ca874c9488335a7";
    "gc_11_0_0_me.bin" DEBIAN_13 "255855ee4069b7f9748a21b801b2e6155a13d869ecef010d31999ecd92585905";
    "gc_11_0_0_mec.bin" DEBIAN_13 "a9ba80188b485c458e003cac1bb05bc670c9887ee39c0be4f6ab56ad01b83e44";
    "gc_11_0_0_mes1.bin" DEBIAN_13 "bfa72a11db5529c99a3d4a2336f05f3bf583b3d470cd24aac34ebf2c2c29263f";
    "gc_11_0_0_imu.bin" DEBIAN_13 "b4f8fc056b45709a6abf48e7885fb1b4ab8d3cc092cbfa2c554a78564a6403bc";
    "gc_11_0_0_rlc.bin" DEBIAN_13 "dabd49039772d02f5fd5e48dc21d35ad52a6b1283b470dabca86ca159c4c7c8e";
    "psp_13_0_0_sos.bin" TINYGRAD "4a51299f6d0a15bbba9694419f7891e6accc01dbd2dd67c06add7bfd75a45ac6";
    "smu_13_0_0.bin" TINYGRAD "93e46a5526f19dcc3d13bfd9e23f88bc8eee52138bfe9caf0951b4eef5e49914";
    "sdma_6_0_0.bin" TINYGRAD "82cd01a24171af12de6c7ac4ee7471aa2dfcf51f9677e7bae9cd4c75e07761ee";
    "gc_11_0_0_pfp.bin" TINYGRAD "b360393c8629144b194f69a3cd961ed509331feff7a5cc1e4eb21c901da2710a";
    "gc_11_0_0_me.bin" TINYGRAD "f2f5a793d811c6abad1a18af0fcf7694c443478f224176da86650c22aa71ca7a";
    "gc_11_0_0_mec.bin" TINYGRAD "1dd1de8ecf5455ea4719c502b64b32ac18763d5601128c01b4a4a36211a122c2";
};

/// Looks a file up, whose name is that of linux-firmware.
#[must_use]
pub fn check(name: &str, bytes: &[u8]) -> Verdict {
    let sum = Sum::of(bytes);
    let mut rows = SUMS.iter();
    let row = rows.find(|(file, _, known)| *file == name && *known == sum);
    Verdict {
        sum,
        set: row.map(|(_, set, _)| *set),
    }
}

/// Looks up all files of a set that are there, and tells `log` of each.
///
/// # Errors
/// Names the first file that is in no published set, unless any is trusted.
pub fn verify<'a>(
    get: impl Fn(&str) -> Option<&'a [u8]>,
    set: &Set,
    trust: Trust,
    mut log: impl FnMut(&'static str, Verdict),
) -> Result<(), Error> {
    let mut result = Ok(());
    for file in set.files.into_iter().flatten() {
        let Some(bytes) = get(file) else {
            continue;
        };
        let verdict = check(file, bytes);
        log(file, verdict);
        if verdict.set.is_none() && trust == Trust::Known && result.is_ok() {
            let fault = Fault::Unknown(verdict.sum);
            result = Err(Error {
                file,
                part: "all of it",
                offset: 0,
                fault,
            });
        }
    }
    result
}
