//! The functions of GLSL.std.450 that WGSL has, from the operations that the machine has.
//!
//! What WGSL defines by a formula is written as that formula, so its accuracy is inherited as WGSL allows. The arc
//! tangent is the polynomial 4.4.49 of Abramowitz and Stegun (absolute error below 2e-8 on \[0, 1\]).

use rspirv::dr::Instruction;
use rspirv::spirv::GlslStd450Op as GLOp;

use super::super::module::{Ty, result_type, word};
use super::build::Builder;
use super::{Lower, Lowered, math};
use crate::ir::*;

/// Functions that are one binary operation; `true`: also of pairs of f16.
fn binary_of(op: GLOp) -> Option<(Binary, bool)> {
    Some(match op {
        GLOp::FMin => (Binary::FMin, true),
        GLOp::FMax => (Binary::FMax, true),
        GLOp::UMin => (Binary::UMin, false),
        GLOp::UMax => (Binary::UMax, false),
        GLOp::SMin => (Binary::SMin, false),
        GLOp::SMax => (Binary::SMax, false),
        _ => return None,
    })
}

/// Functions that are one unary operation, of F32 and F16 alike.
fn unary_of(op: GLOp) -> Option<Unary> {
    Some(match op {
        GLOp::FAbs => Unary::FAbs,
        GLOp::SAbs => Unary::SAbs,
        GLOp::Ceil => Unary::Ceil,
        GLOp::Floor => Unary::Floor,
        GLOp::Trunc => Unary::Trunc,
        GLOp::RoundEven => Unary::Round,
        GLOp::Fract => Unary::Fract,
        GLOp::Exp2 => Unary::Exp2,
        GLOp::Log2 => Unary::Log2,
        GLOp::Sqrt => Unary::Sqrt,
        GLOp::InverseSqrt => Unary::Rsqrt,
        _ => return None,
    })
}

/// Functions that are computed in f32, of one operand.
fn single_of(op: GLOp) -> Option<fn(&mut Builder, Value) -> Value> {
    Some(match op {
        GLOp::Sin => math::sin,
        GLOp::Cos => math::cos,
        GLOp::Tan => math::tan,
        GLOp::Asin => math::asin,
        GLOp::Acos => math::acos,
        GLOp::Atan => math::atan,
        GLOp::Sinh => math::sinh,
        GLOp::Cosh => math::cosh,
        GLOp::Tanh => math::tanh,
        GLOp::Asinh => math::asinh,
        GLOp::Acosh => math::acosh,
        GLOp::Atanh => math::atanh,
        GLOp::Exp => math::exp,
        GLOp::Log => math::log,
        GLOp::Radians => math::radians,
        GLOp::Degrees => math::degrees,
        _ => return None,
    })
}

impl Lower<'_, '_> {
    pub(super) fn extended(&mut self, inst: &Instruction) -> Lowered<()> {
        let number = word(inst, 1)?;
        let op = GLOp::from_u32(number)
            .ok_or_else(|| format!("GLSL.std.450 has no instruction {number}"))?;
        let ids: Vec<u32> = (2..inst.operands.len())
            .map(|i| word(inst, i))
            .collect::<Result<_, _>>()?;
        let ty = result_type(inst)?;
        let slots = if let Some((op, packed)) = binary_of(op) {
            self.each(&ids, packed, |b, v| b.binary(op, v[0], v[1]))?
        } else if let Some(op) = unary_of(op) {
            self.each(&ids, false, |b, v| b.unary(op, v[0], b.ty(v[0])))?
        } else if let Some(f) = single_of(op) {
            self.in_f32(&ids, |b, v| f(b, v[0]))?
        } else {
            self.other(op, &ids, ty)?
        };
        let expected = self.slot_types(ty)?;
        if !expected
            .iter()
            .copied()
            .eq(slots.iter().map(|&s| self.b.ty(s)))
        {
            return Err(format!("{op:?} is not supported on these types"));
        }
        self.define(inst, slots)
    }

    fn other(&mut self, op: GLOp, ids: &[u32], ty: u32) -> Lowered<Vec<Value>> {
        match op {
            GLOp::FClamp | GLOp::UClamp | GLOp::SClamp => {
                let (max, min) = match op {
                    GLOp::FClamp => (Binary::FMax, Binary::FMin),
                    GLOp::UClamp => (Binary::UMax, Binary::UMin),
                    _ => (Binary::SMax, Binary::SMin),
                };
                self.each(ids, op == GLOp::FClamp, |b, v| {
                    let low = b.binary(max, v[0], v[1]);
                    b.binary(min, low, v[2])
                })
            }
            GLOp::Fma => self.each(ids, true, |b, v| b.ternary(Ternary::Fma, v[0], v[1], v[2])),
            GLOp::FMix => self.each(ids, false, |b, v| {
                let one = b.float(b.ty(v[0]), 1.0);
                let rest = b.binary(Binary::FSub, one, v[2]);
                let first = b.binary(Binary::FMul, v[0], rest);
                b.ternary(Ternary::Fma, v[1], v[2], first)
            }),
            GLOp::Step => self.each(ids, false, |b, v| {
                let [zero, one] = [0.0, 1.0].map(|x| b.float(b.ty(v[0]), x));
                let below = b.compare(Pred::FLt, v[1], v[0]);
                b.select(below, zero, one)
            }),
            GLOp::SmoothStep => {
                self.each(ids, false, |b, v| math::smooth_step(b, v[0], v[1], v[2]))
            }
            GLOp::FSign => self.each(ids, false, |b, v| math::sign(b, v[0])),
            GLOp::SSign => self.each(ids, false, |b, v| {
                let ty = b.ty(v[0]);
                let (one, minus) = (b.constant(ty, 1), b.constant(ty, math::ones(ty)));
                let low = b.binary(Binary::SMax, v[0], minus);
                b.binary(Binary::SMin, low, one)
            }),
            GLOp::Pow => self.in_f32(ids, |b, v| math::pow(b, v[0], v[1])),
            GLOp::Atan2 => self.in_f32(ids, |b, v| math::atan2(b, v[0], v[1])),
            GLOp::FindILsb | GLOp::FindUMsb | GLOp::FindSMsb => {
                self.each(ids, false, |b, v| math::find_bit(b, op, v[0]))
            }
            GLOp::Ldexp => self.in_f32(ids, |b, v| math::ldexp(b, v[0], v[1])),
            GLOp::ModfStruct | GLOp::FrexpStruct => self.split(op, ids, ty),
            GLOp::PackHalf2x16
            | GLOp::PackSnorm4x8
            | GLOp::PackUnorm4x8
            | GLOp::PackSnorm2x16
            | GLOp::PackUnorm2x16 => self.pack_floats(op, ids[0]),
            GLOp::UnpackHalf2x16
            | GLOp::UnpackSnorm4x8
            | GLOp::UnpackUnorm4x8
            | GLOp::UnpackSnorm2x16
            | GLOp::UnpackUnorm2x16 => self.unpack_floats(op, ids[0]),
            GLOp::Determinant => {
                let (slots, ty) = self.typed(ids[0])?;
                let columns = self.columns(ty, &slots)?;
                Ok(vec![self.determinant(&columns)])
            }
            _ => self.geometric(op, ids),
        }
    }

    /// Applies `f` to each element, in f32; f16 is widened before and rounded after.
    fn in_f32(
        &mut self,
        ids: &[u32],
        mut f: impl FnMut(&mut Builder, &[Value]) -> Value,
    ) -> Lowered<Vec<Value>> {
        self.each(ids, false, |b, v| {
            let half = b.ty(v[0]) == Type::F16;
            let wide: Vec<Value> = v
                .iter()
                .map(|&v| match b.ty(v) {
                    Type::F16 => b.unary(Unary::F32FromF16, v, Type::F32),
                    _ => v,
                })
                .collect();
            let result = f(b, &wide);
            if half {
                b.unary(Unary::F16FromF32, result, Type::F16)
            } else {
                result
            }
        })
    }

    /// Functions of whole vectors. Those of f16 are computed in f32 from their scalar products on.
    fn geometric(&mut self, op: GLOp, ids: &[u32]) -> Lowered<Vec<Value>> {
        let mut vectors = Vec::new();
        for &id in ids {
            let (slots, ty) = self.typed(id)?;
            let elements = self.elements(ty, &slots)?;
            vectors.push(elements);
        }
        let half = self.b.ty(vectors[0][0]) == Type::F16;
        if half {
            for element in vectors.iter_mut().flatten() {
                *element = self.b.unary(Unary::F32FromF16, *element, Type::F32);
            }
        }
        let one = |v: &[Vec<Value>], i: usize| {
            v.get(i)
                .and_then(|v| v.first().copied())
                .ok_or("an operand lacks")
        };
        let a = vectors[0].clone();
        let mut result = match op {
            GLOp::Length => vec![self.length(&a)],
            GLOp::Distance => {
                let parts: Vec<Value> = a
                    .iter()
                    .zip(&vectors[1])
                    .map(|(a, b)| self.b.binary(Binary::FSub, *a, *b))
                    .collect();
                vec![self.length(&parts)]
            }
            GLOp::Normalize => {
                let square = self.sum_of_products(&a, &a);
                let factor = self.b.unary(Unary::Rsqrt, square, Type::F32);
                a.iter()
                    .map(|a| self.b.binary(Binary::FMul, *a, factor))
                    .collect()
            }
            GLOp::Cross => {
                let b = vectors[1].clone();
                let mut part = |i: usize, j: usize| {
                    let back = self.b.binary(Binary::FMul, a[j], b[i]);
                    let back = self.b.unary(Unary::FNeg, back, Type::F32);
                    self.b.ternary(Ternary::Fma, a[i], b[j], back)
                };
                vec![part(1, 2), part(2, 0), part(0, 1)]
            }
            GLOp::FaceForward => {
                let (dot, zero) = (
                    self.sum_of_products(&vectors[1], &vectors[2]),
                    self.b.f32(0.0),
                );
                let behind = self.b.compare(Pred::FLt, dot, zero);
                let mut face = |a: Value| {
                    let back = self.b.unary(Unary::FNeg, a, Type::F32);
                    self.b.select(behind, a, back)
                };
                a.iter().map(|a| face(*a)).collect()
            }
            GLOp::Reflect => {
                let (normal, minus) = (vectors[1].clone(), self.b.f32(-2.0));
                let dot = self.sum_of_products(&normal, &a);
                let factor = self.b.binary(Binary::FMul, dot, minus);
                a.iter()
                    .zip(&normal)
                    .map(|(a, n)| self.b.ternary(Ternary::Fma, factor, *n, *a))
                    .collect()
            }
            GLOp::Refract => {
                let eta = one(&vectors, 2)?;
                self.refract(&a, &vectors[1], eta)
            }
            _ => return Err(format!("{op:?} of GLSL.std.450 is not supported")),
        };
        if half {
            for element in &mut result {
                *element = self.b.unary(Unary::F16FromF32, *element, Type::F16);
            }
        }
        Ok(self.slots_of(&result))
    }

    fn length(&mut self, elements: &[Value]) -> Value {
        if let [one] = elements {
            return self.b.unary(Unary::FAbs, *one, Type::F32);
        }
        let square = self.sum_of_products(elements, elements);
        self.b.unary(Unary::Sqrt, square, Type::F32)
    }

    /// `k = 1 - eta² (1 - (n·i)²)`; nothing if k < 0, else `eta i - (eta (n·i) + sqrt k) n`.
    fn refract(&mut self, incident: &[Value], normal: &[Value], eta: Value) -> Vec<Value> {
        let [zero, one] = [0.0, 1.0].map(|x| self.b.f32(x));
        let dot = self.sum_of_products(normal, incident);
        let square = self.b.binary(Binary::FMul, dot, dot);
        let rest = self.b.binary(Binary::FSub, one, square);
        let eta_squared = self.b.binary(Binary::FMul, eta, eta);
        let bent = self.b.binary(Binary::FMul, eta_squared, rest);
        let k = self.b.binary(Binary::FSub, one, bent);
        let total = self.b.compare(Pred::FLt, k, zero);
        let root = self.b.unary(Unary::Sqrt, k, Type::F32);
        let along = self.b.ternary(Ternary::Fma, eta, dot, root);
        let back = self.b.unary(Unary::FNeg, along, Type::F32);
        let mut part = |i: Value, n: Value| {
            let forward = self.b.binary(Binary::FMul, eta, i);
            let sum = self.b.ternary(Ternary::Fma, back, n, forward);
            self.b.select(total, zero, sum)
        };
        incident
            .iter()
            .zip(normal)
            .map(|(i, n)| part(*i, *n))
            .collect()
    }

    /// `modf` and `frexp`: a structure of the two parts of each element.
    fn split(&mut self, op: GLOp, ids: &[u32], ty: u32) -> Lowered<Vec<Value>> {
        let Ty::Struct(members) = self.module.ty(ty)?.clone() else {
            return Err("not a structure".into());
        };
        let (slots, from) = self.typed(ids[0])?;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for element in self.elements(from, &slots)? {
            let (a, b) = if op == GLOp::ModfStruct {
                let ty = self.b.ty(element);
                let whole = self.b.unary(Unary::Trunc, element, ty);
                (self.b.binary(Binary::FSub, element, whole), whole)
            } else {
                math::frexp(&mut self.b, element)
            };
            first.push(a);
            second.push(b);
        }
        if members.len() != 2 {
            return Err("the structure has two members".into());
        }
        Ok([self.slots_of(&first), self.slots_of(&second)].concat())
    }

    fn pack_floats(&mut self, op: GLOp, id: u32) -> Lowered<Vec<Value>> {
        let parts = self.slots(id)?;
        if op == GLOp::PackHalf2x16 {
            let &[low, high] = parts.as_slice() else {
                return Err("two numbers are packed".into());
            };
            let pair = self.b.value(Type::F16x2, Op::PackFromF32([low, high]));
            return Ok(vec![self.b.unary(Unary::Bitcast, pair, Type::I32)]);
        }
        let (low, scale) = norm_range(op);
        let mut numbers = Vec::new();
        for part in parts {
            // floor(0.5 + scale * clamp(x)), as WGSL defines it.
            let [low, one, scale, half] = [low, 1.0, scale, 0.5].map(|x| self.b.f32(x));
            let clamped = self.b.binary(Binary::FMax, part, low);
            let clamped = self.b.binary(Binary::FMin, clamped, one);
            let scaled = self.b.ternary(Ternary::Fma, clamped, scale, half);
            let floor = self.b.unary(Unary::Floor, scaled, Type::F32);
            numbers.push(self.b.unary(Unary::SFromF32, floor, Type::I32));
        }
        if let &[low, high] = numbers.as_slice() {
            let (mask, sixteen) = (self.b.i32(0xffff), self.b.i32(16));
            let low = self.b.binary(Binary::And, low, mask);
            let high = self.b.binary(Binary::Shl, high, sixteen);
            return Ok(vec![self.b.binary(Binary::Or, low, high)]);
        }
        Ok(vec![self.pack_bytes(&numbers)?])
    }

    fn unpack_floats(&mut self, op: GLOp, id: u32) -> Lowered<Vec<Value>> {
        let word = self.scalar(id)?;
        if op == GLOp::UnpackHalf2x16 {
            let pair = self.b.unary(Unary::Bitcast, word, Type::F16x2);
            return Ok([0, 1]
                .map(|k| {
                    let half = self.b.half(pair, k);
                    self.b.unary(Unary::F32FromF16, half, Type::F32)
                })
                .to_vec());
        }
        let (low, scale) = norm_range(op);
        let signed = low < 0.0;
        let bits = if matches!(op, GLOp::UnpackSnorm4x8 | GLOp::UnpackUnorm4x8) {
            8
        } else {
            16
        };
        let mut parts = Vec::new();
        for k in 0..32 / bits {
            let (at, width) = (self.b.i32(k * bits), self.b.i32(bits));
            let extract = if signed {
                Ternary::ExtractS
            } else {
                Ternary::ExtractU
            };
            let number = self
                .b
                .value(Type::I32, Op::Ternary(extract, [word, at, width]));
            let convert = if signed {
                Unary::F32FromS
            } else {
                Unary::F32FromU
            };
            let number = self.b.unary(convert, number, Type::F32);
            let (factor, low) = (self.b.f32(1.0 / scale), self.b.f32(low));
            let part = self.b.binary(Binary::FMul, number, factor);
            parts.push(if signed {
                self.b.binary(Binary::FMax, part, low)
            } else {
                part
            });
        }
        Ok(parts)
    }
}

/// Lower bound and scale of a normalised format.
fn norm_range(op: GLOp) -> (f32, f32) {
    match op {
        GLOp::PackSnorm4x8 | GLOp::UnpackSnorm4x8 => (-1.0, 127.0),
        GLOp::PackUnorm4x8 | GLOp::UnpackUnorm4x8 => (0.0, 255.0),
        GLOp::PackSnorm2x16 | GLOp::UnpackSnorm2x16 => (-1.0, 32767.0),
        _ => (0.0, 65535.0),
    }
}
