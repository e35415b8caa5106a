//! Who may ask.

use super::*;

const KEY: &str = "0123456789-abcdefghij";
const OTHER: &str = "another=key=of=twenty";

#[tokio::test]
async fn a_key_opens_what_is_not_open_anyway() {
    let server = Server::with(&[("api_keys", &format!("{KEY}, {OTHER}"))]).await;
    let path = "GET /recipe/session/user?userId=u";
    let get = async |ask: &str, headers: &[(&str, &str)]| server.send(ask, headers, None).await;
    for headers in [
        &[("api-key", KEY)],
        &[("api-key", OTHER)],
        &[("authorization", KEY)],
        &[("authorization", "BEARER another=key=of=twenty")],
    ] {
        assert_eq!(get(path, headers).await.status, 200, "{headers:?}");
    }
    for headers in [
        &[][..],
        &[("api-key", "")],
        &[("api-key", "0123456789-abcdefghi")],
        &[("api-key", "wrong"), ("authorization", KEY)],
        &[("cdi-version", "x")],
    ] {
        get(path, headers).await.is(401, "Invalid API key");
        get("GET /apiversion", headers)
            .await
            .is(401, "Invalid API key");
        get("GET /telemetry", headers)
            .await
            .is(401, "Invalid API key");
        get("POST /session", headers)
            .await
            .is(401, "Invalid API key");
        get("GET /unknown", headers).await.is(404, "Not found");
    }
    for open in ["/", "/hello", "/config?pid=1", "/.well-known/jwks.json"] {
        assert_eq!(get(&format!("GET {open}"), &[]).await.status, 200, "{open}");
    }
}

#[tokio::test]
async fn a_secret_is_one_more_key() {
    let secret = "not-of-the-letters:of:keys:but-of-40-and-more";
    let settings = [("api_keys", KEY), ("supertokens_saas_secret", secret)];
    let server = Server::with(&settings).await;
    for (key, status) in [(KEY, 200), (secret, 200), (&secret[1..], 401)] {
        for place in ["", "/appid-public", "/public"] {
            let ask = format!("GET {place}/telemetry");
            let answer = server.send(&ask, &[("api-key", key)], None).await;
            assert_eq!(answer.status, status, "{place}");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_not_known_was_not_allowed() {
    for rule in ["ip_allow_regex", "ip_deny_regex"] {
        let server = Server::with(&[(rule, "127\\.0\\.0\\.1")]).await;
        server
            .send("GET /hello", &[("x-forwarded-for", "127.0.0.1")], None)
            .await
            .is(403, "");
    }
}

#[tokio::test]
async fn all_paths_begin_with_the_base_path() {
    let server = Server::with(&[("base_path", "some/path/")]).await;
    server
        .send("GET /some/path/hello", &[], None)
        .await
        .is(200, "Hello");
    server
        .send("GET /hello", &[], None)
        .await
        .is(404, "Not found");
    let offered = server
        .send("GET /some/path/appid-public/apiversion", &[], None)
        .await;
    assert_eq!(offered.status, 200);
}
