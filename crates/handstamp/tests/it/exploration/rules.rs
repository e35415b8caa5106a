//! The premises.

use handstamp::rotation::Policy;

/// What is assumed of clients and the network; all times in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    /// The grace window.
    pub(crate) window: u8,
    /// How long a request may be under way until the server decides; what takes longer never arrives.
    pub(crate) request_leg: u8,
    /// How long after the decision an answer may arrive; what takes longer is dropped by the client.
    pub(crate) answer_leg: u8,
    /// How long a client keeps a token before it asks for the next.
    pub(crate) rest: u8,
    /// If set: every holder of a token has its successor less than so long after anybody's request with it was decided.
    pub(crate) in_step: Option<u8>,
    /// How many clients with stores of their own.
    pub(crate) jars: u8,
    /// How many refreshes (requests and answers) may be under way.
    pub(crate) refreshes: usize,
    /// How many uses of access tokens may be under way.
    pub(crate) uses: usize,
    /// Whether clients send their refresh tokens when they like.
    pub(crate) asks: bool,
    /// Whether the store's guard works. The walk has to notice when it does not.
    pub(crate) guarded: bool,
    /// Whether sessions may be revoked.
    pub(crate) revocation: bool,
}

impl Rules {
    /// One cookie jar, whose client does all that the premise of the first policy allows.
    pub(crate) const ONE_JAR: Self = Self {
        policy: Policy::ConfirmOnUse,
        window: 4,
        request_leg: 1,
        answer_leg: 1,
        rest: 3,
        in_step: None,
        jars: 1,
        refreshes: 2,
        uses: 2,
        asks: true,
        guarded: true,
        revocation: false,
    };
}
