//! Variables to values: what SSA construction is called where variables have names.
//!
//! A variable, and each element of an array that is only indexed by constants, becomes the value last stored. Where paths
//! meet that stored different values, the block gets a parameter; so does a loop's header if the loop stores, and the
//! loop's merge block for what the loop defined (loop-closed form). Variables that nothing reads any more get no
//! parameters: liveness is computed first, so the form is pruned.
//!
//! The blocks are visited in topological order, so all predecessors but a latch are finished when a block begins. An
//! array whose index is not known is left alone; the pass runs again after loops were unrolled. What remains at the end
//! is refused by [`finish`], but for tables of constants, which become trees of selections.

use std::collections::HashMap;

use crate::error::{Fault, Reason};
use crate::ir::{
    Binary, BlockId, Function, Graph, Inst, Local, Nesting, Op, Pred, Terminator, Type, Value,
};

/// Entries of a table of constants that is selected from with a computed index.
const MAX_TABLE: u32 = 64;

/// One element of a local.
type Variable = u32;

/// Makes values of all variables that are indexed by constants only. True if there were any.
pub fn run(function: &mut Function) -> bool {
    let constants = constants(function);
    let first = number_variables(function, &constants);
    let accessed =
        |inst: &Inst| matches!(access(inst), Some((local, _)) if first[local.0 as usize].is_some());
    if !function.blocks.iter().flat_map(|b| &b.insts).any(accessed) {
        return false;
    }
    let graph = Graph::new(function);
    clear_unreachable(function, &graph);
    let graph = Graph::new(function);
    let mut pass = Promotion::new(function, &graph, constants, first);
    pass.find_live();
    for &block in &graph.order {
        pass.enter(block);
        pass.walk(block);
    }
    pass.pass_arguments();
    let replaced = std::mem::take(&mut pass.replaced);
    function.replace_uses(&replaced);
    true
}

/// Ends the life of variables: no access may remain.
///
/// # Errors
/// An array of variables whose index is only known when the kernel runs.
pub fn finish(function: &mut Function) -> Result<(), Fault> {
    run(function);
    if open_tables(function)? {
        run(function);
    }
    function.locals.clear();
    Ok(())
}

/// The bits of each value that is a constant.
fn constants(function: &Function) -> Vec<Option<u64>> {
    let mut constants = vec![None; function.values.len()];
    for inst in function.blocks.iter().flat_map(|b| &b.insts) {
        if let (Op::Const(bits), Some(v)) = (&inst.op, inst.result) {
            constants[v.0 as usize] = Some(*bits);
        }
    }
    constants
}

/// The local that an instruction reads or writes, and its index.
fn access(inst: &Inst) -> Option<(Local, Value)> {
    match inst.op {
        Op::LocalLoad(local, index) | Op::LocalStore(local, index, _) => Some((local, index)),
        _ => None,
    }
}

/// The first variable of each local that is only indexed by constants.
fn number_variables(function: &Function, constants: &[Option<u64>]) -> Vec<Option<Variable>> {
    let mut known = vec![true; function.locals.len()];
    for inst in function.blocks.iter().flat_map(|b| &b.insts) {
        if let Some((local, index)) = access(inst) {
            known[local.0 as usize] &= constants[index.0 as usize].is_some();
        }
    }
    let mut next = 0;
    let mut number = |(local, known): (&crate::ir::LocalVar, bool)| {
        let first = next;
        next += if known { local.len } else { 0 };
        known.then_some(first)
    };
    function.locals.iter().zip(known).map(&mut number).collect()
}

/// Empties blocks that are never reached, so that nothing in them is a use.
fn clear_unreachable(function: &mut Function, graph: &Graph) {
    for (index, block) in function.blocks.iter_mut().enumerate() {
        if !graph.reachable(BlockId(index as u32)) {
            block.insts.clear();
            block.parameters.clear();
            block.terminator = Terminator::Unreachable;
            block.loop_ = None;
        }
    }
}

struct Promotion<'f, 'g> {
    function: &'f mut Function,
    graph: &'g Graph,
    nesting: Nesting,
    constants: Vec<Option<u64>>,
    /// First variable of each local that is promoted.
    first: Vec<Option<Variable>>,
    /// Type of each variable.
    types: Vec<Type>,
    /// Variables that are read before they are written, from each block's start on.
    live: Vec<Vec<bool>>,
    /// Loops that write each variable: indices in `nesting`.
    written_in: Vec<Vec<bool>>,
    /// Value of each variable at the block's end, where it is known or needed.
    values: Vec<HashMap<Variable, Value>>,
    /// Variables that became parameters of each block, in order.
    parameters: Vec<Vec<Variable>>,
    /// The block that defines each value.
    home: Vec<BlockId>,
    replaced: Vec<Option<Value>>,
    undefined: HashMap<Type, Value>,
}

impl<'f, 'g> Promotion<'f, 'g> {
    fn new(
        function: &'f mut Function,
        graph: &'g Graph,
        constants: Vec<Option<u64>>,
        first: Vec<Option<Variable>>,
    ) -> Self {
        let mut types = Vec::new();
        for (local, _) in function
            .locals
            .iter()
            .zip(&first)
            .filter(|(_, first)| first.is_some())
        {
            types.extend(std::iter::repeat_n(local.ty, local.len as usize));
        }
        let mut home = vec![BlockId(0); function.values.len()];
        for (index, block) in function.blocks.iter().enumerate() {
            let results = block.insts.iter().filter_map(|i| i.result);
            for v in block.parameters.iter().copied().chain(results) {
                home[v.0 as usize] = BlockId(index as u32);
            }
        }
        let blocks = function.blocks.len();
        let nesting = Nesting::new(function, graph);
        Self {
            written_in: vec![vec![false; nesting.loops.len()]; types.len()],
            live: vec![vec![false; types.len()]; blocks],
            values: vec![HashMap::new(); blocks],
            parameters: vec![Vec::new(); blocks],
            replaced: vec![None; function.values.len()],
            undefined: HashMap::new(),
            function,
            graph,
            nesting,
            constants,
            first,
            types,
            home,
        }
    }

    /// The variable that an instruction reads or writes; `Some(None)` for one outside of its array.
    fn variable(&self, inst: &Inst) -> Option<Option<Variable>> {
        let (local, index) = access(inst)?;
        let first = self.first[local.0 as usize]?;
        let index = self.constants[index.0 as usize]?;
        let inside = index < u64::from(self.function.locals[local.0 as usize].len);
        Some(inside.then(|| first + index as u32))
    }

    /// Backward data flow, until nothing changes.
    fn find_live(&mut self) {
        let blocks = self.function.blocks.len();
        // Read before written, and written, in each block.
        let mut reads = vec![vec![false; self.types.len()]; blocks];
        let mut writes = reads.clone();
        for &id in &self.graph.order {
            for inst in &self.function.blocks[id.index()].insts {
                let Some(Some(variable)) = self.variable(inst) else {
                    continue;
                };
                let at = variable as usize;
                if matches!(inst.op, Op::LocalStore(..)) {
                    writes[id.index()][at] = true;
                    for l in self.nesting.around(id) {
                        self.written_in[at][l] = true;
                    }
                } else if !writes[id.index()][at] {
                    reads[id.index()][at] = true;
                }
            }
        }
        self.live = reads;
        let mut changed = true;
        while changed {
            changed = false;
            for &id in self.graph.order.iter().rev() {
                for target in self.function.blocks[id.index()].terminator.targets() {
                    let [from, to] = [id.index(), target.block.index()];
                    for (variable, written) in writes[from].iter().enumerate() {
                        if self.live[to][variable] && !written && !self.live[from][variable] {
                            self.live[from][variable] = true;
                            changed = true;
                        }
                    }
                }
            }
        }
    }

    /// The values of the variables that are live where `block` begins.
    fn enter(&mut self, block: BlockId) {
        let mut values = HashMap::new();
        let header = self.nesting.loops.iter().position(|l| l.header == block);
        let from: Vec<BlockId> = self.graph.predecessors[block.index()].clone();
        for variable in 0..self.types.len() as Variable {
            if !self.live[block.index()][variable as usize] {
                continue;
            }
            let repeats = header.is_some_and(|l| self.written_in[variable as usize][l]);
            let latch = header.map(|l| self.nesting.loops[l].latch);
            let mut same = None;
            let mut differ = repeats;
            // A latch whose loop does not write the variable passes on what the header got.
            for p in from.iter().filter(|p| Some(**p) != latch) {
                let value = self.at_end(*p, variable);
                differ |= same.is_some_and(|s| s != value);
                same = Some(value);
            }
            let value = match same {
                None => self.undefined(variable),
                Some(value) if !differ && self.visible(value, block) => value,
                Some(_) => self.parameter(block, variable),
            };
            values.insert(variable, value);
        }
        self.values[block.index()] = values;
    }

    /// The value of a variable at the end of a block that was walked.
    fn at_end(&mut self, block: BlockId, variable: Variable) -> Value {
        match self.values[block.index()].get(&variable) {
            Some(value) => *value,
            None => self.undefined(variable),
        }
    }

    /// A value may be used in `block` without leaving its loop.
    fn visible(&self, value: Value, block: BlockId) -> bool {
        let home = self.home[value.0 as usize];
        self.nesting
            .innermost(home)
            .is_none_or(|l| self.nesting.contains(l, block))
    }

    fn parameter(&mut self, block: BlockId, variable: Variable) -> Value {
        let value = self.function.new_value(self.types[variable as usize]);
        self.function.blocks[block.index()].parameters.push(value);
        self.parameters[block.index()].push(variable);
        self.home.push(block);
        self.replaced.push(None);
        value
    }

    /// A value that nobody stored, defined at the very start.
    fn undefined(&mut self, variable: Variable) -> Value {
        self.undefined_of(self.types[variable as usize])
    }

    fn undefined_of(&mut self, ty: Type) -> Value {
        if let Some(value) = self.undefined.get(&ty) {
            return *value;
        }
        let value = self.function.new_value(ty);
        let inst = Inst {
            op: Op::Undef,
            result: Some(value),
            source: u32::MAX,
        };
        self.function.blocks[0].insts.insert(0, inst);
        self.home.push(BlockId(0));
        self.replaced.push(None);
        self.undefined.insert(ty, value);
        value
    }

    /// Takes the accesses out of a block, following the values through it.
    fn walk(&mut self, block: BlockId) {
        let mut values = std::mem::take(&mut self.values[block.index()]);
        let insts = std::mem::take(&mut self.function.blocks[block.index()].insts);
        let mut kept = Vec::with_capacity(insts.len());
        for inst in insts {
            match (self.variable(&inst), &inst.op, inst.result) {
                (Some(variable), Op::LocalStore(_, _, value), _) => {
                    if let Some(variable) = variable {
                        let value = self.resolved(*value);
                        values.insert(variable, value);
                    }
                }
                (Some(variable), Op::LocalLoad(local, _), Some(result)) => {
                    let known = variable.and_then(|v| values.get(&v).copied());
                    let ty = self.function.locals[local.0 as usize].ty;
                    let value = known.unwrap_or_else(|| self.undefined_of(ty));
                    self.replaced[result.0 as usize] = Some(value);
                }
                _ => kept.push(inst),
            }
        }
        // An undefined value may have been put into the entry block meanwhile.
        self.function.blocks[block.index()].insts.extend(kept);
        self.values[block.index()] = values;
    }

    fn resolved(&self, mut value: Value) -> Value {
        while let Some(next) = self.replaced[value.0 as usize] {
            value = next;
        }
        value
    }

    /// Gives each new parameter its arguments.
    fn pass_arguments(&mut self) {
        for from in self.graph.order.clone() {
            let mut terminator = std::mem::replace(
                &mut self.function.blocks[from.index()].terminator,
                Terminator::Unreachable,
            );
            for target in terminator.targets_mut() {
                for variable in self.parameters[target.block.index()].clone() {
                    let value = self.at_end(from, variable);
                    target.arguments.push(value);
                }
            }
            self.function.blocks[from.index()].terminator = terminator;
        }
    }
}

/// Replaces reads of constant tables at computed places by reads of all elements and selections among them.
fn open_tables(function: &mut Function) -> Result<bool, Fault> {
    let constants = constants(function);
    let known = |v: Value| constants[v.0 as usize].is_some();
    for inst in function.blocks.iter().flat_map(|b| &b.insts) {
        let Some((local, index)) = access(inst) else {
            continue;
        };
        let local = &function.locals[local.0 as usize];
        let refuse = |why: &str| {
            Err(Fault {
                reason: Reason::Unsupported(format!("`{}` {why}", local.name)),
                source: inst.source,
            })
        };
        match inst.op {
            Op::LocalStore(_, _, value) if !known(index) || !known(value) => {
                return refuse(
                    "is an array indexed by what is only known when the kernel runs: \
                     let the loop have a constant number of turns, or use workgroup memory",
                );
            }
            Op::LocalLoad(..) if !known(index) && local.len > MAX_TABLE => {
                return refuse("is a table of more than 64 constants: put it into a buffer");
            }
            _ => {}
        }
    }
    let mut replaced = vec![None; function.values.len()];
    let mut opened = false;
    for block in 0..function.blocks.len() {
        for inst in std::mem::take(&mut function.blocks[block].insts) {
            match (&inst.op, inst.result) {
                (Op::LocalLoad(local, index), Some(result))
                    if constants[index.0 as usize].is_none() =>
                {
                    let chosen = open_table(function, block, *local, *index, inst.source);
                    replaced[result.0 as usize] = Some(chosen);
                    opened = true;
                }
                _ => function.blocks[block].insts.push(inst),
            }
        }
    }
    function.replace_uses(&replaced);
    Ok(opened)
}

/// Element `index` of `local`, chosen bit by bit.
fn open_table(
    function: &mut Function,
    block: usize,
    local: Local,
    index: Value,
    source: u32,
) -> Value {
    let (ty, len) = (
        function.locals[local.0 as usize].ty,
        function.locals[local.0 as usize].len,
    );
    let push = |function: &mut Function, ty: Type, op: Op| {
        let value = function.new_value(ty);
        function.blocks[block].insts.push(Inst {
            op,
            result: Some(value),
            source,
        });
        value
    };
    let mut level = Vec::new();
    for k in 0..len {
        let at = push(function, Type::I32, Op::Const(u64::from(k)));
        level.push(push(function, ty, Op::LocalLoad(local, at)));
    }
    let zero = push(function, Type::I32, Op::Const(0));
    let mut bit = 0;
    while level.len() > 1 {
        let mask = push(function, Type::I32, Op::Const(1 << bit));
        let masked = push(function, Type::I32, Op::Binary(Binary::And, [index, mask]));
        let odd = push(function, Type::Bool, Op::Compare(Pred::Ne, [masked, zero]));
        level = level
            .chunks(2)
            .map(|pair| match *pair {
                [even, other] => push(function, ty, Op::Select([odd, other, even])),
                _ => pair[0],
            })
            .collect();
        bit += 1;
    }
    level[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::verify;

    /// The kernel with the variables of `body` made values.
    fn without_variables(body: &str) -> Result<Function, Fault> {
        let source = format!(
            "@group(0) @binding(0) var<storage, read_write> o: array<i32>;
             @compute @workgroup_size(32)
             fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}"
        );
        let mut functions = crate::front::compile(&source, &[])?;
        let mut function = functions.pop().expect("there is one kernel");
        finish(&mut function)?;
        verify(&function).unwrap_or_else(|rule| panic!("{rule}\n{function}"));
        Ok(function)
    }

    /// Parameters of each block that has any.
    fn parameters(function: &Function) -> Vec<usize> {
        function
            .blocks
            .iter()
            .map(|b| b.parameters.len())
            .filter(|n| *n > 0)
            .collect()
    }

    #[test]
    fn straight_code_needs_no_parameters() {
        let f = without_variables("var x = 1; x += o[i]; o[i] = x;").expect("it is supported");
        assert_eq!(parameters(&f), []);
        assert!(!f.to_string().contains("local"), "{f}");
    }

    #[test]
    fn what_nothing_reads_gets_no_parameter() {
        let f = without_variables(
            "var x = 1; var dead = 2;
             if o[i] > 0 { x = 3; dead = 4; }
             o[i] = x;",
        )
        .expect("it is supported");
        assert_eq!(parameters(&f), [1], "{f}");
    }

    #[test]
    fn a_value_leaves_its_loop_as_a_parameter() {
        // The header has the counter and the sum, the merge block the sum; `invariant` passes by.
        let f = without_variables(
            "var sum = 0; var invariant = o[i];
             for (var k = 0; k < 9; k++) { sum += o[k]; }
             o[i] = sum + invariant;",
        )
        .expect("it is supported");
        assert_eq!(parameters(&f), [2, 1], "{f}");
    }

    #[test]
    fn array_elements_are_variables_of_their_own() {
        let f = without_variables(
            "var a: array<i32, 3>; a[1] = o[i]; a[2] = 5; o[i] = a[0] + a[1] + a[2];",
        )
        .expect("it is supported");
        assert!(!f.to_string().contains("local"), "{f}");
    }

    #[test]
    fn a_table_of_constants_becomes_selections() {
        let f = without_variables("let table = array(7, 5, 3, 2, 1); o[i] = table[o[i]];")
            .expect("it is supported");
        let selections = f.to_string().matches("select").count();
        assert_eq!(selections, 4, "{f}");
    }

    #[test]
    fn an_array_with_an_unknown_index_is_refused_by_name() {
        let fault = without_variables("var many: array<i32, 3>; many[o[i]] = 5; o[i] = many[1];")
            .expect_err("it cannot be done");
        let text = fault.locate("a.wgsl", "").to_string();
        assert!(text.contains("`many` is an array indexed by"), "{text}");
    }
}
