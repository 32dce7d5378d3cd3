//! Memory accesses and runs of dwords in LLVM IR.

use anyhow::{Result, bail};
use shader_compiler::ir::{Access, Space, Type, Value};

use super::emit::{Emitter, ty};

impl Emitter<'_> {
    /// `ptr` operand of an access.
    pub(super) fn pointer(&mut self, space: Space, offset: Value, constant: u32) -> Result<String> {
        let offset = self.name(offset);
        Ok(self.pointer_at(space, &offset, constant))
    }

    /// The same for an offset in text.
    pub(super) fn pointer_at(&mut self, space: Space, offset: &str, constant: u32) -> String {
        match space {
            Space::Shared => {
                let base = self.temporary(&format!(
                    "getelementptr inbounds i8, ptr addrspace(3) @shared, i32 {offset}"
                ));
                let at = self.temporary(&format!(
                    "getelementptr inbounds i8, ptr addrspace(3) {base}, i32 {constant}"
                ));
                format!("ptr addrspace(3) {at}")
            }
            Space::Buffer(index) => {
                let wide = self.temporary(&format!("zext i32 {offset} to i64"));
                let base = format!(
                    "getelementptr inbounds i8, ptr addrspace(1) %buffer{index}, i64 {wide}"
                );
                let base = self.temporary(&base);
                let at = self.temporary(&format!(
                    "getelementptr inbounds i8, ptr addrspace(1) {base}, i64 {constant}"
                ));
                format!("ptr addrspace(1) {at}")
            }
            Space::Arguments => unreachable!("immediates are arguments of the kernel"),
        }
    }

    pub(super) fn load(
        &mut self,
        space: Space,
        offset: Value,
        constant: u32,
        access: Access,
        result: Type,
    ) -> Result<String> {
        if space == Space::Arguments {
            return self.immediate(offset, constant, result);
        }
        let pointer = self.pointer(space, offset, constant)?;
        let align = if access == Access::Half { 2 } else { 4 };
        Ok(self.temporary(&format!("load {}, {pointer}, align {align}", ty(result))))
    }

    fn immediate(&mut self, offset: Value, constant: u32, result: Type) -> Result<String> {
        let Some(base) = self
            .names
            .get(&offset)
            .and_then(|text| text.parse::<u32>().ok())
        else {
            bail!("an immediate with a varying index has no LLVM form here");
        };
        let at = base + constant;
        if let Type::Words(n) = result {
            let mut whole = String::from("poison");
            for k in 0..u32::from(n) {
                let text = format!(
                    "insertelement <{n} x i32> {whole}, i32 %immediate{}, i32 {k}",
                    at + 4 * k
                );
                whole = self.temporary(&text);
            }
            return Ok(whole);
        }
        if result == Type::I32 {
            return Ok(format!("%immediate{at}"));
        }
        Ok(self.temporary(&format!("bitcast i32 %immediate{at} to {}", ty(result))))
    }

    pub(super) fn join(&mut self, parts: &[Value]) -> String {
        let n = parts.len();
        let mut whole = String::from("poison");
        for (k, part) in parts.iter().enumerate() {
            let word = self.as_word(*part);
            whole = self.temporary(&format!(
                "insertelement <{n} x i32> {whole}, i32 {word}, i32 {k}"
            ));
        }
        whole
    }

    fn as_word(&mut self, value: Value) -> String {
        match self.function.ty(value) {
            Type::I32 => self.name(value),
            _ => self.temporary(&format!("bitcast {} to i32", self.typed(value))),
        }
    }

    pub(super) fn word(&mut self, a: Value, k: u8, result: Type) -> String {
        let word = match self.function.ty(a) {
            Type::I64 => {
                let shifted =
                    self.temporary(&format!("lshr {}, {}", self.typed(a), 32 * u32::from(k)));
                self.temporary(&format!("trunc i64 {shifted} to i32"))
            }
            _ => self.temporary(&format!("extractelement {}, i32 {k}", self.typed(a))),
        };
        match result {
            Type::I32 => word,
            _ => self.temporary(&format!("bitcast i32 {word} to {}", ty(result))),
        }
    }
}
