//! Claims: values in the JWT payload that routes ask for, with the time they were fetched. Front ends and SuperTokens' SDKs keep them
//! in the same shape: `"st-role": {"v": ["admin"], "t": 1700000000000}`.

use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::UnixMillis;
use crate::id::Invalid;
use crate::json::JsonObject;

/// A value under a name in the JWT payload.
///
/// ```
/// use handstamp::web::Claim;
///
/// const ROLES: Claim<Vec<String>> = Claim::new("st-role");
/// const EMAIL_VERIFIED: Claim<bool> = Claim::new("st-ev");
/// ```
#[derive(Debug)]
pub struct Claim<T> {
    name: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Claim<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Claim<T> {}

/// How a claim stands in a payload.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    v: T,
    t: i64,
}

impl<T> Claim<T> {
    /// The claim of that name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            value: PhantomData,
        }
    }

    /// The claim's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<T: Serialize + DeserializeOwned> Claim<T> {
    /// The payload with the claim in it, as of `now`; the rest stays.
    ///
    /// # Errors
    /// When the value does not serialise.
    pub fn add(
        self,
        payload: &JsonObject,
        value: &T,
        now: UnixMillis,
    ) -> Result<JsonObject, Invalid> {
        let failed =
            |why: serde_json::Error| Invalid::new("claim", format!("must serialise: {why}"));
        let mut members: Map<String, Value> = payload.deserialize().map_err(failed)?;
        let kept = Kept {
            v: value,
            t: now.as_millis(),
        };
        let kept = serde_json::to_value(kept).map_err(failed)?;
        members.insert(self.name.to_owned(), kept);
        JsonObject::from_serialize(&members)
    }

    /// The claim's value and when it was fetched; `None` if the payload has it not, or in another shape.
    #[must_use]
    pub fn value(self, payload: &JsonObject) -> Option<(T, UnixMillis)> {
        let members: Map<String, Value> = payload.deserialize().ok()?;
        let kept = members.get(self.name)?;
        let Kept { v, t } = Kept::deserialize(kept).ok()?;
        Some((v, UnixMillis::new(t)))
    }

    /// Asks for that very value.
    #[must_use]
    pub fn is(self, value: T) -> impl Guard
    where
        T: PartialEq + Send + Sync + 'static,
    {
        Checked {
            claim: self,
            expected: "expectedValue",
            wanted: serde_json::to_value(&value).unwrap_or_default(),
            holds: move |found: &T| *found == value,
        }
    }

    /// Asks that the value was fetched no longer ago than that.
    #[must_use]
    pub fn fresher_than(self, age: Duration) -> impl Guard
    where
        T: 'static,
    {
        Fresh { claim: self, age }
    }
}

impl<T: Serialize + DeserializeOwned + PartialEq + Send + Sync + 'static> Claim<Vec<T>> {
    /// Asks that the value is among the claim's.
    #[must_use]
    pub fn includes(self, value: T) -> impl Guard {
        Checked {
            claim: self,
            expected: "expectedToInclude",
            wanted: serde_json::to_value(&value).unwrap_or_default(),
            holds: move |found: &Vec<T>| found.contains(&value),
        }
    }

    /// Asks that the value is not among the claim's.
    #[must_use]
    pub fn excludes(self, value: T) -> impl Guard {
        Checked {
            claim: self,
            expected: "expectedToNotInclude",
            wanted: serde_json::to_value(&value).unwrap_or_default(),
            holds: move |found: &Vec<T>| !found.contains(&value),
        }
    }
}

/// What a route asks of a session.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what a route asks of a session",
    label = "not a guard",
    note = "make one of a claim, such as `Claim::<Vec<String>>::new(\"st-role\").includes(\"admin\".to_owned())`, or implement `Guard`"
)]
pub trait Guard: Send + Sync {
    /// Looks at the payload.
    ///
    /// # Errors
    /// What is wrong with it, for the client to read.
    fn check(&self, payload: &JsonObject, now: UnixMillis) -> Result<(), InvalidClaim>;
}

/// What a session lacks, as front ends read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InvalidClaim {
    /// The claim's name.
    pub id: String,
    /// What was found, and what was expected.
    pub reason: Value,
}

struct Checked<T, F> {
    claim: Claim<T>,
    expected: &'static str,
    wanted: Value,
    holds: F,
}

impl<T, F> Guard for Checked<T, F>
where
    T: Serialize + DeserializeOwned,
    F: Fn(&T) -> bool + Send + Sync,
{
    fn check(&self, payload: &JsonObject, _: UnixMillis) -> Result<(), InvalidClaim> {
        let found = self.claim.value(payload);
        let message = match &found {
            Some((value, _)) if (self.holds)(value) => return Ok(()),
            Some(_) => "wrong value",
            None => "value does not exist",
        };
        let mut reason = Map::from_iter([
            ("message".to_owned(), Value::from(message)),
            (self.expected.to_owned(), self.wanted.clone()),
        ]);
        if let Some((value, _)) = found {
            let value = serde_json::to_value(value).unwrap_or_default();
            reason.insert("actualValue".to_owned(), value);
        }
        Err(InvalidClaim {
            id: self.claim.name.to_owned(),
            reason: Value::Object(reason),
        })
    }
}

struct Fresh<T> {
    claim: Claim<T>,
    age: Duration,
}

impl<T: Serialize + DeserializeOwned> Guard for Fresh<T> {
    fn check(&self, payload: &JsonObject, now: UnixMillis) -> Result<(), InvalidClaim> {
        let reason = match self.claim.value(payload) {
            Some((_, fetched_at)) if now.since(fetched_at) <= self.age => return Ok(()),
            Some((_, fetched_at)) => serde_json::json!({
                "message": "expired",
                "ageInSeconds": now.since(fetched_at).as_secs(),
                "maxAgeInSeconds": self.age.as_secs(),
            }),
            None => serde_json::json!({ "message": "value does not exist" }),
        };
        Err(InvalidClaim {
            id: self.claim.name.to_owned(),
            reason,
        })
    }
}
