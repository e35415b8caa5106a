//! What a batch asks for, as one JSON array: MySQL knows no arrays, and a statement whose text grew with the batch would have to be
//! prepared for each size. MySQL 8.0 and MariaDB 10.6 make a table of it.

use std::fmt::Display;

use sqlx::query;

use super::database::Bound;
use crate::id::{AppId, SessionHandle};
use crate::storage::StorageFault;
use crate::storage::coalesce::{Failed, Place};

/// A FROM clause: the table `asked`, whose rows name a session and have their number in the batch and these columns besides, and the
/// sessions `s` that it names. In this order, which the server is not left to choose: it knows nothing about the first.
macro_rules! asked {
    ($(, $column:literal)*) => {
        concat!(
            asked!(@table $(, $column)*),
            " STRAIGHT_JOIN handstamp_sessions AS s \
             ON s.app = asked.app AND s.tenant = asked.tenant AND s.handle = UNHEX(asked.handle)"
        )
    };
    (@table $(, $column:literal)*) => {
        concat!(
            "JSON_TABLE(?, '$[*]' COLUMNS (\
             number BIGINT PATH '$.number', \
             app VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.app', \
             tenant VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.tenant', \
             handle VARCHAR(32) CHARACTER SET utf8mb4 PATH '$.handle'",
            $(", ", $column,)*
            ")) AS asked"
        )
    };
}
pub(super) use asked;

/// The same for rows that are named by their key as it is kept, whatever that means.
macro_rules! asked_by_keys {
    () => {
        "JSON_TABLE(?, '$[*]' COLUMNS (\
         app VARCHAR(128) CHARACTER SET utf8mb4 PATH '$[0]', \
         tenant VARCHAR(128) CHARACTER SET utf8mb4 PATH '$[1]', \
         handle VARCHAR(32) CHARACTER SET utf8mb4 PATH '$[2]'\
         )) AS asked \
         STRAIGHT_JOIN handstamp_sessions AS s \
         ON s.app = UNHEX(asked.app) AND s.tenant = UNHEX(asked.tenant) AND s.handle = UNHEX(asked.handle)"
    };
}
pub(super) use asked_by_keys;

/// The array, as it grows.
pub(super) struct Asked(String);

impl Asked {
    /// A row for each of `batch`, with what `of` adds to it. An error if that is more than `most` bytes.
    pub(super) fn for_each<W>(
        batch: &[(Place, W)],
        most: usize,
        of: impl Fn(&mut Self, &W),
    ) -> Result<Self, Failed> {
        let all = (1..)
            .zip(batch)
            .map(|(number, (place, work))| (number, &place.app, &place.handle, work));
        Self::of_some(all, most, of)
    }

    /// The same for those of a batch that have these numbers.
    pub(super) fn of_some<'b, W: 'b>(
        rows: impl Iterator<Item = (i64, &'b AppId, &'b SessionHandle, &'b W)>,
        most: usize,
        of: impl Fn(&mut Self, &W),
    ) -> Result<Self, Failed> {
        let mut asked = Self("[".to_owned());
        for (number, app, handle, work) in rows {
            if asked.0.len() > 1 {
                asked.0.push(',');
            }
            asked.0.push_str("{\"number\":");
            asked.0.push_str(&number.to_string());
            // These two hold nothing that would have to be escaped.
            asked.member("app", format_args!("\"{app}\""));
            asked.member("tenant", format_args!("\"{}\"", handle.tenant()));
            asked.hex("handle", Some(handle.id().as_bytes()));
            of(&mut asked, work);
            asked.0.push('}');
        }
        asked.0.push(']');
        if asked.0.len() > most {
            return Err(Failed {
                fault: StorageFault::Other,
                outcome_unknown: false,
                detail: "too much for the server's max_allowed_packet".into(),
                may_be_one_row: true,
            });
        }
        Ok(asked)
    }

    /// A row for each of these keys.
    pub(super) fn by_keys(keys: &[[&[u8]; 3]]) -> Self {
        let hex = |key: &[&[u8]; 3]| key.map(const_hex::encode);
        let keys: Vec<_> = keys.iter().map(hex).collect();
        Self(serde_json::json!(keys).to_string())
    }

    pub(super) fn number(&mut self, name: &str, number: impl Into<Option<i64>>) {
        // What is missing is NULL.
        if let Some(number) = number.into() {
            self.member(name, number);
        }
    }

    pub(super) fn hex(&mut self, name: &str, bytes: Option<&[u8]>) {
        if let Some(bytes) = bytes {
            self.member(name, format_args!("\"{}\"", const_hex::encode(bytes)));
        }
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.member(name, serde_json::Value::from(text));
    }

    fn member(&mut self, name: &str, value: impl Display) {
        for piece in [",\"", name, "\":", &value.to_string()] {
            self.0.push_str(piece);
        }
    }

    /// A statement over [`asked!`].
    pub(super) fn bind(&self, sql: &'static str) -> Bound<'_> {
        query(sql).bind(self.0.as_str())
    }
}
