//! Leaving early: which masks lanes are taken out of, and where the program counter goes then.

use gfx1100_isa::Op as Isa;

use super::{EXEC, Exit, Flow, Label, Scope};
use crate::machine::Operand;

impl Flow<'_> {
    /// The masks out of which lanes are taken that leave, innermost first.
    pub(super) fn masks_of(&self, exit: Exit) -> Vec<Operand> {
        let mut masks = Vec::new();
        for scope in self.scopes.iter().rev() {
            match scope {
                Scope::If { saved, .. } => masks.extend(*saved),
                Scope::Loop {
                    live,
                    divergent_break,
                    ..
                } if exit == Exit::Break => {
                    // Lanes that leave together leave nobody for whom masks would be needed.
                    masks.extend(live.filter(|_| *divergent_break));
                    break;
                }
                Scope::Loop { .. } if exit == Exit::Continue => break,
                Scope::Loop { live, saved, .. } => {
                    masks.extend(*live);
                    masks.extend(*saved);
                }
            }
        }
        masks
    }

    /// Whether lanes leave the innermost loop separately.
    fn breaks_divergently(&self) -> bool {
        let mut scopes = self.scopes.iter().rev();
        let innermost = scopes.find_map(|scope| match scope {
            Scope::Loop {
                divergent_break, ..
            } => Some(*divergent_break),
            Scope::If { .. } => None,
        });
        innermost.unwrap_or(false)
    }

    /// Where lanes go that leave; those that return go nowhere.
    pub(super) fn landing(&self, exit: Exit) -> Option<Label> {
        self.scopes
            .iter()
            .rev()
            .find_map(|scope| match (scope, exit) {
                (Scope::Loop { exit, .. }, Exit::Break) => Some(*exit),
                (Scope::Loop { latch, .. }, Exit::Continue) => Some(*latch),
                _ => None,
            })
    }

    /// Where the program counter goes when no lane is on: to the next place where lanes may wait.
    pub(super) fn next_part(&self) -> Label {
        self.waiting(self.scopes.len())
    }

    pub(super) fn waiting(&self, scopes: usize) -> Label {
        for scope in self.scopes[..scopes].iter().rev() {
            match scope {
                Scope::If { next, .. } => return *next,
                Scope::Loop {
                    live: Some(_),
                    latch,
                    in_latch: false,
                    ..
                } => return *latch,
                Scope::Loop {
                    divergent_break: true,
                    exit,
                    ..
                } => return *exit,
                Scope::Loop { .. } => {}
            }
        }
        self.end
    }

    /// If all lanes that are on leave by nothing but a jump: where they go, and where the program counter goes.
    pub(super) fn plain_exit(&self, exit: Exit) -> Option<(Label, Label)> {
        if !self.masks_of(exit).is_empty() || matches!(self.scopes.last(), Some(Scope::If { .. })) {
            return None;
        }
        let landing = self.landing(exit)?;
        Some((landing, landing))
    }

    /// All lanes that are on leave.
    pub(super) fn leave(&mut self, exit: Exit) {
        for mask in self.masks_of(exit) {
            self.emit(Isa::S_AND_NOT1_B32, mask, &[mask, EXEC]);
        }
        let landing = self.landing(exit);
        if let Some(landing) = landing {
            self.go(landing);
        }
        let in_if = matches!(self.scopes.last(), Some(Scope::If { .. }));
        let others_live = matches!(self.scopes.last(), Some(Scope::Loop { live: Some(_), .. }));
        // All lanes of the loop: the program counter must go with them, as nobody comes to its latch any more.
        let together = exit == Exit::Break && !self.breaks_divergently();
        let to = match exit {
            Exit::Return => self.next_part(),
            Exit::Break if together => landing.unwrap_or(self.end),
            Exit::Break if in_if || others_live => self.next_part(),
            Exit::Continue if in_if => self.next_part(),
            Exit::Break | Exit::Continue => landing.unwrap_or(self.end),
        };
        if to == self.end {
            self.emit(Isa::S_ENDPGM, Operand::None, &[]);
        } else {
            self.jump(Isa::S_BRANCH, to);
        }
        self.open = false;
    }
}
