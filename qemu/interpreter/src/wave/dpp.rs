//! Data-parallel primitives: the lane from which each lane takes source 0 (RDNA3 manual, "DPP").

use gfx1100_isa::Dpp;

/// Where source 0 comes from.
pub(crate) struct Moves {
    /// The source lane of each lane.
    pub(crate) from: [u8; 32],
    /// Lanes whose source lane delivers data; the others read 0.
    pub(crate) valid: u32,
    /// Lanes that are written.
    pub(crate) written: u32,
}

impl Moves {
    /// The moves of an instruction under EXEC.
    pub(crate) fn of(dpp: Dpp, exec: u32) -> Self {
        let mut from = [0; 32];
        let mut in_range = 0u32;
        for lane in 0..32u8 {
            if let Some(source) = source_lane(dpp, lane) {
                from[usize::from(lane)] = source;
                in_range |= 1 << lane;
            }
        }
        let (fetch_inactive, zero, rows) = match dpp {
            Dpp::Row {
                row_mask,
                bank_mask,
                bound_ctrl,
                fetch_inactive,
                ..
            } => (fetch_inactive, bound_ctrl, enabled(row_mask, bank_mask)),
            // DPP8 has no bound control: an inactive source delivers 0.
            Dpp::Eight { fetch_inactive, .. } => (fetch_inactive, true, u32::MAX),
        };
        let mut valid = 0;
        for (lane, source) in from.iter().enumerate() {
            let active = fetch_inactive || exec >> source & 1 == 1;
            valid |= u32::from(active) << lane;
        }
        valid &= in_range;
        let written = exec & rows & if zero { u32::MAX } else { valid };
        Self {
            from,
            valid,
            written,
        }
    }

    /// The lanes whose data reaches a lane that is written.
    pub(crate) fn read(&self) -> u32 {
        let mut read = 0;
        for (lane, source) in self.from.iter().enumerate() {
            read |= ((self.valid & self.written) >> lane & 1) << source;
        }
        read
    }
}

/// The lanes of the rows of 16 and banks of 4 that are enabled.
fn enabled(row_mask: u8, bank_mask: u8) -> u32 {
    (0..32)
        .filter(|lane| row_mask >> (lane / 16) & 1 == 1 && bank_mask >> (lane / 4 % 4) & 1 == 1)
        .fold(0, |lanes, lane| lanes | 1 << lane)
}

/// The lane from which `lane` reads; `None` outside of its row.
fn source_lane(dpp: Dpp, lane: u8) -> Option<u8> {
    let (row, within) = (lane & 0x10, lane & 0xf);
    let shifted = |to: i16| u8::try_from(to).ok().filter(|to| *to < 16);
    let within_row = match dpp {
        Dpp::Eight { selectors, .. } => {
            let select = (selectors >> (3 * (lane % 8)) & 7) as u8;
            return Some(lane & !7 | select);
        }
        Dpp::Row { ctrl, .. } => {
            let amount = (ctrl & 0xf) as u8;
            match ctrl {
                0x000..=0x0ff => Some(within & 0xc | (ctrl >> (2 * (lane % 4)) & 3) as u8),
                0x101..=0x10f => shifted(i16::from(within) + i16::from(amount)),
                0x111..=0x11f => shifted(i16::from(within) - i16::from(amount)),
                0x121..=0x12f => Some(within.wrapping_sub(amount) & 0xf),
                0x140 => Some(15 - within),
                0x141 => Some(within & 8 | (7 - within % 8)),
                0x150..=0x15f => Some(amount),
                0x160..=0x16f => Some(within ^ amount),
                _ => None,
            }
        }
    };
    within_row.map(|within| row | within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ctrl: u16, bound_ctrl: bool, fetch_inactive: bool) -> Dpp {
        Dpp::Row {
            ctrl,
            row_mask: 0xf,
            bank_mask: 0xf,
            bound_ctrl,
            fetch_inactive,
        }
    }

    #[test]
    fn rows_are_moved_as_the_sheet_says() {
        let from = |ctrl| Moves::of(row(ctrl, true, false), u32::MAX).from;
        assert_eq!(from(0x1b)[4..8], [7, 6, 5, 4]);
        assert_eq!(from(0x101)[16..18], [17, 18]);
        assert_eq!(from(0x111)[18], 17);
        assert_eq!(from(0x121)[16], 31);
        assert_eq!(from(0x140)[17], 30);
        assert_eq!(from(0x141)[9], 14);
        assert_eq!(from(0x153)[20], 19);
        assert_eq!(from(0x168)[25], 17);
    }

    #[test]
    fn lanes_without_a_source_are_zero_or_stay() {
        let zero = Moves::of(row(0x111, true, false), u32::MAX);
        assert_eq!((zero.valid, zero.written), (0xfffe_fffe, u32::MAX));
        let stay = Moves::of(row(0x111, false, false), u32::MAX);
        assert_eq!(stay.written, 0xfffe_fffe);
    }

    #[test]
    fn inactive_lanes_deliver_only_if_asked() {
        let moves = Moves::of(row(0xb1, true, false), 0x5555_5555);
        assert_eq!((moves.valid, moves.read()), (0xaaaa_aaaa, 0));
        let fetched = Moves::of(row(0xb1, true, true), 0x5555_5555);
        assert_eq!((fetched.valid, fetched.read()), (u32::MAX, 0xaaaa_aaaa));
    }

    #[test]
    fn eights_are_permuted() {
        let dpp = Dpp::Eight {
            selectors: 0o01_234_567,
            fetch_inactive: false,
        };
        let moves = Moves::of(dpp, u32::MAX);
        assert_eq!(moves.from[8..16], [15, 14, 13, 12, 11, 10, 9, 8]);
    }
}
