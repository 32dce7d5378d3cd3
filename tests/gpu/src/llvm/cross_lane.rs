//! Operations across the lanes of a wave, in LLVM's intrinsics.

use anyhow::{Result, bail};
use shader_compiler::ir::{Combine, Op, Scan, Shuffle, Type, Value};

use super::emit::{Emitter, suffix, ty};

/// DPP controls whose sequence combines all 16 lanes of a row with each other: quad_perm [1,0,3,2] and [2,3,0,1],
/// row_half_mirror, row_mirror.
const BUTTERFLY: [u32; 4] = [0xb1, 0x4e, 0x141, 0x140];
/// The DPP control of a shift by 0 lanes to the right in each row.
const ROW_SHIFT_RIGHT: u32 = 0x110;

impl Emitter<'_> {
    pub(super) fn cross_lane(&mut self, op: &Op, result: Type) -> Result<String> {
        match op {
            Op::Subgroup(combine, Scan::Reduce, value) => self.reduce(*combine, *value, result),
            Op::Subgroup(combine, Scan::Inclusive, value) => {
                self.inclusive(*combine, *value, result)
            }
            Op::Shuffle(Shuffle::Xor | Shuffle::Index | Shuffle::Up | Shuffle::Down, value, by) => {
                self.shuffle(op, *value, *by, result)
            }
            Op::BroadcastFirst(value) => {
                let word = self.word_of(*value, result);
                let word = self.temporary(&format!(
                    "call i32 @llvm.amdgcn.readfirstlane.i32(i32 {word})"
                ));
                Ok(self.of_word(&word, result))
            }
            Op::Ballot(value) => Ok(self.ballot(*value)),
            Op::Any(value) => {
                let mask = self.ballot(*value);
                Ok(self.temporary(&format!("icmp ne i32 {mask}, 0")))
            }
            Op::All(value) => {
                let no = self.temporary(&format!("xor i1 {}, true", self.name(*value)));
                let mask = self.temporary(&format!("call i32 @llvm.amdgcn.ballot.i32(i1 {no})"));
                Ok(self.temporary(&format!("icmp eq i32 {mask}, 0")))
            }
            other => bail!("{other:?} has no LLVM form here"),
        }
    }

    fn ballot(&mut self, value: Value) -> String {
        let text = format!("call i32 @llvm.amdgcn.ballot.i32(i1 {})", self.name(value));
        self.temporary(&text)
    }

    fn word_of(&mut self, value: Value, of: Type) -> String {
        match of {
            Type::I32 => self.name(value),
            _ => self.temporary(&format!("bitcast {} to i32", self.typed(value))),
        }
    }

    fn of_word(&mut self, word: &str, to: Type) -> String {
        match to {
            Type::I32 => word.to_owned(),
            _ => self.temporary(&format!("bitcast i32 {word} to {}", ty(to))),
        }
    }

    fn reduce(&mut self, combine: Combine, value: Value, result: Type) -> Result<String> {
        let mut sum = self.name(value);
        for control in BUTTERFLY {
            let word = self.bits_of(&sum, result);
            let other = self.temporary(&format!(
                "call i32 @llvm.amdgcn.update.dpp.i32(i32 0, i32 {word}, i32 {control}, i32 15, i32 15, i1 true)"
            ));
            let other = self.of_word(&other, result);
            sum = self.combine(combine, &sum, &other, result)?;
        }
        // Not permlanex16: LLVM 19 moves that into a branch that fewer lanes take, where the other row is off.
        let rows = [0, 16].map(|lane| self.read_lane(&sum, lane, result));
        self.combine(combine, &rows[0], &rows[1], result)
    }

    fn read_lane(&mut self, value: &str, lane: u32, of: Type) -> String {
        let word = self.bits_of(value, of);
        let word = self.temporary(&format!(
            "call i32 @llvm.amdgcn.readlane.i32(i32 {word}, i32 {lane})"
        ));
        self.of_word(&word, of)
    }

    /// Within rows of 16 by shifts of 1, 2, 4 and 8 lanes, then the first row's last lane to all lanes of the second.
    fn inclusive(&mut self, combine: Combine, value: Value, result: Type) -> Result<String> {
        if !matches!(
            combine,
            Combine::IAdd | Combine::FAdd | Combine::Or | Combine::UMax
        ) {
            bail!("a scan by {combine:?}, whose identity is not 0, has no LLVM form here");
        }
        let mut sum = self.name(value);
        for distance in [1, 2, 4, 8] {
            let word = self.bits_of(&sum, result);
            let control = ROW_SHIFT_RIGHT + distance;
            let other = self.temporary(&format!(
                "call i32 @llvm.amdgcn.update.dpp.i32(i32 0, i32 {word}, i32 {control}, i32 15, i32 15, i1 true)"
            ));
            let other = self.of_word(&other, result);
            sum = self.combine(combine, &sum, &other, result)?;
        }
        let first = self.read_lane(&sum, 15, result);
        let both = self.combine(combine, &sum, &first, result)?;
        let lane = self.lane();
        let second = self.temporary(&format!("icmp ugt i32 {lane}, 15"));
        let ty = ty(result);
        Ok(self.temporary(&format!("select i1 {second}, {ty} {both}, {ty} {sum}")))
    }

    fn bits_of(&mut self, name: &str, of: Type) -> String {
        match of {
            Type::I32 => name.to_owned(),
            _ => self.temporary(&format!("bitcast {} {name} to i32", ty(of))),
        }
    }

    fn combine(&mut self, combine: Combine, a: &str, b: &str, of: Type) -> Result<String> {
        let (ty, suffix) = (ty(of), suffix(of));
        let call = |name: &str| format!("call {ty} @llvm.{name}.{suffix}({ty} {a}, {ty} {b})");
        let text = match combine {
            Combine::IAdd => format!("add {ty} {a}, {b}"),
            Combine::IMul => format!("mul {ty} {a}, {b}"),
            Combine::And => format!("and {ty} {a}, {b}"),
            Combine::Or => format!("or {ty} {a}, {b}"),
            Combine::Xor => format!("xor {ty} {a}, {b}"),
            Combine::FAdd => format!("fadd {ty} {a}, {b}"),
            Combine::FMul => format!("fmul {ty} {a}, {b}"),
            Combine::UMin => call("umin"),
            Combine::UMax => call("umax"),
            Combine::SMin => call("smin"),
            Combine::SMax => call("smax"),
            Combine::FMin => call("minnum"),
            Combine::FMax => call("maxnum"),
            Combine::Exchange => bail!("an exchange is no reduction"),
        };
        Ok(self.temporary(&text))
    }

    fn shuffle(&mut self, op: &Op, value: Value, by: Value, result: Type) -> Result<String> {
        let lane = self.lane();
        let by = self.name(by);
        let from = match op {
            Op::Shuffle(Shuffle::Xor, ..) => self.temporary(&format!("xor i32 {lane}, {by}")),
            Op::Shuffle(Shuffle::Up, ..) => self.temporary(&format!("sub i32 {lane}, {by}")),
            Op::Shuffle(Shuffle::Down, ..) => self.temporary(&format!("add i32 {lane}, {by}")),
            _ => by,
        };
        let address = self.temporary(&format!("shl i32 {from}, 2"));
        let word = self.word_of(value, result);
        let text = format!("call i32 @llvm.amdgcn.ds.bpermute(i32 {address}, i32 {word})");
        let word = self.temporary(&text);
        Ok(self.of_word(&word, result))
    }
}
