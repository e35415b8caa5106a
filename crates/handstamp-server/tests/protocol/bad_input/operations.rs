//! Every request that there is, by version: its fields, their types, and since when.

use super::*;

/// What a field has to be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Texts,
    Object,
    Boolean,
    Whole,
}

impl Kind {
    /// Values of all other types. An explicit null is one of them even where a field may be absent.
    pub(super) fn wrong(self) -> Vec<Value> {
        let all = [
            (json!(null), None),
            (json!("x"), Some(Self::Text)),
            (json!(true), Some(Self::Boolean)),
            (json!({}), Some(Self::Object)),
            (json!([]), Some(Self::Texts)),
            (json!(["x", 1]), None),
            (json!([null]), None),
            (json!(1.5), None),
            (json!(1e300), None),
            (json!(0), Some(Self::Whole)),
        ];
        let is_own = |kind: Option<Self>| {
            kind.is_some_and(|kind| std::mem::discriminant(&kind) == std::mem::discriminant(&self))
        };
        let others = all.into_iter().filter(|(_, kind)| !is_own(*kind));
        others.map(|(value, _)| value).collect()
    }
}

/// A request that is good, and the fields it is read by.
pub(super) struct Operation {
    pub(super) ask: String,
    pub(super) body: Value,
    pub(super) fields: Vec<Field>,
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) needed: bool,
}

/// `fields` are names with their kinds, from which versions on, and whether they are needed then.
fn operation(
    version: Version,
    ask: &str,
    body: Value,
    fields: &[(&'static str, Kind, &str, bool)],
) -> Operation {
    let there = fields.iter().filter(|field| since(version, field.2));
    Operation {
        ask: ask.replacen(' ', &format!(" {}", base(version)), 1),
        body,
        fields: there
            .map(|(name, kind, _, needed)| Field {
                name,
                kind: *kind,
                needed: *needed,
            })
            .collect(),
    }
}

/// All requests with a body that there are in `version`, about the session that `made` created.
#[expect(clippy::too_many_lines, reason = "one table")]
pub(super) fn operations(version: Version, made: &Value) -> Vec<Operation> {
    use Kind::{Boolean, Object, Text, Texts, Whole};
    let handle = &made["session"]["handle"];
    let of = |ask, body, fields: &[_]| operation(version, ask, body, fields);
    let mut all = vec![
        of(
            "POST /session",
            creation("u"),
            &[
                ("userId", Text, "1.0", true),
                ("enableAntiCsrf", Boolean, "2.6", true),
                ("userDataInJWT", Object, "1.0", true),
                ("userDataInDatabase", Object, "1.0", true),
                ("useDynamicSigningKey", Boolean, "2.21", false),
                ("accessTokenValidity", Whole, "5.6", false),
            ],
        ),
        of(
            "POST /session/verify",
            verifying(&made["accessToken"]["token"]),
            &[
                ("accessToken", Text, "1.0", true),
                ("antiCsrfToken", Text, "1.0", false),
                ("doAntiCsrfCheck", Boolean, "1.0", true),
                ("enableAntiCsrf", Boolean, "2.6", true),
                ("checkDatabase", Boolean, "2.21", true),
            ],
        ),
        of(
            "POST /session/refresh",
            refreshing(&made["refreshToken"]["token"]),
            &[
                ("refreshToken", Text, "1.0", true),
                ("antiCsrfToken", Text, "2.3", false),
                ("enableAntiCsrf", Boolean, "2.6", true),
                (
                    "useDynamicSigningKey",
                    Boolean,
                    "3.0",
                    since(version, "5.0"),
                ),
                ("accessTokenValidity", Whole, "5.6", false),
            ],
        ),
        of(
            "PUT /session/data",
            json!({"sessionHandle": handle, "userDataInDatabase": {"n": 2}}),
            &[
                ("sessionHandle", Text, "1.0", true),
                ("userDataInDatabase", Object, "1.0", true),
            ],
        ),
    ];
    if !since(version, "2.0") {
        all.push(of(
            "DELETE /session",
            json!({"sessionHandle": handle}),
            &[
                ("userId", Text, "1.0", false),
                ("sessionHandle", Text, "1.0", false),
                ("sessionHandles", Texts, "1.0", false),
            ],
        ));
        return all;
    }
    all.push(of(
        "POST /session/remove",
        json!({"userId": "u"}),
        &[
            ("userId", Text, "2.0", false),
            ("sessionHandles", Texts, "2.0", false),
            ("revokeAcrossAllTenants", Boolean, "3.0", false),
            ("revokeSessionsForLinkedAccounts", Boolean, "4.0", false),
        ],
    ));
    all.push(of(
        "POST /session/regenerate",
        json!({"accessToken": made["accessToken"]["token"], "userDataInJWT": {"role": "y"}}),
        &[
            ("accessToken", Text, "2.0", true),
            ("userDataInJWT", Object, "2.0", false),
        ],
    ));
    all.push(of(
        "PUT /jwt/data",
        json!({"sessionHandle": handle, "userDataInJWT": {"role": "y"}}),
        &[
            ("sessionHandle", Text, "2.0", true),
            ("userDataInJWT", Object, "2.0", true),
        ],
    ));
    if since(version, "2.9") {
        all.push(of(
            "POST /jwt",
            json!({"algorithm": "RS256", "jwksDomain": "x", "payload": {}, "validity": 1}),
            &[
                ("algorithm", Text, "2.9", true),
                ("jwksDomain", Text, "2.9", true),
                ("payload", Object, "2.9", true),
                ("validity", Whole, "2.9", true),
                ("useStaticSigningKey", Boolean, "2.21", false),
            ],
        ));
    }
    for (ask, field, first) in [
        ("PUT /multitenancy/app", "appId", "3.0"),
        ("PUT /multitenancy/app/v2", "appId", "5.0"),
        ("POST /multitenancy/app/remove", "appId", "3.0"),
        ("PUT /multitenancy/tenant", "tenantId", "3.0"),
        ("PUT /multitenancy/tenant/v2", "tenantId", "5.0"),
        ("POST /multitenancy/tenant/remove", "tenantId", "3.0"),
    ] {
        if since(version, first) {
            let needed = [(field, Text, "3.0", true)];
            all.push(of(ask, json!({field: "t1"}), &needed));
        }
    }
    all
}

/// All questions that are all in their address, each with the parameter that it needs.
pub(super) fn questions(version: Version) -> Vec<(String, &'static str)> {
    let all = [
        ("/session/data", "sessionHandle", "1.0"),
        ("/session/user", "userId", "1.0"),
        ("/jwt/data", "sessionHandle", "2.0"),
        ("/session", "sessionHandle", "2.8"),
    ];
    let there = all.into_iter().filter(|(.., first)| since(version, first));
    let mut all: Vec<_> = there
        .map(|(path, name, _)| (format!("GET {}{path}", base(version)), name))
        .collect();
    if since(version, "4.0") {
        all.push(("GET /user/id".to_owned(), "userId"));
    }
    all
}
