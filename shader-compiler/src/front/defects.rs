//! Defects of naga 30.0.1 that would give wrong code or a panic: repaired where that is safe, refused otherwise.
//!
//! | What is written | What naga does | Here |
//! |---|---|---|
//! | `bitcast<vec2<f16>>(u32)` and the like | a bitcast to f32 of the source's width | refused |
//! | `coopStore(m, &buffer[i], stride)` with operands computed in place | evaluates them after the store, then panics | reordered |
//! | `f(&a[1])` for a `ptr<function>` parameter | panics in the writer | refused |
//! | hundreds of `else if`, or of operators, in a row | overflows the stack | refused |
//! | a function called `naga_...` | shares names with naga's own helpers | refused |

use naga::{Block, Expression, Function, Module, Statement, TypeInner};

/// A refusal: byte offset and message.
pub(super) type Refusal = (u32, String);

/// Words and single punctuation characters of `source`, without comments, with their offsets.
pub(super) fn tokens(source: &str) -> Vec<(usize, &str)> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
        if rest.starts_with(b"//") {
            at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        } else if rest.starts_with(b"/*") {
            at += block_comment(rest);
        } else if rest[0].is_ascii_whitespace() {
            at += 1;
        } else {
            let length = rest.iter().take_while(|b| word(b)).count().max(1);
            tokens.push((at, &source[at..at + length]));
            at += length;
        }
    }
    tokens
}

/// Length of the (nesting) comment that `bytes` begins with.
fn block_comment(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Finds what must be refused by the text alone, because naga's own form no longer shows it.
pub(super) fn in_source(source: &str) -> Option<Refusal> {
    let tokens = tokens(source);
    let mut half_vectors: Vec<&str> = vec!["vec2h", "vec3h", "vec4h"];
    for pair in tokens.windows(2) {
        if pair[0].1 == "fn" && pair[1].1.starts_with("naga_") {
            let message = format!(
                "the name `{}` is reserved: names may not start with `naga_`",
                pair[1].1
            );
            return Some((pair[1].0 as u32, message));
        }
    }
    if let Some((offset, links)) = long_chain(&tokens) {
        return Some((
            offset as u32,
            format!("a chain of more than {MAX_CHAIN} {links}"),
        ));
    }
    // An alias of an alias may stand before what it names, so look until nothing new is found.
    loop {
        let known = half_vectors.len();
        for (index, (_, word)) in tokens.iter().enumerate() {
            let Some((_, name)) = tokens.get(index + 1) else {
                break;
            };
            if *word == "alias" && !half_vectors.contains(name) {
                let named = tokens[index..]
                    .iter()
                    .map(|t| t.1)
                    .take_while(|t| *t != ";");
                if is_half_vector(named.skip(3), &half_vectors) {
                    half_vectors.push(name);
                }
            }
        }
        if half_vectors.len() == known {
            break;
        }
    }
    for (index, (offset, word)) in tokens.iter().enumerate() {
        let template = tokens[index..]
            .iter()
            .map(|t| t.1)
            .skip(1)
            .take_while(|t| *t != "(");
        if *word == "bitcast" && is_half_vector(template.skip(1), &half_vectors) {
            let message = "bitcast to a vector of f16 is compiled wrongly by naga 30: \
                           declare the buffer as vec2<f16> or vec4<f16>, or use vec2<f16>(unpack2x16float(x))";
            return Some((*offset as u32, message.into()));
        }
    }
    None
}

/// Links of a chain that naga walks recursively: `else if` after `else if`, operator after operator.
const MAX_CHAIN: usize = 400;

/// The place where a chain becomes too long, and of what it is.
fn long_chain(tokens: &[(usize, &str)]) -> Option<(usize, &'static str)> {
    // Links at each depth of brackets: `else if` and operators.
    let mut links = vec![(0, 0)];
    let mut before = "";
    for (offset, word) in tokens {
        match *word {
            "{" | "(" | "[" => links.push((0, 0)),
            "}" | ")" | "]" => {
                links.pop();
            }
            _ => {}
        }
        let (branches, operators) = links.last_mut()?;
        match *word {
            "if" if before == "else" => *branches += 1,
            "if" => *branches = 0,
            "," | ";" | "}" => *operators = 0,
            "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^" | "<" | ">" | "!" | "~" | "." | "[" => {
                *operators += 1
            }
            _ => {}
        }
        if *branches > MAX_CHAIN {
            return Some((*offset, "`else if`"));
        }
        if *operators > MAX_CHAIN {
            return Some((*offset, "operators"));
        }
        before = word;
    }
    None
}

fn is_half_vector<'a>(words: impl Iterator<Item = &'a str>, aliases: &[&str]) -> bool {
    let words: Vec<&str> = words.collect();
    let vector = |w: &str| matches!(w, "vec2" | "vec3" | "vec4");
    match words.as_slice() {
        [first, ..] if aliases.contains(first) => true,
        [first, rest @ ..] if vector(first) => rest.contains(&"f16"),
        _ => false,
    }
}

/// Puts the evaluation of a `coopStore`'s operands before the store: naga's parser leaves it right after.
pub(super) fn repair(module: &mut Module) {
    for (_, function) in module.functions.iter_mut() {
        reorder(&mut function.body);
    }
    for entry in &mut module.entry_points {
        reorder(&mut entry.function.body);
    }
}

fn reorder(block: &mut Block) {
    for index in 1..block.len() {
        let store = matches!(block[index - 1], Statement::CooperativeStore { .. });
        if store && matches!(block[index], Statement::Emit(_)) {
            block.swap(index - 1, index);
        }
    }
    for statement in block.iter_mut() {
        match statement {
            Statement::Block(inner) => reorder(inner),
            Statement::If { accept, reject, .. } => {
                reorder(accept);
                reorder(reject);
            }
            Statement::Switch { cases, .. } => {
                cases.iter_mut().for_each(|case| reorder(&mut case.body))
            }
            Statement::Loop {
                body, continuing, ..
            } => {
                reorder(body);
                reorder(continuing);
            }
            _ => {}
        }
    }
}

/// Finds what the validator lets pass and the writer cannot do.
pub(super) fn in_module(module: &Module, info: &naga::valid::ModuleInfo) -> Option<Refusal> {
    let offset = |span: naga::Span| span.to_range().map_or(0, |range| range.start as u32);
    for (index, entry) in module.entry_points.iter().enumerate() {
        if entry.stage != naga::ShaderStage::Compute {
            return Some((
                u32::MAX,
                format!("`{}` is not a compute entry point", entry.name),
            ));
        }
        if let Some(refusal) = in_block(
            &entry.function.body,
            &entry.function,
            info.get_entry_point(index),
            module,
        ) {
            return Some(refusal);
        }
    }
    for (handle, global) in module.global_variables.iter() {
        if !matches!(
            global.space,
            naga::AddressSpace::Storage { .. }
                | naga::AddressSpace::Uniform
                | naga::AddressSpace::WorkGroup
                | naga::AddressSpace::Private
                | naga::AddressSpace::Immediate
        ) {
            let name = global.name.as_deref().unwrap_or("?");
            let at = offset(module.global_variables.get_span(handle));
            return Some((
                at,
                format!("`{name}`: kernels have buffers, not textures or samplers"),
            ));
        }
    }
    module
        .functions
        .iter()
        .find_map(|(handle, function)| in_block(&function.body, function, &info[handle], module))
}

fn in_block(
    block: &Block,
    function: &Function,
    info: &naga::valid::FunctionInfo,
    module: &Module,
) -> Option<Refusal> {
    for (statement, span) in block.span_iter() {
        let inner = |b: &Block| in_block(b, function, info, module);
        let refusal = match statement {
            Statement::Call { arguments, .. } => arguments.iter().find_map(|&argument| {
                let pointer = matches!(
                    info[argument].ty.inner_with(&module.types),
                    TypeInner::Pointer { .. } | TypeInner::ValuePointer { .. }
                );
                let part = matches!(
                    function.expressions[argument],
                    Expression::Access { .. } | Expression::AccessIndex { .. }
                );
                (pointer && part).then(|| {
                    let at = span.to_range().map_or(0, |range| range.start as u32);
                    (
                        at,
                        "a pointer argument must be to a whole variable, not to a part of it"
                            .into(),
                    )
                })
            }),
            Statement::Block(b) => inner(b),
            Statement::If { accept, reject, .. } => inner(accept).or_else(|| inner(reject)),
            Statement::Switch { cases, .. } => cases.iter().find_map(|case| inner(&case.body)),
            Statement::Loop {
                body, continuing, ..
            } => inner(body).or_else(|| inner(continuing)),
            _ => None,
        };
        if refusal.is_some() {
            return refusal;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitcasts_to_half_vectors_are_found_through_aliases_and_comments() {
        let found = |source: &str| in_source(source).is_some();
        assert!(found("let a = bitcast<vec2<f16>>(x);"));
        assert!(found("let a = bitcast /* to */ < vec4 < f16 > >(x);"));
        assert!(found(
            "alias B = A; alias A = vec2h; let a = bitcast<B>(x);"
        ));
        assert!(!found(
            "let a = bitcast<vec2<u32>>(h); // bitcast<vec2<f16>>(x)"
        ));
        assert!(!found("let a = bitcast<f16>(x); alias V = vec2<f16>;"));
        assert!(!found("/* /* */ bitcast<vec2h>(x) */"));
        assert!(found("fn naga_mod() {}"));
    }
}
