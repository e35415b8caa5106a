//! The decision: what a presented refresh token means. Pure functions over a session's rotation record; no store, no clock,
//! no key. `tests/it/exploration.rs` walks through every interleaving of them.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::token::{Hash1, Hash2, Nonce};

/// Which refresh tokens of a session are alive. Each change counts [`Rotation::counter`] up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rotation {
    /// The token the client is known to hold.
    pub current: Current,
    /// The last token made from `current`; nobody has been seen to use it yet.
    pub child: Option<Child>,
    /// The token before `current`.
    pub previous: Option<Previous>,
    /// The guard of conditional writes: how often this record has changed.
    pub counter: u64,
}

/// See [`Rotation::current`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Current {
    /// What a store knows the token by.
    pub hash: Hash2,
    /// What it was made with. Not kept for a session's first token, which could be made from it without a parent; not known
    /// when the token was confirmed after a sibling of it had been made.
    pub nonce: Option<Nonce>,
}

/// See [`Rotation::child`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Child {
    /// What a store knows the token by.
    pub hash: Hash2,
    /// What it was made with.
    pub nonce: Nonce,
    /// When it was made, or given again by [`Decision::RenewChild`].
    pub given_at: UnixMillis,
}

/// See [`Rotation::previous`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Previous {
    /// What a store knows the token by.
    pub hash: Hash2,
    /// When another token became current in its place.
    pub superseded_at: UnixMillis,
}

/// A refresh token that passed its MAC, as the decision sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Presented {
    /// The token's own hash.
    pub hash: Hash1,
    /// What it was made with.
    pub nonce: Nonce,
    /// The hash of the token it was made from; none for a session's first.
    pub parent: Option<Hash1>,
}

/// How a session's refresh tokens follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// A new token counts once its holder is seen to use it (or the access token made with it). A lost response costs nothing.
    ConfirmOnUse,
    /// A new token counts at once; the old one is good for the grace window only.
    RotateAtOnce,
}

/// What to do about a presented refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Give the child of the presented token again; no write.
    RepeatChild {
        /// What the child was made with.
        nonce: Nonce,
        /// When it was made, or given again by [`Decision::RenewChild`].
        given_at: UnixMillis,
    },
    /// Give the child of the presented token again, and write down that it was given now. In the second half of the window:
    /// an answer that sets out near its end must not arrive beside one with a sibling.
    RenewChild {
        /// What the child was made with.
        nonce: Nonce,
    },
    /// Give the current token again; no write. It was made from `parent` with `nonce`.
    RepeatCurrent {
        /// What it was made with.
        nonce: Nonce,
        /// The hash of the token it was made from.
        parent: Hash1,
        /// When it became current.
        since: UnixMillis,
    },
    /// Make a child of the presented token, which is current: [`Rotation::with_child`].
    MakeChild,
    /// First confirm the presented token ([`Rotation::confirmed`]), then make a child of it, in one write.
    ConfirmAndMakeChild,
    /// Make a token, current at once: [`Rotation::replaced`].
    Replace,
    /// The presented token was superseded within the window, but its successor cannot be made again. Refuse; no report.
    Superseded,
    /// Somebody else has the session's tokens.
    Reuse(Reuse),
}

/// How a token that must not be used any more is related to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reuse {
    /// It is the previous token, and the window is over.
    Previous,
    /// It was made from the previous token, and another made from it has been confirmed.
    Sibling,
    /// It is further back.
    Stale,
}

/// Decides what the holder of `presented` gets. The session has been found to be alive at `now`.
///
/// `window` is the grace window, `refresh_token_rotation_grace_period`; zero gives no grace.
#[must_use]
pub fn decide(
    rotation: &Rotation,
    presented: &Presented,
    now: UnixMillis,
    window: Duration,
    policy: Policy,
) -> Decision {
    let hash = presented.hash.hash2();
    let parent = presented.parent.map(|parent| (parent, parent.hash2()));
    let is_current = hash == rotation.current.hash;
    let is_child = parent.is_some_and(|(_, parent)| parent == rotation.current.hash);

    match policy {
        Policy::ConfirmOnUse if is_current => {
            return match &rotation.child {
                Some(child) if now.since(child.given_at) < window / 2 => Decision::RepeatChild {
                    nonce: child.nonce,
                    given_at: child.given_at,
                },
                Some(child) if now.since(child.given_at) < window => {
                    Decision::RenewChild { nonce: child.nonce }
                }
                Some(_) | None => Decision::MakeChild,
            };
        }
        Policy::ConfirmOnUse if is_child => return Decision::ConfirmAndMakeChild,
        Policy::RotateAtOnce if is_current || is_child => return Decision::Replace,
        Policy::ConfirmOnUse | Policy::RotateAtOnce => {}
    }

    let Some(previous) = &rotation.previous else {
        return Decision::Reuse(Reuse::Stale);
    };
    let is_previous = hash == previous.hash;
    let sibling_of = parent
        .filter(|(_, parent)| *parent == previous.hash)
        .map(|(parent, _)| parent);
    // The hash of the token that `current` was made from, if the presented one leads there.
    let made_from = if is_previous {
        Some(presented.hash)
    } else {
        sibling_of
    };

    // Under the newer policy a sibling is never a repeat: its maker replaced at once.
    let gives_grace = is_previous || policy == Policy::ConfirmOnUse;
    if let Some(parent) = made_from
        && gives_grace
        && now.since(previous.superseded_at) < window
    {
        return match rotation.current.nonce {
            Some(nonce) => Decision::RepeatCurrent {
                nonce,
                parent,
                since: previous.superseded_at,
            },
            None => Decision::Superseded,
        };
    }
    Decision::Reuse(match (is_previous, sibling_of) {
        (true, _) => Reuse::Previous,
        (false, Some(_)) => Reuse::Sibling,
        (false, None) => Reuse::Stale,
    })
}

/// Whether the use of an access token confirms the refresh token it was made with: it does if that one was made from the
/// current token. In all other cases there is nothing to do.
#[must_use]
pub fn confirm(
    rotation: &Rotation,
    hash: Hash2,
    parent: Hash2,
    now: UnixMillis,
) -> Option<Rotation> {
    (parent == rotation.current.hash).then(|| {
        let nonce = rotation
            .child
            .as_ref()
            .filter(|child| child.hash == hash)
            .map(|child| child.nonce);
        rotation.clone().confirmed(Current { hash, nonce }, now)
    })
}

impl Rotation {
    /// The record of a new session.
    #[must_use]
    pub fn starting_with(first: Hash2) -> Self {
        Self {
            current: Current {
                hash: first,
                nonce: None,
            },
            child: None,
            previous: None,
            counter: 0,
        }
    }

    /// A child was made from the current token.
    #[must_use]
    pub fn with_child(self, child: Child) -> Self {
        Self {
            child: Some(child),
            ..self
        }
        .changed()
    }

    /// A token made from the current one turned out to be in use: it takes its place.
    #[must_use]
    pub fn confirmed(self, child: Current, now: UnixMillis) -> Self {
        let previous = Previous {
            hash: self.current.hash,
            superseded_at: now,
        };
        Self {
            current: child,
            child: None,
            previous: Some(previous),
            counter: self.counter,
        }
        .changed()
    }

    /// A token made from `presented` takes the current one's place at once.
    #[must_use]
    pub fn replaced(self, presented: Hash2, made: Current, now: UnixMillis) -> Self {
        let previous = Previous {
            hash: presented,
            superseded_at: now,
        };
        Self {
            current: made,
            child: None,
            previous: Some(previous),
            counter: self.counter,
        }
        .changed()
    }

    fn changed(self) -> Self {
        Self {
            counter: self.counter.saturating_add(1),
            ..self
        }
    }
}
