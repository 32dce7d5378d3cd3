//! Variables become values.
//!
//! Every element of a variable that is only indexed by constants is a value that changes over the program. Where paths
//! meet, it becomes a block parameter: a parameter is made for every join (and loop border) at which the element is live,
//! and superfluous ones are left to [`super::clean::parameters`]. A block with one predecessor sees what that left.
//!
//! An array that something indexes by a value that varies is left alone by [`run`]: writing out a loop may yet make the
//! index a constant. [`expand`] then turns what remains into choices among all elements, if there are few.

use crate::ir::{BlockId, Function, Graph, Inst, Local, Op, Pred, Terminator, Type, Value};

/// Elements among which a varying index may choose.
pub(super) const MOST_CHOICES: u32 = 32;

/// Makes values of all variables that allow it; true if there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let elements = Elements::of(function);
    if elements.count == 0 {
        return false;
    }
    let graph = Graph::new(function);
    let live = live_at_entry(function, &graph, &elements);
    let mut renamer = Renamer {
        at_end: vec![Vec::new(); function.blocks.len()],
        replacement: vec![None; function.values.len()],
        undefined: vec![None; elements.count],
        graph: &graph,
        elements: &elements,
    };
    let joins = add_parameters(function, &graph, &elements, &live);
    for &block in &graph.order {
        renamer.block(function, block, &joins[block.index()]);
    }
    renamer.arguments(function, &joins);
    let Renamer {
        replacement,
        undefined,
        ..
    } = renamer;
    let undefined = undefined.into_iter().flatten().map(|value| Inst {
        op: Op::Undef,
        result: Some(value),
        source: u32::MAX,
    });
    function.blocks[0].insts.splice(0..0, undefined);
    function.replace_uses(&replacement);
    true
}

/// The variable that keeps a function from being compiled: one indexed by a value that varies, with elements that cannot
/// be chosen among.
pub(super) fn remaining(function: &Function) -> Option<&str> {
    let insts = function.blocks.iter().flat_map(|block| &block.insts);
    let mut locals = insts.filter_map(|inst| match inst.op {
        Op::LocalLoad(local, _) | Op::LocalStore(local, ..) => Some(local),
        _ => None,
    });
    let Local(first) = locals.next()?;
    Some(&function.locals[first as usize].name)
}

/// Numbers for the elements that become values.
struct Elements {
    /// Number of each local's first element, if it qualifies.
    first: Vec<Option<usize>>,
    types: Vec<Type>,
    lengths: Vec<u32>,
    count: usize,
    constants: Vec<Option<u64>>,
}

impl Elements {
    fn of(function: &Function) -> Self {
        let constants = constants(function);
        let mut used = vec![false; function.locals.len()];
        let mut varies = vec![false; function.locals.len()];
        for inst in function.blocks.iter().flat_map(|block| &block.insts) {
            if let Op::LocalLoad(local, index) | Op::LocalStore(local, index, _) = inst.op {
                used[local.0 as usize] = true;
                varies[local.0 as usize] |= constants[index.0 as usize].is_none();
            }
        }
        let mut this = Self {
            first: Vec::new(),
            types: Vec::new(),
            lengths: function.locals.iter().map(|local| local.len).collect(),
            count: 0,
            constants,
        };
        for (place, local) in function.locals.iter().enumerate() {
            let qualifies = used[place] && !varies[place];
            this.first.push(qualifies.then_some(this.count));
            if qualifies {
                let elements = std::iter::repeat_n(local.ty, local.len as usize);
                this.types.extend(elements);
                this.count = this.types.len();
            }
        }
        this
    }

    /// The element that an access names: none if the variable stays, or the constant lies outside it.
    fn element(&self, local: Local, index: Value) -> Option<usize> {
        let first = self.first[local.0 as usize]?;
        let index = self.constants[index.0 as usize]?;
        let inside = index < u64::from(self.lengths[local.0 as usize]);
        inside.then(|| first + index as usize)
    }

    fn taken(&self, local: Local) -> bool {
        self.first[local.0 as usize].is_some()
    }
}

fn constants(function: &Function) -> Vec<Option<u64>> {
    let mut constants = vec![None; function.values.len()];
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        if let (Op::Const(bits), Some(result)) = (&inst.op, inst.result) {
            constants[result.0 as usize] = Some(*bits);
        }
    }
    constants
}

/// Per block, the elements that are read after its beginning before they are written.
fn live_at_entry(function: &Function, graph: &Graph, elements: &Elements) -> Vec<Vec<bool>> {
    let mut live = vec![vec![false; elements.count]; function.blocks.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for &block in graph.order.iter().rev() {
            let data = &function.blocks[block.index()];
            let mut now = vec![false; elements.count];
            for target in data.terminator.targets() {
                for (mine, theirs) in now.iter_mut().zip(&live[target.block.index()]) {
                    *mine |= theirs;
                }
            }
            for inst in data.insts.iter().rev() {
                match inst.op {
                    Op::LocalLoad(local, index) => {
                        if let Some(element) = elements.element(local, index) {
                            now[element] = true;
                        }
                    }
                    Op::LocalStore(local, index, _) => {
                        if let Some(element) = elements.element(local, index) {
                            now[element] = false;
                        }
                    }
                    _ => {}
                }
            }
            if live[block.index()] != now {
                live[block.index()] = now;
                changed = true;
            }
        }
    }
    live
}

/// Adds a parameter per live element to every block where paths meet or a loop ends; per block, the elements added.
fn add_parameters(
    function: &mut Function,
    graph: &Graph,
    elements: &Elements,
    live: &[Vec<bool>],
) -> Vec<Vec<usize>> {
    let mut border = vec![false; function.blocks.len()];
    for block in &graph.order {
        border[block.index()] |= graph.predecessors[block.index()].len() > 1;
        if let Some(loop_) = function.blocks[block.index()].loop_ {
            border[loop_.merge.index()] = true;
        }
    }
    let mut joins = vec![Vec::new(); function.blocks.len()];
    for block in &graph.order {
        if !border[block.index()] || block.index() == 0 {
            continue;
        }
        for (element, live) in live[block.index()].iter().enumerate() {
            if *live {
                let parameter = function.new_value(elements.types[element]);
                function.blocks[block.index()].parameters.push(parameter);
                joins[block.index()].push(element);
            }
        }
    }
    joins
}

struct Renamer<'a> {
    /// Values of the elements at the end of each block.
    at_end: Vec<Vec<Option<Value>>>,
    replacement: Vec<Option<Value>>,
    /// Stands for an element that was never written.
    undefined: Vec<Option<Value>>,
    graph: &'a Graph,
    elements: &'a Elements,
}

impl Renamer<'_> {
    fn block(&mut self, function: &mut Function, block: BlockId, joined: &[usize]) {
        let from = self.graph.dominator[block.index()];
        let mut values = match from {
            Some(from) => self.at_end[from.index()].clone(),
            None => vec![None; self.elements.count],
        };
        let data = &function.blocks[block.index()];
        let parameters = &data.parameters[data.parameters.len() - joined.len()..];
        for (element, parameter) in joined.iter().zip(parameters) {
            values[*element] = Some(*parameter);
        }
        let insts = std::mem::take(&mut function.blocks[block.index()].insts);
        let mut kept = Vec::with_capacity(insts.len());
        for inst in insts {
            match inst.op {
                Op::LocalStore(local, index, value) if self.elements.taken(local) => {
                    if let Some(element) = self.elements.element(local, index) {
                        values[element] = Some(value);
                    }
                }
                Op::LocalLoad(local, index) if self.elements.taken(local) => {
                    let element = self.elements.element(local, index);
                    let value = match element {
                        Some(element) => self.value(function, &values, element),
                        None => {
                            let ty = function.locals[local.0 as usize].ty;
                            let value = function.new_value(ty);
                            kept.push(Inst {
                                op: Op::Undef,
                                result: Some(value),
                                source: inst.source,
                            });
                            value
                        }
                    };
                    if let Some(result) = inst.result {
                        self.replacement[result.0 as usize] = Some(value);
                    }
                }
                _ => kept.push(inst),
            }
        }
        function.blocks[block.index()].insts = kept;
        self.at_end[block.index()] = values;
    }

    fn value(
        &mut self,
        function: &mut Function,
        values: &[Option<Value>],
        element: usize,
    ) -> Value {
        values[element].unwrap_or_else(|| {
            let ty = self.elements.types[element];
            *self.undefined[element].get_or_insert_with(|| function.new_value(ty))
        })
    }

    /// Gives the new parameters their arguments on every edge.
    fn arguments(&mut self, function: &mut Function, joins: &[Vec<usize>]) {
        for &block in &self.graph.order.clone() {
            let values = self.at_end[block.index()].clone();
            let targets = function.blocks[block.index()].terminator.targets();
            let targets: Vec<BlockId> = targets.iter().map(|target| target.block).collect();
            for (place, target) in targets.into_iter().enumerate() {
                let new: Vec<Value> = joins[target.index()]
                    .iter()
                    .map(|element| self.value(function, &values, *element))
                    .collect();
                let terminator: &mut Terminator = &mut function.blocks[block.index()].terminator;
                terminator.targets_mut()[place].arguments.extend(new);
            }
        }
    }
}

/// Replaces accesses with a varying index by choices among all elements, where there are few; true if there were any.
pub(super) fn expand(function: &mut Function) -> bool {
    let constants = constants(function);
    let varies = |index: &Value| constants.get(index.0 as usize).is_none_or(Option::is_none);
    let mut changed = false;
    for block in 0..function.blocks.len() {
        let insts = std::mem::take(&mut function.blocks[block].insts);
        let mut out = Vec::with_capacity(insts.len());
        for inst in insts {
            match inst.op {
                Op::LocalLoad(local, index) if varies(&index) && few(function, local) => {
                    choose(function, &mut out, local, index, inst.result, inst.source);
                    changed = true;
                }
                Op::LocalStore(local, index, value) if varies(&index) && few(function, local) => {
                    replace(function, &mut out, local, index, value, inst.source);
                    changed = true;
                }
                _ => out.push(inst),
            }
        }
        function.blocks[block].insts = out;
    }
    changed
}

/// Whether the elements may be chosen among: there are few, and a wave's matrices are not chosen lane by lane.
fn few(function: &Function, Local(local): Local) -> bool {
    let local = &function.locals[local as usize];
    local.len <= MOST_CHOICES && !matches!(local.ty, Type::Tile(..))
}

fn push(function: &mut Function, out: &mut Vec<Inst>, op: Op, ty: Type, source: u32) -> Value {
    let result = function.new_value(ty);
    out.push(Inst {
        op,
        result: Some(result),
        source,
    });
    result
}

/// A tree of choices by the index's bits, lowest first.
fn choose(
    function: &mut Function,
    out: &mut Vec<Inst>,
    local: Local,
    index: Value,
    result: Option<Value>,
    source: u32,
) {
    let variable = function.locals[local.0 as usize].clone();
    let mut level: Vec<Value> = (0..variable.len)
        .map(|k| {
            let place = push(function, out, Op::Const(k.into()), Type::I32, source);
            push(
                function,
                out,
                Op::LocalLoad(local, place),
                variable.ty,
                source,
            )
        })
        .collect();
    let zero = push(function, out, Op::Const(0), Type::I32, source);
    for bit in 0.. {
        if level.len() == 1 {
            break;
        }
        let mask = push(function, out, Op::Const(1 << bit), Type::I32, source);
        let and = Op::Binary(crate::ir::Binary::And, [index, mask]);
        let set = push(function, out, and, Type::I32, source);
        let set = push(
            function,
            out,
            Op::Compare(Pred::Ne, [set, zero]),
            Type::Bool,
            source,
        );
        level = level
            .chunks(2)
            .map(|pair| match *pair {
                [low, high] => push(
                    function,
                    out,
                    Op::Select([set, high, low]),
                    variable.ty,
                    source,
                ),
                _ => pair[0],
            })
            .collect();
    }
    if let Some(result) = result {
        let op = Op::Unary(crate::ir::Unary::Bitcast, level[0]);
        out.push(Inst {
            op,
            result: Some(result),
            source,
        });
    }
}

/// Every element becomes the new value or stays.
fn replace(
    function: &mut Function,
    out: &mut Vec<Inst>,
    local: Local,
    index: Value,
    value: Value,
    source: u32,
) {
    let variable = function.locals[local.0 as usize].clone();
    for k in 0..variable.len {
        let place = push(function, out, Op::Const(k.into()), Type::I32, source);
        let old = push(
            function,
            out,
            Op::LocalLoad(local, place),
            variable.ty,
            source,
        );
        let here = Op::Compare(Pred::Eq, [index, place]);
        let here = push(function, out, here, Type::Bool, source);
        let new = push(
            function,
            out,
            Op::Select([here, value, old]),
            variable.ty,
            source,
        );
        out.push(Inst {
            op: Op::LocalStore(local, place, new),
            result: None,
            source,
        });
    }
}
