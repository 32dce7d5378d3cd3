//! Arithmetic of one lane in LLVM's operations and intrinsics.

use anyhow::{Result, bail};
use shader_compiler::ir::{Binary, Ternary, Type, Unary, Value};

use super::emit::{Emitter, suffix, ty};

impl Emitter<'_> {
    pub(super) fn unary(&mut self, op: Unary, a: Value, result: Type) -> Result<String> {
        let operand = self.typed(a);
        let name = self.name(a);
        let from = self.function.ty(a);
        let to = ty(result);
        let suffix = suffix(from);
        let call =
            |intrinsic: &str| format!("call contract {to} @llvm.{intrinsic}.{suffix}({operand})");
        let text = match op {
            Unary::INeg => format!("sub {} 0, {name}", ty(from)),
            Unary::Not => format!(
                "xor {operand}, {}",
                if from == Type::Bool { "true" } else { "-1" }
            ),
            Unary::FNeg => format!("fneg {operand}"),
            Unary::FAbs => call("fabs"),
            Unary::SAbs => format!("call {to} @llvm.abs.{suffix}({operand}, i1 false)"),
            // The machine's own approximations, which WGSL's accuracy allows.
            Unary::Sqrt => call("amdgcn.sqrt"),
            Unary::Rsqrt => call("amdgcn.rsq"),
            Unary::Rcp => call("amdgcn.rcp"),
            Unary::Exp2 => call("amdgcn.exp2"),
            Unary::Log2 => call("amdgcn.log"),
            Unary::Sin | Unary::Cos => {
                let turns = format!("fmul contract {operand}, 0x3FC45F3060000000");
                let turns = self.temporary(&turns);
                let name = if op == Unary::Sin { "sin" } else { "cos" };
                format!("call contract {to} @llvm.amdgcn.{name}.{suffix}({to} {turns})")
            }
            Unary::Floor => call("floor"),
            Unary::Ceil => call("ceil"),
            Unary::Trunc => call("trunc"),
            Unary::Round => call("rint"),
            Unary::Fract => call("amdgcn.fract"),
            Unary::PopCount => call("ctpop").replace(" contract", ""),
            Unary::ReverseBits => call("bitreverse").replace(" contract", ""),
            Unary::Clz => format!("call {to} @llvm.ctlz.{suffix}({operand}, i1 false)"),
            Unary::Ctz => format!("call {to} @llvm.cttz.{suffix}({operand}, i1 false)"),
            Unary::F32FromS | Unary::F16FromS => format!("sitofp {operand} to {to}"),
            Unary::F32FromU | Unary::F16FromU => format!("uitofp {operand} to {to}"),
            Unary::SFromF32 | Unary::SFromF16 => {
                format!("call {to} @llvm.fptosi.sat.{to}.{suffix}({operand})")
            }
            Unary::UFromF32 | Unary::UFromF16 => {
                format!("call {to} @llvm.fptoui.sat.{to}.{suffix}({operand})")
            }
            Unary::F32FromF16 => format!("fpext {operand} to {to}"),
            Unary::F16FromF32 => format!("fptrunc {operand} to {to}"),
            Unary::ZeroExtend => format!("zext {operand} to {to}"),
            Unary::SignExtend => format!("sext {operand} to {to}"),
            Unary::Truncate => format!("trunc {operand} to {to}"),
            Unary::F32FromByte(k) => {
                let byte = self.temporary(&format!("lshr {operand}, {}", 8 * u32::from(k)));
                let byte = self.temporary(&format!("and i32 {byte}, 255"));
                format!("uitofp i32 {byte} to float")
            }
            Unary::Half(k) => format!("extractelement {operand}, i32 {k}"),
            Unary::Bitcast if from == result => return Ok(name),
            Unary::Bitcast => format!("bitcast {operand} to {to}"),
        };
        Ok(self.temporary(&text))
    }

    pub(super) fn binary(&mut self, op: Binary, a: Value, b: Value) -> Result<String> {
        let from = self.function.ty(a);
        let plain = match op {
            Binary::IAdd => "add",
            Binary::ISub => "sub",
            Binary::IMul => "mul",
            Binary::And => "and",
            Binary::Or => "or",
            Binary::Xor => "xor",
            Binary::FAdd => "fadd contract",
            Binary::FSub => "fsub contract",
            Binary::FMul => "fmul contract",
            Binary::FRem => "frem",
            _ => "",
        };
        if !plain.is_empty() {
            return Ok(self.temporary(&format!("{plain} {}, {}", self.typed(a), self.name(b))));
        }
        let minmax = match op {
            Binary::UMin => "umin",
            Binary::UMax => "umax",
            Binary::SMin => "smin",
            Binary::SMax => "smax",
            Binary::FMin => "minnum",
            Binary::FMax => "maxnum",
            _ => "",
        };
        if !minmax.is_empty() {
            let (ty, suffix) = (ty(from), suffix(from));
            let text = format!(
                "call {ty} @llvm.{minmax}.{suffix}({}, {})",
                self.typed(a),
                self.typed(b)
            );
            return Ok(self.temporary(&text));
        }
        match op {
            Binary::FDiv => {
                let text = format!(
                    "fdiv contract {}, {}, !fpmath !1",
                    self.typed(a),
                    self.name(b)
                );
                Ok(self.temporary(&text))
            }
            Binary::Shl | Binary::ShrU | Binary::ShrS => {
                let bits = match from {
                    Type::I64 => 64,
                    Type::I16 => 16,
                    _ => 32,
                };
                let count = self.temporary(&format!("and i32 {}, {}", self.name(b), bits - 1));
                let count = match from {
                    Type::I64 => self.temporary(&format!("zext i32 {count} to i64")),
                    Type::I16 => self.temporary(&format!("trunc i32 {count} to i16")),
                    _ => count,
                };
                let name = match op {
                    Binary::Shl => "shl",
                    Binary::ShrU => "lshr",
                    _ => "ashr",
                };
                Ok(self.temporary(&format!("{name} {}, {count}", self.typed(a))))
            }
            Binary::UMulHi | Binary::SMulHi => {
                let extend = if op == Binary::UMulHi { "zext" } else { "sext" };
                let wide = [a, b].map(|v| format!("{extend} {} to i64", self.typed(v)));
                let [x, y] = wide.map(|text| self.temporary(&text));
                let product = self.temporary(&format!("mul i64 {x}, {y}"));
                let high = self.temporary(&format!("lshr i64 {product}, 32"));
                Ok(self.temporary(&format!("trunc i64 {high} to i32")))
            }
            _ => self.division(op, a, b),
        }
    }

    /// WGSL defines division by zero (and of the least by -1); LLVM does not.
    fn division(&mut self, op: Binary, a: Value, b: Value) -> Result<String> {
        let name = match op {
            Binary::UDiv => "udiv",
            Binary::URem => "urem",
            Binary::SDiv => "sdiv",
            Binary::SRem => "srem",
            _ => bail!("{op:?} has no LLVM form here"),
        };
        let ty = ty(self.function.ty(a));
        let mut bad = self.temporary(&format!("icmp eq {}, 0", self.typed(b)));
        if matches!(op, Binary::SDiv | Binary::SRem) {
            let minus = self.temporary(&format!("icmp eq {}, -1", self.typed(b)));
            let least = self.temporary(&format!("icmp eq {}, {}", self.typed(a), i32::MIN));
            let overflow = self.temporary(&format!("and i1 {minus}, {least}"));
            bad = self.temporary(&format!("or i1 {bad}, {overflow}"));
        }
        let divisor = self.temporary(&format!("select i1 {bad}, {ty} 1, {}", self.typed(b)));
        Ok(self.temporary(&format!("{name} {}, {divisor}", self.typed(a))))
    }

    pub(super) fn ternary(&mut self, op: Ternary, values: [Value; 3]) -> Result<String> {
        let [a, b, c] = values.map(|value| self.typed(value));
        let ty = ty(self.function.ty(values[0]));
        let suffix = suffix(self.function.ty(values[0]));
        let text = match op {
            Ternary::Fma => format!("call {ty} @llvm.fma.{suffix}({a}, {b}, {c})"),
            Ternary::ExtractU => format!("call i32 @llvm.amdgcn.ubfe.i32({a}, {b}, {c})"),
            Ternary::ExtractS => format!("call i32 @llvm.amdgcn.sbfe.i32({a}, {b}, {c})"),
            Ternary::BitInsert => {
                let name = values.map(|value| self.name(value));
                let yes = self.temporary(&format!("and i32 {}, {}", name[0], name[1]));
                let inverse = self.temporary(&format!("xor i32 {}, -1", name[0]));
                let no = self.temporary(&format!("and i32 {inverse}, {}", name[2]));
                format!("or disjoint i32 {yes}, {no}")
            }
            Ternary::Dot4S => {
                format!("call i32 @llvm.amdgcn.sudot4(i1 true, {a}, i1 true, {b}, {c}, i1 false)")
            }
            Ternary::Dot4U => format!("call i32 @llvm.amdgcn.udot4({a}, {b}, {c}, i1 false)"),
            Ternary::Dot2F16 => format!("call float @llvm.amdgcn.fdot2({a}, {b}, {c}, i1 false)"),
        };
        Ok(self.temporary(&text))
    }
}
