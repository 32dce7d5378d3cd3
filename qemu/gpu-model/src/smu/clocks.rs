//! Clock domains: their levels, and the limits that a driver sets.

/// A clock domain's number, and its levels in MHz, the lowest first.
struct Domain {
    levels: &'static [u32],
    /// Any frequency between the first and the last level.
    fine: bool,
}

/// The domains by number (PPCLK of `smu13_driver_if_v13_0_0.h`): graphics, SOC, memory, fabric. How many levels each has,
/// and those of memory (96, 456, 772, 1249) and the highest of graphics are from logs of RX 7900 XTX cards; the others are
/// plausible ones.
const DOMAINS: &[Domain] = &[
    Domain {
        levels: &[500, 2482],
        fine: true,
    },
    Domain {
        levels: &[500, 1200],
        fine: true,
    },
    Domain {
        levels: &[96, 456, 772, 1249],
        fine: false,
    },
    Domain {
        levels: &[400, 600, 800, 1000, 1200, 1500, 1900, 2300],
        fine: false,
    },
];
const COUNT: usize = 4;

/// Set in the number of levels of a domain that takes any frequency between.
const FINE: u32 = 1 << 31;
/// The level that asks for how many there are.
const HOW_MANY: u32 = 0xff;
/// A highest frequency that is none.
pub(crate) const NO_LIMIT: u32 = 0xffff;

/// The limits that a driver set: lowest and highest by domain, in MHz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    soft: [(u32, u32); COUNT],
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            soft: [(0, NO_LIMIT); COUNT],
        }
    }
}

/// The frequency of a level, or how many levels there are; `None` if there is no such domain or level.
pub(crate) fn level(domain: u32, index: u32) -> Option<u32> {
    let Domain { levels, fine } = DOMAINS.get(domain as usize)?;
    if index == HOW_MANY {
        let fine = if *fine { FINE } else { 0 };
        return Some(levels.len() as u32 | fine);
    }
    levels.get(index as usize).copied()
}

/// Lowest and highest frequency of a domain.
pub(crate) fn range(domain: u32) -> Option<(u32, u32)> {
    let levels = DOMAINS.get(domain as usize)?.levels;
    Some((*levels.first()?, *levels.last()?))
}

impl Limits {
    /// Sets the lowest or highest frequency of a domain; whether the domain exists and has the frequency in its range (0 and
    /// 0xffff are no limit).
    pub(crate) fn set(&mut self, domain: u32, mhz: u32, highest: bool) -> bool {
        let (Some((low, high)), Some(limit)) = (range(domain), self.soft.get_mut(domain as usize))
        else {
            return false;
        };
        let none = if highest { mhz == NO_LIMIT } else { mhz == 0 };
        if highest {
            limit.1 = mhz;
        } else {
            limit.0 = mhz;
        }
        none || (low..=high).contains(&mhz)
    }

    /// The frequency that a domain has with nothing to do: the lowest that is allowed.
    pub(crate) fn now(&self, domain: u32) -> u32 {
        let Some((low, high)) = range(domain) else {
            return 0;
        };
        let (least, most) = self.soft[domain as usize];
        low.max(least.min(high)).min(most.max(low))
    }
}
