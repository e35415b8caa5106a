//! Randomness, as a part that is handed in.

use std::fmt;

/// The source of randomness gave none.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no randomness to be had: {0}")]
pub struct EntropyError(String);

impl EntropyError {
    /// The failure that `reason` describes.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// Where the engine gets unpredictable bytes from. Tokens are only as secret as these are.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `bytes` with randomness fit for secrets.
    ///
    /// # Errors
    /// When the source has none; nothing may be made from what `bytes` holds then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system's generator, asked each time: there is no state in the process that a fork could duplicate.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the machine"
    )]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(EntropyError::new)
    }
}

/// Randomness that repeats: the same seed gives the same bytes.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub struct SeededEntropy(std::sync::Mutex<rand_chacha::ChaCha20Rng>);

#[cfg(feature = "testing")]
impl SeededEntropy {
    /// The stream of bytes that `seed` names.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        use rand_chacha::rand_core::SeedableRng;
        Self(rand_chacha::ChaCha20Rng::seed_from_u64(seed).into())
    }
}

#[cfg(feature = "testing")]
impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        use rand_chacha::rand_core::Rng;
        self.0.lock().map_err(EntropyError::new)?.fill_bytes(bytes);
        Ok(())
    }
}
