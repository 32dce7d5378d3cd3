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
        let mut out = Vec::new();
        while let Some(node) = rest.pop_front() {
            let left = match node {
                Node::Inst(_) | Node::SetLeft(_) => {
                    out.push(node);
                    Vec::new()
                }
                Node::Return(value) if self.inlined => {
                    out.push(Node::Return(value));
                    rest = [Node::Leave(FUNCTION)].into();
                    Vec::new()
                }
                Node::Leave(scope) => {
                    out.push(Node::SetLeft(scope));
                    if !by_guard(scope, in_loop) {
                        out.push(Node::Break);
                    }
                    return out;
                }
                Node::Return(_) | Node::Break | Node::Continue | Node::Unreachable => {
                    out.push(node);
                    return out;
                }
                Node::If { .. } => self.branch(node, &mut rest, in_loop, &mut out),
                Node::Switch { .. } => self.switch(node, in_loop, &mut out),
                Node::Loop { .. } => {
                    self.repeat(node, &mut rest, &mut out);
                    Vec::new()
                }
            };
            if !left.is_empty() {
                out.extend(self.guarded(left, rest, in_loop));
                return out;
            }
        }
        out
    }

    /// Rewrites a branch. The scopes that it may or may not have left, so that a guard must ask; if one side does not go
    /// on, what follows moves into the other instead.
    fn branch<'a>(
        &self,
        node: Node<'a>,
        rest: &mut Rest<'a>,
        in_loop: bool,
        out: &mut Vec<Node<'a>>,
    ) -> Vec<Scope> {
        let Node::If {
            condition,
            mut then,
            mut otherwise,
        } = node
        else {
            return Vec::new();
        };
        let (a, b) = (self.flow(&then), self.flow(&otherwise));
        let leaves = a.leaves.into_iter().chain(b.leaves);
        let mut left: Vec<Scope> = leaves.filter(|scope| by_guard(*scope, in_loop)).collect();
        if !left.is_empty() && (!a.falls || !b.falls) {
            let open = if a.falls { &mut then } else { &mut otherwise };
            open.extend(rest.drain(..));
            left.clear();
        }
        if !a.falls && !b.falls {
            rest.clear();
        }
        let [then, otherwise] = [then, otherwise].map(|nodes| self.list(nodes.into(), in_loop));
        out.push(Node::If {
            condition,
            then,
            otherwise,
        });
        left
    }

    /// Rewrites a switch; the scopes around it that it may have left.
    fn switch<'a>(&self, node: Node<'a>, in_loop: bool, out: &mut Vec<Node<'a>>) -> Vec<Scope> {
        let Node::Switch {
            scope,
            selector,
            cases,
            default,
        } = node
        else {
            return Vec::new();
        };
        let parts = cases.iter().map(|(_, nodes)| nodes).chain([&default]);
        let left = parts.flat_map(|nodes| self.flow(nodes).leaves);
        let left = left.filter(|s| *s != scope && by_guard(*s, in_loop));
        let left = left.collect();
        let part = |nodes: Vec<Node<'a>>| self.list(nodes.into(), in_loop);
        let cases = cases.into_iter();
        let cases = cases.map(|(literals, nodes)| (literals, part(nodes)));
        out.push(Node::Switch {
            scope,
            selector,
            cases: cases.collect(),
            default: part(default),
        });
        left
    }

    /// Rewrites a loop; what follows it asks first whether the function was left in it.
    fn repeat<'a>(&self, node: Node<'a>, rest: &mut Rest<'a>, out: &mut Vec<Node<'a>>) {
        let Node::Loop {
            body,
            continuing,
            break_if,
        } = node
        else {
            return;
        };
        if self.flow(&body).leaves.contains(&FUNCTION) {
            rest.push_front(Node::If {
                condition: Condition::Left(FUNCTION),
                then: vec![Node::Leave(FUNCTION)],
                otherwise: Vec::new(),
            });
        }
        out.push(Node::Loop {
            body: self.list(body.into(), true),
            continuing,
            break_if,
        });
    }

    /// The rest of a list, run only if none of the scopes `left` was left.
    fn guarded<'a>(&self, mut left: Vec<Scope>, rest: Rest<'a>, in_loop: bool) -> Vec<Node<'a>> {
        let mut nodes = self.list(rest, in_loop);
        left.sort_unstable();
        left.dedup();
        if nodes.is_empty() {
            return nodes;
        }
        for scope in left {
            nodes = vec![Node::If {
                condition: Condition::Left(scope),
                then: Vec::new(),
                otherwise: nodes,
            }];
        }
        nodes
    }
}

/// Whether it takes a guard to leave the scope: leaving the function out of a loop is a `break`, which needs no help.
fn by_guard(scope: Scope, in_loop: bool) -> bool {
    !(scope == FUNCTION && in_loop)
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
