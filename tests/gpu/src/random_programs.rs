//! Random structured WGSL whose result is the same on every correct implementation.
//!
//! What makes it so: integers wrap; shift counts are masked; floats hold small integers, so that every sum and product is
//! exact however it is contracted; conversions stay in range; an invocation reads what others wrote to workgroup memory
//! only between two barriers that all invocations reach; loops are bounded; nothing depends on the subgroup's size.
//!
//! A program works on `input: array<u32, 256>` and writes [`WORDS`] words an invocation to `output`.

use std::fmt::Write;

use ::tests::random::Random;

/// Words that an invocation writes.
pub const WORDS: usize = 6;
/// Words of input.
pub const INPUT_WORDS: usize = 256;
/// Variables of each type in a program.
const VARIABLES: usize = 4;

/// A program with the geometry of its launch.
#[derive(Clone, Debug)]
pub struct Program {
    /// WGSL with the entry point `main`; bindings 0 (input) and 1 (output); immediates: two u32.
    pub source: String,
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Workgroups.
    pub groups: u32,
}

/// Type of an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ty {
    U32,
    I32,
    F32,
    Bool,
}

impl Program {
    /// The program of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let workgroup = [1, 8, 32, 48, 64, 128][random.below(6)];
        let mut writer = Writer {
            random,
            text: String::new(),
            indent: 1,
            loops: 0,
            names: 0,
            workgroup,
            in_helper: false,
            budget: 0,
        };
        let source = writer.program();
        Self {
            source,
            workgroup,
            groups: 1 + (seed % 3) as u32,
        }
    }
}

struct Writer {
    random: Random,
    text: String,
    indent: usize,
    /// Loops around the current statement.
    loops: usize,
    names: usize,
    workgroup: u32,
    in_helper: bool,
    /// Statements that may still be written.
    budget: usize,
}

impl Writer {
    fn program(&mut self) -> String {
        let size = self.workgroup;
        self.text = format!(
            "struct Shape {{ seed: u32, count: u32 }}\n\
             var<immediate> shape: Shape;\n\
             @group(0) @binding(0) var<storage, read> input: array<u32>;\n\
             @group(0) @binding(1) var<storage, read_write> output: array<u32>;\n\
             var<workgroup> shared_words: array<u32, {size}>;\n\
             const TABLE = array<u32, 8>(3u, 14u, 159u, 26u, 535u, 8979u, 323u, 846u);\n\n"
        );
        self.helper();
        let _ = write!(
            self.text,
            "@compute @workgroup_size({size})\nfn main(@builtin(local_invocation_index) local: u32, \
             @builtin(workgroup_id) group: vec3<u32>) {{\n\
             \x20   let at = group.x * {size}u + local;\n\
             \x20   // Numbers are written with these, so that nothing is refused as an overflow or a division by zero in a\n\
             \x20   // constant expression; an optimiser sees through it.\n\
             \x20   let zero = shape.seed ^ shape.seed;\n\
             \x20   let izero = i32(zero);\n\
             \x20   var counter = 0u;\n"
        );
        for k in 0..VARIABLES {
            let place = self.random.below(INPUT_WORDS);
            let _ = writeln!(
                self.text,
                "    var u{k} = input[(at + {place}u) & 255u] ^ shape.seed;"
            );
            let _ = writeln!(
                self.text,
                "    var i{k} = i32(input[(at * 3u + {place}u) & 255u]);"
            );
            let _ = writeln!(
                self.text,
                "    var f{k} = f32(input[(at + {}u) & 255u] & 15u);",
                place / 2
            );
            let _ = writeln!(
                self.text,
                "    var b{k} = (u{k} & {}u) != 0u;",
                1 << self.random.below(6)
            );
        }
        self.line("var words = array<u32, 4>(1u, 2u, 3u, 4u);");
        self.budget = 10 + self.random.below(25);
        while self.budget > 0 {
            if self.random.below(6) == 0 {
                self.exchange();
            } else {
                self.statement(3);
            }
        }
        let sums = [
            "u0 ^ u1",
            "u2 + u3 + counter",
            "bitcast<u32>(i0) ^ bitcast<u32>(i1)",
            "bitcast<u32>(i2 + i3)",
            "u32(f0 + f1) * 31u + u32(f2 + f3)",
            "select(0u, 1u, b0) + select(0u, 2u, b1) + select(0u, 4u, b2 && b3) + words[0] * words[1] + words[2] - words[3]",
        ];
        for (k, sum) in sums.iter().enumerate() {
            self.line(&format!("output[at * {WORDS}u + {k}u] = {sum};"));
        }
        self.text.push_str("}\n");
        std::mem::take(&mut self.text)
    }

    /// A function with a loop and an early return, for the inliner.
    fn helper(&mut self) {
        self.text.push_str("fn helper(a: u32, b: u32) -> u32 {\n");
        self.in_helper = true;
        let bound = 1 + self.random.below(6);
        let condition = self.expression(Ty::U32, 2);
        let early = self.expression(Ty::U32, 1);
        let step = self.expression(Ty::U32, 2);
        self.in_helper = false;
        let _ = write!(
            self.text,
            "    var sum = a;\n    for (var k = 0u; k < {bound}u; k++) {{\n        if ((({condition}) ^ sum) & 7u) == k {{\n\
             \x20           return {early};\n        }}\n        sum = sum * 5u + ({step}) + k;\n    }}\n    return sum;\n}}\n\n"
        );
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{:width$}{text}", "", width = 4 * self.indent);
    }

    /// Every invocation gives a word and takes another's.
    fn exchange(&mut self) {
        self.budget = self.budget.saturating_sub(1);
        let give = self.expression(Ty::U32, 2);
        let distance = self.random.below(self.workgroup as usize);
        let to = self.random.below(VARIABLES);
        self.line(&format!("shared_words[local] = {give};"));
        self.line("workgroupBarrier();");
        self.line(&format!(
            "u{to} = u{to} + shared_words[(local + {distance}u) % {}u];",
            self.workgroup
        ));
        self.line("workgroupBarrier();");
    }

    fn statement(&mut self, depth: usize) {
        self.budget = self.budget.saturating_sub(1);
        let deep = depth > 0;
        match self.random.below(14) {
            0 | 1 if deep => self.branch(depth),
            2 if deep && self.loops < 2 => self.counted_loop(depth),
            3 if deep && self.loops < 2 => self.endless_loop(depth),
            4 if deep => self.switch(depth),
            5 if self.loops > 0 => self.leave(),
            6 => self.array(),
            7 => self.exact_float(),
            _ => self.assignment(),
        }
    }

    fn block(&mut self, depth: usize) {
        self.indent += 1;
        for _ in 0..=self.random.below(3) {
            self.statement(depth - 1);
        }
        self.indent -= 1;
    }

    fn branch(&mut self, depth: usize) {
        let condition = self.expression(Ty::Bool, 2);
        self.line(&format!("if {condition} {{"));
        self.block(depth);
        if self.random.below(2) == 0 {
            self.line("} else {");
            self.block(depth);
        }
        self.line("}");
    }

    fn counted_loop(&mut self, depth: usize) {
        self.names += 1;
        let name = format!("n{}", self.names);
        let bound = match self.random.below(3) {
            0 => format!("{}u", 1 + self.random.below(5)),
            1 => format!("(u{} & 3u) + 1u", self.random.below(VARIABLES)),
            _ => "(shape.count & 3u) + 2u".into(),
        };
        self.line(&format!(
            "for (var {name} = 0u; {name} < {bound}; {name}++) {{"
        ));
        self.loops += 1;
        self.block(depth);
        self.indent += 1;
        let to = self.random.below(VARIABLES);
        self.line(&format!("u{to} = u{to} * 3u + {name};"));
        self.indent -= 1;
        self.loops -= 1;
        self.line("}");
    }

    fn endless_loop(&mut self, depth: usize) {
        self.names += 1;
        let name = format!("n{}", self.names);
        let bound = 1 + self.random.below(6);
        let condition = self.expression(Ty::Bool, 2);
        self.line(&format!("var {name} = 0u;"));
        self.line("loop {");
        self.loops += 1;
        self.indent += 1;
        self.line(&format!("if {name} >= {bound}u {{ break; }}"));
        self.indent -= 1;
        self.block(depth);
        self.indent += 1;
        self.line("continuing {");
        self.line(&format!("    {name} += 1u;"));
        self.line("    counter += 1u;");
        if self.random.below(2) == 0 {
            self.line(&format!("    break if {condition};"));
        }
        self.line("}");
        self.indent -= 1;
        self.loops -= 1;
        self.line("}");
    }

    fn switch(&mut self, depth: usize) {
        let selector = self.expression(Ty::U32, 2);
        self.line(&format!("switch ({selector}) & 3u {{"));
        self.indent += 1;
        for case in ["case 0u", "case 1u, 2u", "default"] {
            self.line(&format!("{case}: {{"));
            // `break` in a switch leaves the switch: keep the loops' leave statements out of it.
            let loops = std::mem::take(&mut self.loops);
            self.block(depth);
            self.loops = loops;
            self.line("}");
        }
        self.indent -= 1;
        self.line("}");
    }

    fn leave(&mut self) {
        let condition = self.expression(Ty::Bool, 2);
        let word = ["break", "continue"][self.random.below(2)];
        self.line(&format!("if {condition} {{ {word}; }}"));
    }

    fn array(&mut self) {
        let value = self.expression(Ty::U32, 2);
        let place = self.random.below(4);
        if self.random.below(3) == 0 {
            self.names += 1;
            let name = format!("n{}", self.names);
            self.line(&format!("for (var {name} = 0u; {name} < 4u; {name}++) {{ words[{name}] = words[{name}] ^ (({value}) + {name}); }}"));
        } else {
            self.line(&format!("words[{place}] = {value};"));
        }
    }

    /// A float that is again a small integer.
    fn exact_float(&mut self) {
        let to = self.random.below(VARIABLES);
        let value = self.expression(Ty::F32, 2);
        self.line(&format!("f{to} = f32(u32(abs({value})) & 15u);"));
    }

    fn assignment(&mut self) {
        let to = self.random.below(VARIABLES);
        let (name, ty) = [("u", Ty::U32), ("i", Ty::I32), ("b", Ty::Bool)][self.random.below(3)];
        let value = self.expression(ty, 3);
        self.line(&format!("{name}{to} = {value};"));
    }

    fn expression(&mut self, ty: Ty, depth: usize) -> String {
        if depth == 0 || self.random.below(5) == 0 {
            return self.leaf(ty);
        }
        match ty {
            Ty::U32 => self.unsigned(depth - 1),
            Ty::I32 => self.signed(depth - 1),
            Ty::F32 => self.float(depth - 1),
            Ty::Bool => self.truth(depth - 1),
        }
    }

    fn leaf(&mut self, ty: Ty) -> String {
        let k = self.random.below(VARIABLES);
        let number = self.random.number();
        if self.in_helper {
            return ["a", "b", "17u"][self.random.below(3)].into();
        }
        match ty {
            Ty::U32 => match self.random.below(6) {
                0 => format!("({}u ^ zero)", number as u32),
                1 => format!("({}u ^ zero)", number % 9),
                2 => "local".into(),
                3 => "shape.count".into(),
                _ => format!("u{k}"),
            },
            Ty::I32 => match self.random.below(5) {
                0 => format!("({} ^ izero)", (number as i32).max(-i32::MAX)),
                1 => format!("({} ^ izero)", number as i32 % 9),
                _ => format!("i{k}"),
            },
            Ty::F32 => match self.random.below(4) {
                0 => format!("{}.0", number % 16),
                _ => format!("f{k}"),
            },
            Ty::Bool => format!("b{k}"),
        }
    }

    fn pair(&mut self, ty: Ty, depth: usize) -> (String, String) {
        (self.expression(ty, depth), self.expression(ty, depth))
    }

    fn unsigned(&mut self, depth: usize) -> String {
        let (a, b) = self.pair(Ty::U32, depth);
        if self.in_helper {
            let op = ["+", "-", "*", "^", "&", "|"][self.random.below(6)];
            return format!("({a} {op} {b})");
        }
        match self.random.below(24) {
            op @ 0..=5 => format!("({a} {} {b})", ["+", "-", "*", "^", "&", "|"][op]),
            6 => format!("({a} << ({b} & 31u))"),
            7 => format!("({a} >> ({b} & 31u))"),
            8 => format!("({a} / {b})"),
            9 => format!("({a} % {b})"),
            10 => format!("min({a}, {b})"),
            11 => format!("max({a}, {b})"),
            12 => format!("select({a}, {b}, {})", self.expression(Ty::Bool, depth)),
            13 => format!(
                "extractBits({a}, {}u, {}u)",
                self.random.below(32),
                self.random.below(33)
            ),
            14 => format!(
                "insertBits({a}, {b}, {}u, {}u)",
                self.random.below(32),
                self.random.below(33)
            ),
            15 => format!("countOneBits({a})"),
            16 => format!("reverseBits({a})"),
            17 => format!("countLeadingZeros({a})"),
            18 => format!("dot4U8Packed({a}, {b})"),
            19 => format!("input[({a}) & 255u]"),
            20 => format!("helper({a}, {b})"),
            21 => format!("TABLE[({a}) & 7u]"),
            22 => format!(
                "(vec3<u32>({a}, {b}, 7u) * vec3<u32>(3u, {a}, {b})).{}",
                ["x", "y", "z"][self.random.below(3)]
            ),
            _ => format!("bitcast<u32>({})", self.expression(Ty::I32, depth)),
        }
    }

    fn signed(&mut self, depth: usize) -> String {
        let (a, b) = self.pair(Ty::I32, depth);
        match self.random.below(14) {
            op @ 0..=5 => format!("({a} {} {b})", ["+", "-", "*", "^", "&", "|"][op]),
            6 => format!("({a} >> ({} & 31u))", self.expression(Ty::U32, depth)),
            7 => format!("({a} / {b})"),
            8 => format!("({a} % {b})"),
            9 => format!("clamp({a}, -100, 100)"),
            10 => format!("abs({a})"),
            11 => format!(
                "extractBits({a}, {}u, {}u)",
                self.random.below(32),
                self.random.below(33)
            ),
            12 => {
                let (x, y) = self.pair(Ty::U32, depth);
                format!("dot4I8Packed({x}, {y})")
            }
            _ => format!("min({a}, -({b}))"),
        }
    }

    /// Integers below 2^24 at every step: the leaves are below 16 and there are at most three levels.
    fn float(&mut self, depth: usize) -> String {
        let (a, b) = self.pair(Ty::F32, depth.min(1));
        match self.random.below(8) {
            0 => format!("({a} + {b})"),
            1 => format!("({a} - {b})"),
            2 => format!("({a} * {b})"),
            3 => format!("fma({a}, {b}, {})", self.leaf(Ty::F32)),
            4 => format!("max({a}, {b})"),
            5 => format!("floor({a} * 0.5)"),
            6 => format!("f32({} & 15u)", self.expression(Ty::U32, depth)),
            _ => format!("select({a}, {b}, {})", self.expression(Ty::Bool, depth)),
        }
    }

    fn truth(&mut self, depth: usize) -> String {
        match self.random.below(6) {
            0 => {
                let (a, b) = self.pair(Ty::U32, depth);
                format!("({a} < {b})")
            }
            1 => {
                let (a, b) = self.pair(Ty::I32, depth);
                format!("({a} >= {b})")
            }
            2 => {
                let (a, b) = self.pair(Ty::F32, depth);
                format!("({a} <= {b})")
            }
            3 => format!(
                "(({} & 3u) == {}u)",
                self.expression(Ty::U32, depth),
                self.random.below(4)
            ),
            4 => {
                let (a, b) = self.pair(Ty::Bool, depth);
                format!(
                    "({a} {} {b})",
                    ["&&", "||", "!=", "=="][self.random.below(4)]
                )
            }
            _ => format!("!({})", self.expression(Ty::Bool, depth)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_valid_wgsl() {
        for seed in 0..300 {
            let program = Program::of(seed);
            let module = naga::front::wgsl::parse_str(&program.source).unwrap_or_else(|error| {
                panic!(
                    "seed {seed}: {}\n{}",
                    error.emit_to_string(&program.source),
                    program.source
                )
            });
            let mut validator = naga::valid::Validator::new(
                naga::valid::ValidationFlags::all(),
                naga::valid::Capabilities::all(),
            );
            let valid = validator.validate(&module);
            assert!(valid.is_ok(), "seed {seed}: {valid:?}\n{}", program.source);
        }
    }
}
