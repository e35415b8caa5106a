//! What cookies look like.
