//! The operator's console: an editor for one line, and the commands.

pub mod editor;
