//! Errors, told with what lies behind them.

use std::error::Error;
use std::fmt;

/// Shows an error and its sources, each after a colon.
pub struct Chain<'e>(pub &'e dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        f.write_str(&told)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            // Some errors tell their source themselves.
            let text = source.to_string();
            if !told.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            told = text;
            next = source.source();
        }
        Ok(())
    }
}
