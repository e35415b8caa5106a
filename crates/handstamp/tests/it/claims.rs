//! Access tokens that are signed with the right key and say something that cannot be: what is malformed is refused, never taken
//! for absent.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handstamp::Config;
use handstamp::engine::TryRefresh;
use handstamp::jws::SigningKey;
use handstamp::token::Hash1;
use handstamp::token::access::Rejected;

use crate::support::{Client, START, World, try_refresh, valid};

const HEADER: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIxIn0=";

const NUMBERS: &[&str] = &[
    r#""1700003600000""#,
    "1700003600000.0",
    "1700003600000.5",
    "17000036e5",
    "1e30",
    "-1e30",
    "9223372036854775808",
    "99999999999999999999999999",
    "null",
    "[]",
    "[1700003600000]",
    "{}",
    "true",
];
const STRINGS: &[&str] = &["null", "1", "[]", r#"["x"]"#, "{}", "false", r#""\ud800""#];

/// A session's claims, member by member, and the means to sign others.
struct Forge {
    world: World,
    client: Client,
    key: SigningKey,
    members: Vec<(&'static str, String)>,
}

impl Forge {
    async fn new() -> Self {
        let world = World::new(Config::default());
        let client = world.create().await.asks(&world).await;
        let claims = world.read(&client.access).await;
        let text = |text: &str| format!("\"{text}\"");
        let members = vec![
            ("sessionHandle", text(&client.handle.to_string())),
            ("userId", text(claims.user_id.as_str())),
            (
                "refreshTokenHash1",
                text(&Hash1::of(&client.refresh).to_hex()),
            ),
            (
                "parentRefreshTokenHash1",
                text(&claims.parent_hash.unwrap().to_hex()),
            ),
            ("userData", "{}".to_owned()),
            ("antiCsrfToken", text(client.anti_csrf.as_ref().unwrap())),
            ("expiryTime", claims.expires_at.as_millis().to_string()),
            ("timeCreated", claims.created_at.as_millis().to_string()),
            ("isPaid", "false".to_owned()),
        ];
        let key = world.signing_key().await;
        Self {
            world,
            client,
            key,
            members,
        }
    }

    fn sign(&self, payload: &str) -> String {
        let input = format!("{HEADER}.{}", STANDARD.encode(payload));
        let signature = self.key.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", STANDARD.encode(signature))
    }

    /// The claims with `name` said as `value`; left out if there is none.
    fn with(&self, name: &str, value: Option<&str>) -> String {
        let members = self.members.iter().filter_map(|(member, own)| match value {
            Some(value) if *member == name => Some(format!("\"{member}\":{value}")),
            None if *member == name => None,
            _ => Some(format!("\"{member}\":{own}")),
        });
        self.sign(&format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
    }

    async fn refuses(&self, token: &str, what: &str) {
        let why = try_refresh(self.world.verify(token).await);
        assert_eq!(
            why,
            TryRefresh::Rejected(Rejected::Claims { lacks: None }),
            "{what}"
        );
    }
}

#[tokio::test]
async fn the_claims_as_they_are_pass() {
    let forge = Forge::new().await;
    let _ = valid(forge.world.verify(&forge.with("", None)).await);
    assert_eq!(forge.with("", None), forge.client.access);
}

#[tokio::test]
async fn a_claim_of_another_type_is_refused() {
    let forge = Forge::new().await;
    let row = forge.world.session(&forge.client.handle).await;
    for (name, values) in [
        ("expiryTime", NUMBERS),
        ("timeCreated", NUMBERS),
        ("sessionHandle", STRINGS),
        ("userId", STRINGS),
        ("refreshTokenHash1", STRINGS),
        ("userData", &["null", "1", "[]", "[{}]", r#""{}""#, "true"]),
        ("parentRefreshTokenHash1", &STRINGS[1..]),
        ("antiCsrfToken", &STRINGS[1..]),
        ("isPaid", &["null", "0", r#""false""#, "[]"]),
    ] {
        for value in values {
            forge
                .refuses(&forge.with(name, Some(value)), &format!("{name}: {value}"))
                .await;
        }
    }
    assert_eq!(forge.world.session(&forge.client.handle).await, row);
}

#[tokio::test]
async fn a_claim_of_another_form_is_refused() {
    let forge = Forge::new().await;
    let hash = Hash1::of("x").to_hex();
    let (short, long, upper) = (&hash[1..], format!("{hash}0"), hash.to_uppercase());
    let handle = forge.client.handle.to_string();
    let cases = [
        ("sessionHandle", vec!["", "x", "' OR 1=1 --"]),
        ("refreshTokenHash1", vec!["", "x", short, &long, &upper]),
        (
            "parentRefreshTokenHash1",
            vec!["", "x", short, &long, &upper],
        ),
        ("userId", vec![r"a\u0000b"]),
    ];
    for (name, values) in cases {
        for value in values {
            let value = format!("\"{value}\"");
            forge
                .refuses(&forge.with(name, Some(&value)), &format!("{name}: {value}"))
                .await;
        }
    }
    let upper = format!("\"{}\"", handle.to_uppercase());
    forge
        .refuses(
            &forge.with("sessionHandle", Some(&upper)),
            "a handle in capitals",
        )
        .await;
    let long = format!("\"{}\"", "u".repeat(129));
    forge
        .refuses(&forge.with("userId", Some(&long)), "a long user id")
        .await;
}

#[tokio::test]
async fn a_claim_said_twice_is_refused() {
    let forge = Forge::new().await;
    let all: Vec<_> = forge
        .members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let all = all.join(",");
    for (name, value) in &forge.members {
        for payload in [
            format!("{{{all},\"{name}\":{value}}}"),
            format!("{{\"{name}\":{value},{all}}}"),
            format!(
                "{{{all},\"\\u{:04x}{}\":{value}}}",
                u32::from(name.as_bytes()[0]),
                &name[1..]
            ),
        ] {
            forge.refuses(&forge.sign(&payload), name).await;
        }
    }
}

#[tokio::test]
async fn a_claim_left_out_is_refused() {
    let forge = Forge::new().await;
    for name in [
        "sessionHandle",
        "userId",
        "refreshTokenHash1",
        "userData",
        "expiryTime",
        "timeCreated",
    ] {
        forge.refuses(&forge.with(name, None), name).await;
    }
    // What may be absent.
    for name in ["parentRefreshTokenHash1", "antiCsrfToken", "isPaid"] {
        let _ = valid(forge.world.verify(&forge.with(name, None)).await);
    }
}

#[tokio::test]
async fn times_out_of_all_bounds_are_read_as_what_they_are() {
    let forge = Forge::new().await;
    for ended in ["0", "-0", "-1", "-9223372036854775808"] {
        let why = try_refresh(
            forge
                .world
                .verify(&forge.with("expiryTime", Some(ended)))
                .await,
        );
        // Minus zero is a number, and no integer.
        let refused = [
            TryRefresh::Expired,
            TryRefresh::Rejected(Rejected::Claims { lacks: None }),
        ];
        assert_eq!(why, refused[usize::from(ended == "-0")], "{ended}");
    }
    let now = START.as_millis();
    let at = |millis: i64| forge.with("expiryTime", Some(&millis.to_string()));
    let _ = valid(forge.world.verify(&at(now)).await);
    assert_eq!(
        try_refresh(forge.world.verify(&at(now - 1)).await),
        TryRefresh::Expired
    );
}

#[tokio::test]
async fn a_payload_that_is_no_plain_json_is_refused() {
    let forge = Forge::new().await;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for value in [
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00\ud800"}"#,
        r#"{"\ud800":1}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1,"b":1}}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"a":1e999}"#,
        r#"{"a":NaN}"#,
        r"{'a':1}",
        r#"{"a":01}"#,
        "{\"a\":\"\n\"}",
        "{",
        &deep,
    ] {
        forge
            .refuses(
                &forge.with("userData", Some(value)),
                value.get(..20).unwrap_or(value),
            )
            .await;
    }
    for text in ["", "{}", "null", "[]", "1", "\"\"", "{}{}", "\u{feff}{}"] {
        forge.refuses(&forge.sign(text), text).await;
    }
    let good = forge.with("", None);
    let good = STANDARD.decode(good.split('.').nth(1).unwrap()).unwrap();
    let good = String::from_utf8(good).unwrap();
    forge
        .refuses(&forge.sign(&format!("{good}x")), "something behind it")
        .await;
    forge
        .refuses(&forge.sign(&format!("[{good}]")), "in an array")
        .await;
}

#[tokio::test]
async fn a_payload_that_is_no_text_is_refused() {
    let forge = Forge::new().await;
    let good = forge.with("", None);
    let mut bytes = STANDARD.decode(good.split('.').nth(1).unwrap()).unwrap();
    let place = bytes.windows(6).position(|at| at == b"user-1").unwrap();
    bytes[place] = 0xff;
    let input = format!("{HEADER}.{}", STANDARD.encode(bytes));
    let signature = STANDARD.encode(forge.key.sign(input.as_bytes()).unwrap());
    forge
        .refuses(&format!("{input}.{signature}"), "not UTF-8")
        .await;
}
