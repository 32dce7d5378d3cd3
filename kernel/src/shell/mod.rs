//! The operator's console: an editor for one line, the table of commands, and a client of the API for the two commands
//! that run the model.

pub mod client;
pub mod command;
pub mod editor;
