//! From early exits to plain nesting, on the tree of statements.
//!
//! `break` out of a `switch`, and `return` from a function that is inlined, leave a *scope* that is no loop; our form has
//! no such exits. They become "nothing more happens": what follows moves into the branch that did not leave, or, where a
//! branch may or may not have left, is guarded by a flag of the scope. Inside a loop they set the flag and break the
//! loop; after it the flag is asked.
//!
//! Nothing is duplicated. A value that SPIR-V defines in a statement list is used in that list only (WGSL's scopes see to
//! it), so moving the rest of a list into a branch keeps definitions above their uses.

use std::collections::{BTreeSet, VecDeque};

use super::tree::{Condition, FUNCTION, Node, Scope};

/// Makes all exits from scopes structural. `inlined`: a `return` is such an exit too.
pub(super) fn structure(mut nodes: Vec<Node<'_>>, inlined: bool) -> Vec<Node<'_>> {
    if !inlined {
        drop_last_returns(&mut nodes);
    }
    Structure { inlined }.list(nodes.into(), false)
}

/// Drops `return` where the kernel ends anyway: naga writes one at the end of each branch.
fn drop_last_returns(nodes: &mut Vec<Node<'_>>) {
    // What stands where two branches meet that both return is dead, and so are returns before it.
    while matches!(nodes.last(), Some(Node::Return(None) | Node::Unreachable)) {
        nodes.pop();
    }
    match nodes.last_mut() {
        Some(Node::If {
            then, otherwise, ..
        }) => {
            drop_last_returns(then);
            drop_last_returns(otherwise);
        }
        Some(Node::Switch { cases, default, .. }) => {
            cases
                .iter_mut()
                .for_each(|(_, nodes)| drop_last_returns(nodes));
            drop_last_returns(default);
        }
        _ => {}
    }
}

/// What may happen in a list.
#[derive(Default)]
struct Flow {
    /// Scopes that may be left.
    leaves: Vec<Scope>,
    /// Control may come to the end of the list without leaving anything.
    falls: bool,
}

struct Structure {
    inlined: bool,
}

type Rest<'a> = VecDeque<Node<'a>>;

impl Structure {
    /// What may happen in a list that is not yet rewritten.
    fn flow(&self, nodes: &[Node<'_>]) -> Flow {
        let mut leaves = Vec::new();
        for node in nodes {
            let falls = match node {
                Node::Return(_) if self.inlined => {
                    leaves.push(FUNCTION);
                    false
                }
                Node::Leave(scope) => {
                    leaves.push(*scope);
                    false
                }
                Node::Return(_) | Node::Break | Node::Continue | Node::Unreachable => false,
                Node::If {
                    then, otherwise, ..
                } => {
                    let (a, b) = (self.flow(then), self.flow(otherwise));
                    leaves.extend(a.leaves);
                    leaves.extend(b.leaves);
                    a.falls || b.falls
                }
                Node::Switch {
                    scope,
                    cases,
                    default,
                    ..
                } => {
                    let mut falls = false;
                    for part in cases.iter().map(|(_, nodes)| nodes).chain([default]) {
                        let flow = self.flow(part);
                        falls |= flow.falls || flow.leaves.contains(scope);
                        leaves.extend(flow.leaves.into_iter().filter(|s| s != scope));
                    }
                    falls
                }
                Node::Loop { body, .. } => {
                    leaves.extend(self.flow(body).leaves);
                    true
                }
                Node::Inst(_) | Node::SetLeft(_) => true,
            };
            if !falls {
                return Flow { leaves, falls };
            }
        }
        Flow {
            leaves,
            falls: true,
        }
    }

    /// Rewrites a list. `in_loop`: within the function there is a loop around it, so the function is left by a `break`.
    fn list<'a>(&self, mut rest: Rest<'a>, in_loop: bool) -> Vec<Node<'a>> {
        // Leaving the function out of a loop is a `break`, which needs no help.
        let by_guard = |scope: &Scope| !(*scope == FUNCTION && in_loop);
        let mut out = Vec::new();
        while let Some(node) = rest.pop_front() {
            match node {
                Node::Inst(_) | Node::SetLeft(_) => out.push(node),
                Node::Return(value) if self.inlined => {
                    out.push(Node::Return(value));
                    rest = [Node::Leave(FUNCTION)].into();
                }
                Node::Leave(scope) => {
                    out.push(Node::SetLeft(scope));
                    if !by_guard(&scope) {
                        out.push(Node::Break);
                    }
                    return out;
                }
                Node::Return(_) | Node::Break | Node::Continue | Node::Unreachable => {
                    out.push(node);
                    return out;
                }
                Node::If {
                    condition,
                    mut then,
                    mut otherwise,
                } => {
                    let (a, b) = (self.flow(&then), self.flow(&otherwise));
                    let mut left: Vec<Scope> = a
                        .leaves
                        .into_iter()
                        .chain(b.leaves)
                        .filter(by_guard)
                        .collect();
                    if !left.is_empty() && (!a.falls || !b.falls) {
                        let open = if a.falls { &mut then } else { &mut otherwise };
                        open.extend(rest.drain(..));
                        left.clear();
                    }
                    if !a.falls && !b.falls {
                        rest.clear();
                    }
                    let [then, otherwise] =
                        [then, otherwise].map(|nodes| self.list(nodes.into(), in_loop));
                    out.push(Node::If {
                        condition,
                        then,
                        otherwise,
                    });
                    if !left.is_empty() {
                        out.extend(self.guarded(left, rest, in_loop));
                        return out;
                    }
                }
                Node::Switch {
                    scope,
                    selector,
                    cases,
                    default,
                } => {
                    let parts = cases.iter().map(|(_, nodes)| nodes).chain([&default]);
                    let left = parts.flat_map(|nodes| self.flow(nodes).leaves);
                    let left: Vec<Scope> = left.filter(|s| *s != scope && by_guard(s)).collect();
                    let part = |nodes: Vec<Node<'a>>| self.list(nodes.into(), in_loop);
                    let cases = cases
                        .into_iter()
                        .map(|(literals, nodes)| (literals, part(nodes)))
                        .collect();
                    out.push(Node::Switch {
                        scope,
                        selector,
                        cases,
                        default: part(default),
                    });
                    if !left.is_empty() {
                        out.extend(self.guarded(left, rest, in_loop));
                        return out;
                    }
                }
                Node::Loop {
                    body,
                    continuing,
                    break_if,
                } => {
                    let leaves = self.flow(&body).leaves.contains(&FUNCTION);
                    out.push(Node::Loop {
                        body: self.list(body.into(), true),
                        continuing,
                        break_if,
                    });
                    if leaves {
                        let condition = Condition::Left(FUNCTION);
                        let then = vec![Node::Leave(FUNCTION)];
                        rest.push_front(Node::If {
                            condition,
                            then,
                            otherwise: Vec::new(),
                        });
                    }
                }
            }
        }
        out
    }

    /// The rest of a list, run only if none of the scopes `left` was left.
    fn guarded<'a>(&self, mut left: Vec<Scope>, rest: Rest<'a>, in_loop: bool) -> Vec<Node<'a>> {
        let mut nodes = self.list(rest, in_loop);
        left.sort_unstable();
        left.dedup();
        for scope in left
            .into_iter()
            .filter(|_| !nodes.is_empty())
            .collect::<Vec<_>>()
        {
            let condition = Condition::Left(scope);
            nodes = vec![Node::If {
                condition,
                then: Vec::new(),
                otherwise: nodes,
            }];
        }
        nodes
    }
}

/// The scopes that branches ask whether they were left.
pub(super) fn asked_scopes(nodes: &[Node<'_>]) -> BTreeSet<Scope> {
    let mut scopes = BTreeSet::new();
    for node in nodes {
        match node {
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                if let Condition::Left(scope) = condition {
                    scopes.insert(*scope);
                }
                scopes.extend(asked_scopes(then));
                scopes.extend(asked_scopes(otherwise));
            }
            Node::Loop {
                body, continuing, ..
            } => {
                scopes.extend(asked_scopes(body));
                scopes.extend(asked_scopes(continuing));
            }
            Node::Switch { cases, default, .. } => {
                cases
                    .iter()
                    .for_each(|(_, nodes)| scopes.extend(asked_scopes(nodes)));
                scopes.extend(asked_scopes(default));
            }
            _ => {}
        }
    }
    scopes
}

/// How many `return` statements there are.
pub(super) fn returns(nodes: &[Node<'_>]) -> usize {
    let count = |node: &Node<'_>| match node {
        Node::Return(_) => 1,
        Node::If {
            then, otherwise, ..
        } => returns(then) + returns(otherwise),
        Node::Loop {
            body, continuing, ..
        } => returns(body) + returns(continuing),
        Node::Switch { cases, default, .. } => {
            cases.iter().map(|(_, nodes)| returns(nodes)).sum::<usize>() + returns(default)
        }
        _ => 0,
    };
    nodes.iter().map(count).sum()
}
