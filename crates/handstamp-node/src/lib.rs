//! handstamp inside a Node.js process: what the JavaScript of the npm package calls. One class; payloads and data cross the
//! border as JSON text; times are milliseconds; what a caller decides on is an answer with a `status`, never an exception.

mod answers;
mod engine;
mod running;
mod settings;
mod upkeep;
