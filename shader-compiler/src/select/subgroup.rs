//! Operations across lanes: reductions, scans, shuffles.
//!
//! A reduction is four DPP steps within rows of 16 lanes, each fused into the operation, and an exchange of the two rows. If
//! lanes may be off, it runs with all lanes on, those that are off holding the identity; its registers are kept clear of
//! what parked lanes hold in theirs ([`crate::machine::RegisterData::whole_wave`]).

use gfx1100_isa::{Dpp, Op as Isa, Operand as Reg};

use super::bank::Bank;
use super::operand::{Src, What};
use super::{Selector, dwords, part};
use crate::ir::{Combine, Op, Scan, Shuffle, Type, Value};
use crate::machine::{Kind, Operand};

const EXEC: Operand = Operand::Fixed(Reg::EXEC);

/// Lane i of 16 takes lane i; lanes 0 to 7 in the first word, 8 to 15 in the second.
const IDENTITY: [u32; 2] = [0x7654_3210, 0xfedc_ba98];

/// quad_perm [1,0,3,2], quad_perm [2,3,0,1], row_half_mirror, row_mirror: after each, twice as many lanes agree.
const BUTTERFLY: [u16; 4] = [0xb1, 0x4e, 0x141, 0x140];

const fn row(ctrl: u16) -> Dpp {
    Dpp::Row {
        ctrl,
        row_mask: 0xf,
        bank_mask: 0xf,
        bound_ctrl: true,
        fetch_inactive: false,
    }
}

/// How two values are combined.
#[derive(Clone, Copy)]
struct Operation {
    op: Isa,
    /// It takes a source from another lane by itself.
    dpp: bool,
    /// What changes nothing.
    identity: u32,
}

const fn operation(combine: Combine, ty: Type) -> Option<Operation> {
    use Combine as C;
    let (op, dpp, identity) = match (ty, combine) {
        (Type::I32, C::IAdd) => (Isa::V_ADD_NC_U32, true, 0),
        (Type::I32, C::IMul) => (Isa::V_MUL_LO_U32, false, 1),
        (Type::I32, C::UMin) => (Isa::V_MIN_U32, true, u32::MAX),
        (Type::I32, C::UMax) => (Isa::V_MAX_U32, true, 0),
        (Type::I32, C::SMin) => (Isa::V_MIN_I32, true, i32::MAX as u32),
        (Type::I32, C::SMax) => (Isa::V_MAX_I32, true, i32::MIN as u32),
        (Type::I32, C::And) => (Isa::V_AND_B32, true, u32::MAX),
        (Type::I32, C::Or) => (Isa::V_OR_B32, true, 0),
        (Type::I32, C::Xor) => (Isa::V_XOR_B32, true, 0),
        (Type::F32, C::FAdd) => (Isa::V_ADD_F32, true, 1 << 31),
        (Type::F32, C::FMul) => (Isa::V_MUL_F32, true, 0x3f80_0000),
        (Type::F32, C::FMin) => (Isa::V_MIN_F32, true, 0x7f80_0000),
        (Type::F32, C::FMax) => (Isa::V_MAX_F32, true, 0xff80_0000),
        _ => return None,
    };
    Some(Operation { op, dpp, identity })
}

impl Selector<'_> {
    pub(super) fn subgroup(&mut self, combine: Combine, scan: Scan, value: Value, result: Value) {
        let Some(operation) = operation(combine, self.ty(value)) else {
            return self.unsupported("this reduction over a subgroup");
        };
        let dst = self.reg(result);
        let whole = self.divergence.all_lanes(self.block);
        let (input, saved) = if whole {
            (self.vector(What::Value(value), gfx1100_isa::Ty::B32), None)
        } else {
            let (input, saved) = self.open_wave(value, operation.identity);
            (input, Some(saved))
        };
        let wide = saved.is_some();
        if scan == Scan::Reduce && !wide {
            return self.reduce(operation, input, wide, dst);
        }
        let out = match scan {
            Scan::Reduce => {
                let out = self.lane_temporary(wide);
                self.reduce(operation, input, wide, out);
                out
            }
            Scan::Inclusive => self.scan(operation, input, wide),
            Scan::Exclusive => {
                let shifted = self.shift_by_one(operation, input, wide);
                self.scan(operation, shifted, wide)
            }
        };
        if let Some(saved) = saved {
            self.emit(Isa::S_MOV_B32, EXEC, &[saved.into()]);
        }
        self.emit(Isa::V_MOV_B32, dst, &[out.into()]);
    }

    /// A temporary that lanes which are off may use too.
    fn lane_temporary(&mut self, wide: bool) -> Operand {
        let register = self.vector_register(1);
        self.out.registers[register.0 as usize].whole_wave = wide;
        Operand::Virtual(register, 0)
    }

    /// Turns all lanes on, those that were off holding `identity`.
    fn open_wave(&mut self, value: Value, identity: u32) -> (Operand, Operand) {
        let input = self.lane_temporary(true);
        let saved = self.mask_temporary();
        let from = self.vector(What::Value(value), gfx1100_isa::Ty::B32);
        self.emit(Isa::S_OR_SAVEEXEC_B32, saved, &[(-1).into()]);
        self.emit(Isa::V_MOV_B32, input, &[identity.into()]);
        self.emit(Isa::S_MOV_B32, EXEC, &[saved.into()]);
        self.emit(Isa::V_MOV_B32, input, &[from.into()]);
        self.emit(Isa::S_MOV_B32, EXEC, &[(-1).into()]);
        (input, saved)
    }

    /// a combined with b of other lanes.
    fn combine(&mut self, operation: Operation, a: Operand, dpp: Dpp, wide: bool) -> Operand {
        let out = self.lane_temporary(wide);
        if operation.dpp {
            self.emit_dpp(operation.op, out, &[a.into(), a.into()], dpp);
        } else {
            let other = self.lane_temporary(wide);
            self.emit_dpp(Isa::V_MOV_B32, other, &[a.into()], dpp);
            self.emit(operation.op, out, &[other.into(), a.into()]);
        }
        out
    }

    fn reduce(&mut self, operation: Operation, input: Operand, wide: bool, out: Operand) {
        let mut sum = input;
        for ctrl in BUTTERFLY {
            sum = self.combine(operation, sum, row(ctrl), wide);
        }
        let other = self.lane_temporary(wide);
        self.exchange_rows(other, sum, IDENTITY);
        self.emit(operation.op, out, &[other.into(), sum.into()]);
    }

    /// The other row's lanes as `lanes` picks them.
    fn exchange_rows(&mut self, dst: Operand, src: Operand, lanes: [u32; 2]) {
        let mut undefined = self.blank(Isa::S_NOP);
        undefined.kind = Kind::Undefined;
        undefined.dst[0] = dst;
        self.sequence.push(undefined);
        // Inactive lanes deliver 0, so that no lane of the destination is kept.
        let sources = lanes.map(|bits| match Reg::inline_int(bits as i32) {
            Some(inline) => Operand::Fixed(inline),
            None => self.pooled(bits),
        });
        let sources = [src.into(), sources[0].into(), sources[1].into()];
        self.emit(Isa::V_PERMLANEX16_B32, dst, &sources).mods.op_sel = 2;
    }

    /// Inclusive scan: each lane with those 1, 2, 4, 8 before it in the row; then the upper row with the lower one's last.
    fn scan(&mut self, operation: Operation, input: Operand, wide: bool) -> Operand {
        let sum = self.lane_temporary(wide);
        self.emit(Isa::V_MOV_B32, sum, &[input.into()]);
        for distance in [1, 2, 4, 8] {
            let dpp = Dpp::Row {
                ctrl: 0x110 + distance,
                row_mask: 0xf,
                bank_mask: 0xf,
                bound_ctrl: false,
                fetch_inactive: false,
            };
            self.accumulate(operation, sum, sum, dpp, wide);
        }
        let last = self.lane_temporary(wide);
        self.exchange_rows(last, sum, [u32::MAX; 2]);
        let upper = Dpp::Row {
            ctrl: 0xe4,
            row_mask: 0xa,
            bank_mask: 0xf,
            bound_ctrl: false,
            fetch_inactive: false,
        };
        self.accumulate(operation, sum, last, upper, wide);
        sum
    }

    /// Combines `from`, taken as `dpp` says, into `sum`; lanes without a source keep theirs.
    fn accumulate(
        &mut self,
        operation: Operation,
        sum: Operand,
        from: Operand,
        dpp: Dpp,
        wide: bool,
    ) {
        if operation.dpp {
            self.emit_dpp(operation.op, sum, &[from.into(), sum.into()], dpp);
            return;
        }
        let other = self.lane_temporary(wide);
        self.emit(Isa::V_MOV_B32, other, &[operation.identity.into()]);
        self.emit_dpp(Isa::V_MOV_B32, other, &[from.into()], dpp);
        self.emit(operation.op, sum, &[other.into(), sum.into()]);
    }

    /// Each lane gets what the lane before it has; the first gets the identity.
    fn shift_by_one(&mut self, operation: Operation, input: Operand, wide: bool) -> Operand {
        let out = self.lane_temporary(wide);
        let shift = Dpp::Row {
            ctrl: 0x111,
            row_mask: 0xf,
            bank_mask: 0xf,
            bound_ctrl: false,
            fetch_inactive: false,
        };
        let last = self.scalar_temporary(1);
        self.emit(Isa::V_READLANE_B32, last, &[input.into(), 15.into()]);
        self.emit(Isa::V_MOV_B32, out, &[operation.identity.into()]);
        self.emit_dpp(Isa::V_MOV_B32, out, &[input.into()], shift);
        self.emit(Isa::V_WRITELANE_B32, out, &[last.into(), 16.into()]);
        out
    }

    /// How a shuffle reads its row, if DPP can.
    fn shuffle_dpp(&self, shuffle: Shuffle, lane: Value) -> Option<u16> {
        let constant = self.constant_u32(lane);
        Some(match (shuffle, constant) {
            (Shuffle::QuadBroadcast, Some(k)) => (k as u16 & 3) * 0x55,
            (Shuffle::QuadSwapX, _) => 0xb1,
            (Shuffle::QuadSwapY, _) => 0x4e,
            (Shuffle::QuadSwapDiagonal, _) => 0x1b,
            (Shuffle::Xor, Some(1)) => 0xb1,
            (Shuffle::Xor, Some(2)) => 0x4e,
            (Shuffle::Xor, Some(3)) => 0x1b,
            (Shuffle::Xor, Some(mask @ 0..16)) => 0x160 + mask as u16,
            _ => return None,
        })
    }

    pub(super) fn shuffle(&mut self, shuffle: Shuffle, value: Value, lane: Value, result: Value) {
        let dst = self.reg(result);
        if self.bank(result) == Bank::Scalar {
            return self.read_lane(value, lane, result, dst);
        }
        let source = self.vector(What::Value(value), gfx1100_isa::Ty::B32);
        let count = dwords(self.ty(value));
        let ctrl = self.shuffle_dpp(shuffle, lane);
        let far = match self.constant_u32(lane) {
            Some(mask @ 16..32) if shuffle == Shuffle::Xor => Some(mask & 15),
            _ => None,
        };
        let address = match (ctrl, far) {
            (None, None) => Some(self.lane_address(shuffle, lane)),
            _ => None,
        };
        for k in 0..count {
            let (from, to) = (part(source, k), part(dst, k));
            if let Some(ctrl) = ctrl {
                self.emit_dpp(Isa::V_MOV_B32, to, &[from.into()], row(ctrl));
            } else if let Some(mask) = far {
                let flip = mask * 0x1111_1111;
                self.exchange_rows(to, from, IDENTITY.map(|lanes| lanes ^ flip));
            } else if let Some((address, offset)) = address {
                let sources = [address.into(), from.into()];
                self.emit(Isa::DS_BPERMUTE_B32, to, &sources).imm = offset;
            }
        }
    }

    /// The lane to read from, times 4, and what the instruction adds to that.
    fn lane_address(&mut self, shuffle: Shuffle, lane: Value) -> (Operand, i32) {
        let address = self.vector_temporary(1);
        let constant = self.constant_u32(lane);
        if shuffle == Shuffle::Index {
            self.emit(Isa::V_LSHLREV_B32, address, &[2.into(), lane.into()]);
            return (address, 0);
        }
        let own = self.vector_temporary(1);
        self.emit(Isa::V_MBCNT_LO_U32_B32, own, &[(-1).into(), 0.into()]);
        let distance = match (shuffle, constant) {
            (Shuffle::Up, Some(delta)) => Some(32 - delta % 32),
            (Shuffle::Down, Some(delta)) => Some(delta % 32),
            _ => None,
        };
        if let Some(distance) = distance {
            self.emit(Isa::V_LSHLREV_B32, address, &[2.into(), own.into()]);
            return (address, 4 * distance as i32);
        }
        let op = match shuffle {
            Shuffle::Up => Isa::V_SUB_NC_U32,
            Shuffle::Down => Isa::V_ADD_NC_U32,
            _ => Isa::V_XOR_B32,
        };
        let other = self.vector_temporary(1);
        self.emit(op, other, &[own.into(), lane.into()]);
        self.emit(Isa::V_LSHLREV_B32, address, &[2.into(), other.into()]);
        (address, 0)
    }

    /// A lane that is the same for all: its value is a scalar.
    fn read_lane(&mut self, value: Value, lane: Value, result: Value, dst: Operand) {
        if self.constant(value).is_some() || self.bank(value) == Bank::Scalar {
            let from = self.dword(value, 0);
            return self.move_to(result, dst, from);
        }
        let source = self.reg(value);
        let lane = self.scalar_of(lane);
        self.emit(Isa::V_READLANE_B32, dst, &[source.into(), lane.into()]);
    }

    pub(super) fn broadcast_first(&mut self, value: Value, result: Value) {
        if self.same_register(result).is_some() {
            return;
        }
        let dst = self.reg(result);
        for k in 0..dwords(self.ty(result)) {
            let from = self.dword(value, k);
            let vector = self.constant(value).is_none() && self.bank(value) == Bank::Vector;
            if !vector {
                self.move_to(result, part(dst, k), from);
            } else if self.bank(result) == Bank::Scalar {
                self.emit(Isa::V_READFIRSTLANE_B32, part(dst, k), &[from.into()]);
            } else {
                let first = self.scalar_temporary(1);
                self.emit(Isa::V_READFIRSTLANE_B32, first, &[from.into()]);
                self.emit(Isa::V_MOV_B32, part(dst, k), &[first.into()]);
            }
        }
    }

    /// A source that is what another lane of the row has, if the user's instruction can take it by DPP.
    pub(super) fn absorbed_shuffle(&self, value: Value) -> Option<(Src, Dpp)> {
        match self.absorbed(value)? {
            Op::Shuffle(shuffle, inner, lane) if self.here(value) && self.is_vector(*inner) => {
                let ctrl = self.shuffle_dpp(*shuffle, *lane)?;
                Some(((*inner).into(), row(ctrl)))
            }
            _ => None,
        }
    }
}
