//! Apps and tenants: each sees its own.

use handstamp::storage::sqlite::SqliteStorage;

use super::*;

async fn with_two_tenants() -> Server {
    let server = Server::with(&[("enable_anti_csrf", "false")]).await;
    let made = json!({"status": "OK", "createdNew": true});
    let app = json!({"appId": "shop", "coreConfig": {"access_token_validity": 60, "x": "kept"}});
    let ask = "PUT /recipe/multitenancy/app/v2";
    assert_eq!(server.ask(ask, "5.4", &app).await.json(), made);
    assert_eq!(
        server.ask(ask, "5.4", &app).await.json()["createdNew"],
        false
    );
    for path in ["", "/appid-shop"] {
        let ask = format!("PUT {path}/recipe/multitenancy/tenant/v2");
        let tenant = json!({"tenantId": "t1"});
        assert_eq!(
            server.ask(&ask, "5.4", &tenant).await.json(),
            made,
            "{path}"
        );
    }
    server
}

#[tokio::test]
async fn apps_and_tenants_do_not_see_each_other() {
    let server = with_two_tenants().await;
    let places = [
        "",
        "/public",
        "/t1",
        "/appid-shop",
        "/appid-shop/t1",
        "/APPID-Shop/T1",
    ];
    for place in places {
        let made = server
            .ask(
                &format!("POST {place}/recipe/session"),
                "5.4",
                &creation("u"),
            )
            .await
            .json();
        let session = &made["session"];
        let is_t1 = place.to_lowercase().ends_with("/t1");
        assert_eq!(
            session["tenantId"],
            if is_t1 { "t1" } else { "public" },
            "{place}"
        );
        let handle = session["handle"].as_str().unwrap();
        assert_eq!(handle.ends_with("_t1"), is_t1);
        let token = &made["accessToken"];
        let lives = token["expiry"].as_i64().unwrap() - token["createdTime"].as_i64().unwrap();
        let own = if place.to_lowercase().starts_with("/appid-") {
            "/appid-shop"
        } else {
            ""
        };
        assert_eq!(
            lives,
            if own.is_empty() { 3_600_000 } else { 60_000 },
            "{place}"
        );

        let other = if own.is_empty() { "/appid-shop" } else { "" };
        for (app, status) in [(own, "OK"), (other, "UNAUTHORISED")] {
            let ask = format!("GET {app}/recipe/session?sessionHandle={handle}");
            let seen = server.ask(&ask, "5.4", &json!({})).await.json();
            assert_eq!(seen["status"], status, "{place} from {app}");
            let ask = format!("POST {app}/recipe/session/refresh");
            let body = refreshing(&made["refreshToken"]["token"]);
            let renewed = server.ask(&ask, "5.4", &body).await.json();
            assert_eq!(renewed["status"], status, "{place} from {app}");
            let ask = format!("POST {app}/recipe/session/regenerate");
            let body = json!({"accessToken": made["accessToken"]["token"]});
            let again = server.ask(&ask, "5.4", &body).await.json();
            assert_eq!(again["status"], status, "{place} from {app}");
        }
        let ask = format!("POST {other}/recipe/session/verify");
        let seen = server
            .ask(&ask, "5.4", &verifying(&token["token"]))
            .await
            .json();
        assert_eq!(seen["status"], "TRY_REFRESH_TOKEN", "{place} from {other}");
    }
    let count = async |path: &str| {
        let found = server
            .ask(&format!("GET {path}"), "5.4", &json!({}))
            .await
            .json();
        found["sessionHandles"].as_array().unwrap().len()
    };
    assert_eq!(count("/recipe/session/user?userId=u").await, 3);
    let here = "recipe/session/user?userId=u&fetchAcrossAllTenants=false";
    assert_eq!(count(&format!("/{here}")).await, 2);
    assert_eq!(count(&format!("/t1/{here}")).await, 1);
    assert_eq!(count("/appid-shop/recipe/session/user?userId=u").await, 3);
    let ask = json!({"userId": "u", "revokeAcrossAllTenants": false});
    let gone = server
        .ask("POST /t1/recipe/session/remove", "5.4", &ask)
        .await
        .json();
    assert_eq!(gone["sessionHandlesRevoked"].as_array().unwrap().len(), 1);
    assert_eq!(count("/recipe/session/user?userId=u").await, 2);
    assert_eq!(count("/appid-shop/recipe/session/user?userId=u").await, 3);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let server = with_two_tenants().await;
    let text = |app, tenant| {
        format!(
            "AppId or tenantId not found => Tenant with the following connectionURIDomain, appId and tenantId combination not found: (, {app}, {tenant})"
        )
    };
    for (place, app, tenant) in [
        ("/nobody", "public", "nobody"),
        ("/appid-no", "no", "public"),
        ("/appid-shop/t2", "shop", "t2"),
    ] {
        let ask = format!("POST {place}/recipe/session");
        server
            .ask(&ask, "5.4", &creation("u"))
            .await
            .is(400, &text(app, tenant));
    }
    server
        .ask("POST /t1/recipe/session", "2.21", &creation("u"))
        .await
        .is(404, "Not found");
    // That there are no tenants so early is found before whether there is that version.
    for (version, status) in [("2.99", 404), ("0.9", 404), ("3.9", 400)] {
        let body = json!({});
        let answer = server.ask("POST /t1/recipe/session", version, &body);
        assert_eq!(answer.await.status, status, "{version}");
    }
    let app = server
        .ask("POST /appid-shop/recipe/session", "2.21", &creation("u"))
        .await;
    assert_eq!(app.status, 200);
    let only = "Only public tenantId can call this app specific API";
    for ask in [
        "GET /t1/hello",
        "GET /t1/apiversion",
        "GET /t1/.well-known/jwks.json",
    ] {
        let none = server.ask(ask, "2.21", &json!({})).await;
        none.is(404, "Not found");
        let all = server.ask(ask, "4.0", &json!({})).await;
        assert_eq!(all.status, 200, "{ask}");
    }
    for ask in [
        "GET /t1/recipe/session/user?userId=u",
        "GET /t1/user/id?userId=u",
        "GET /t1/apiversion",
    ] {
        server.ask(ask, "5.0", &json!({})).await.is(403, only);
    }
    server
        .ask("POST /t1/recipe/session/verify", "5.6", &json!({}))
        .await
        .is(403, only);
    let verify = server
        .ask(
            "POST /t1/recipe/session/verify",
            "5.4",
            &verifying(&json!("x")),
        )
        .await;
    assert_eq!(verify.json()["status"], "TRY_REFRESH_TOKEN");
    let all = server
        .ask("GET /t1/recipe/session/user?userId=u", "4.0", &json!({}))
        .await;
    assert_eq!(all.status, 200);
}

#[tokio::test]
async fn apps_and_tenants_are_listed_changed_and_removed() {
    let server = with_two_tenants().await;
    let list = server
        .ask("GET /recipe/multitenancy/app/list/v2", "5.4", &json!({}))
        .await
        .json();
    let apps = list["apps"].as_array().unwrap();
    let ids: Vec<_> = apps
        .iter()
        .map(|app| app["appId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["public", "shop"]);
    let config = &apps[1]["tenants"][0]["coreConfig"];
    assert_eq!(config, &json!({"access_token_validity": 60, "x": "kept"}));

    let ask = "PUT /recipe/multitenancy/app/v2";
    let bad = json!({"appId": "shop", "coreConfig": {"access_token_validity": 0}});
    let answer = server.ask(ask, "5.4", &bad).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .text
            .contains("setting `access_token_validity` is \"0\""),
        "{}",
        answer.text
    );
    for id in ["", "a_b", "appid-x", "recipe/x"] {
        assert_eq!(
            server.ask(ask, "5.4", &json!({"appId": id})).await.status,
            400,
            "{id}"
        );
    }
    for id in ["session", "recipe", "jwt", "appid-x"] {
        let ask = "PUT /recipe/multitenancy/tenant";
        assert_eq!(
            server
                .ask(ask, "5.4", &json!({"tenantId": id}))
                .await
                .status,
            400,
            "{id}"
        );
    }
    server
        .ask(
            "PUT /appid-shop/recipe/multitenancy/app",
            "5.4",
            &json!({"appId": "y"}),
        )
        .await
        .is(403, "Only the public app can call this API");

    let (was, was_not) = (
        json!({"status": "OK", "didExist": true}),
        json!({"status": "OK", "didExist": false}),
    );
    let ask = "POST /appid-shop/recipe/multitenancy/tenant/remove";
    let tenant = json!({"tenantId": "t1"});
    assert_eq!(server.ask(ask, "5.4", &tenant).await.json(), was);
    assert_eq!(server.ask(ask, "5.4", &tenant).await.json(), was_not);
    let ask = "POST /recipe/multitenancy/app/remove";
    assert_eq!(
        server
            .ask(ask, "5.4", &json!({"appId": "shop"}))
            .await
            .json(),
        was
    );
    let gone = server
        .ask("POST /appid-shop/recipe/session", "5.4", &creation("u"))
        .await;
    assert_eq!(gone.status, 400);
    assert_eq!(
        server
            .ask(ask, "5.4", &json!({"appId": "public"}))
            .await
            .status,
        403
    );
    assert_eq!(
        server
            .ask("PUT /ee/license", "5.4", &json!({}))
            .await
            .json(),
        json!({"status": "OK"})
    );
}

#[tokio::test]
async fn one_wrong_value_does_not_take_the_others_away() {
    let server = with_two_tenants().await;
    let list = async || {
        let ask = "GET /recipe/multitenancy/app/list/v2";
        server.ask(ask, "5.4", &json!({})).await.json()
    };
    let before = list().await;
    let ask = "PUT /recipe/multitenancy/app/v2";
    for (name, value) in [
        ("coreConfig", json!(null)),
        ("coreConfig", json!("x")),
        ("coreConfig", json!([])),
        ("emailPasswordEnabled", json!("true")),
        ("thirdPartyEnabled", json!(1)),
        ("passwordlessEnabled", json!(null)),
    ] {
        let text = format!("Field name '{name}' is invalid in JSON input");
        let answer = server
            .ask(ask, "5.4", &json!({"appId": "shop", name: value}))
            .await;
        answer.is(400, &text);
    }
    assert_eq!(list().await, before);
    // One setting is changed beside the others; null takes it away.
    for (own, expected) in [
        (
            json!({"y": 1}),
            json!({"access_token_validity": 60, "x": "kept", "y": 1}),
        ),
        (
            json!({"x": null, "access_token_validity": 61}),
            json!({"access_token_validity": 61, "y": 1}),
        ),
    ] {
        let body = json!({"appId": "shop", "coreConfig": own});
        server.ask(ask, "5.4", &body).await.json();
        let config = &list().await["apps"][1]["tenants"][0]["coreConfig"];
        assert_eq!(config, &expected);
    }
}

#[tokio::test]
async fn tenants_are_shown_one_by_one_and_where_they_may_be() {
    let server = with_two_tenants().await;
    let ask = async |ask: &str, version: &str| server.ask(ask, version, &json!({})).await;
    let recipes = json!({
        "tenantId": "t1", "emailPassword": {"enabled": true}, "thirdParty": {"enabled": true, "providers": []},
        "passwordless": {"enabled": true}, "coreConfig": {}, "status": "OK",
    });
    let path = "/appid-shop/t1/recipe/multitenancy/tenant";
    for (version, path, keys_of) in [
        ("3.0", path.to_owned(), keys(&recipes)),
        (
            "5.0",
            format!("{path}/v2"),
            set(&[("tenantId thirdParty coreConfig status", true)]),
        ),
    ] {
        let shown = ask(&format!("GET {path}"), version).await.json();
        assert_eq!(shown["tenantId"], "t1");
        assert_eq!(keys(&shown), keys_of, "{version}");
    }
    for suffix in ["", "/v2"] {
        let path = format!("GET /appid-shop/recipe/multitenancy/tenant/list{suffix}");
        let list = ask(&path, "5.4").await.json();
        let ids: Vec<_> = list["tenants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tenant| &tenant["tenantId"])
            .collect();
        assert_eq!(ids, ["public", "t1"]);
    }
    for late in ["app/v2", "app/list/v2", "tenant/v2", "tenant/list/v2"] {
        let answer = ask(&format!("GET /recipe/multitenancy/{late}"), "4.0").await;
        answer.is(404, "Not found");
    }
    let only = "Only public tenantId can call this app specific API";
    for (what, body) in [
        ("PUT /t1/recipe/multitenancy/app", json!({"appId": "y"})),
        (
            "PUT /t1/recipe/multitenancy/tenant",
            json!({"tenantId": "y"}),
        ),
        (
            "POST /t1/recipe/multitenancy/tenant/remove",
            json!({"tenantId": "t1"}),
        ),
        (
            "POST /t1/recipe/multitenancy/app/remove",
            json!({"appId": "shop"}),
        ),
        ("GET /t1/recipe/multitenancy/tenant/list", json!({})),
        ("GET /t1/recipe/multitenancy/app/list", json!({})),
    ] {
        server.ask(what, "5.4", &body).await.is(403, only);
    }
    for (path, version) in [
        ("/appid-shop/none/recipe/multitenancy/tenant", "3.0"),
        ("/none/recipe/multitenancy/tenant/v2", "5.0"),
    ] {
        let shown = ask(&format!("GET {path}"), version).await.json();
        assert_eq!(shown, json!({"status": "TENANT_NOT_FOUND_ERROR"}));
    }
    let none = ask("GET /appid-none/recipe/multitenancy/tenant", "5.4").await;
    assert_eq!(none.status, 400);
    let public = json!({"tenantId": "public"});
    let answer = server
        .ask("POST /recipe/multitenancy/tenant/remove", "5.4", &public)
        .await;
    answer.is(403, "Cannot delete the public tenant");
    for place in ["/t1", "/appid-shop", "/appid-shop/t1"] {
        let answer = ask(&format!("GET {place}/config?pid=1"), "5.4").await;
        assert_eq!(answer.status, 403, "{place}");
    }
}

/// Servers on one store do not undo what others have acknowledged.
#[tokio::test]
async fn settings_that_two_servers_change_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteStorage::open(&folder.path().join("shared.db")).unwrap();
    let over = || Server::over(Parts::with_storage(open()), &[]);
    let servers = [over().await, over().await];
    let changes = (0..40).map(|number| {
        let server = &servers[number % 2];
        async move {
            let own = json!({format!("x{number}"): number});
            let body = json!({"appId": "shop", "coreConfig": own});
            let ask = "PUT /recipe/multitenancy/app/v2";
            server.ask(ask, "5.4", &body).await.json()["createdNew"] == true
        }
    });
    let made = futures_util::future::join_all(changes).await;
    assert_eq!(made.iter().filter(|is_new| **is_new).count(), 1);
    // A third one reads all of it from the file.
    let ask = "GET /appid-shop/recipe/multitenancy/tenant/v2";
    let shown = over().await.ask(ask, "5.4", &json!({})).await.json();
    assert_eq!(shown["coreConfig"].as_object().unwrap().len(), 40);
}

/// Nobody is to rely on what is kept and does nothing.
#[tokio::test]
async fn settings_that_would_do_nothing_are_refused() {
    let server = with_two_tenants().await;
    let put = async |ask: &str, body: Value| server.ask(ask, "5.4", &body).await;
    let (app, tenant) = (
        "PUT /recipe/multitenancy/app/v2",
        "PUT /appid-shop/recipe/multitenancy/tenant/v2",
    );
    for (name, value) in [
        ("api_keys", json!("0123456789-abcdefghij")),
        ("ip_allow_regex", json!("10\\..*")),
        ("supertokens_max_cdi_version", json!("3.0")),
        ("base_path", json!("/x")),
        ("port", json!(1)),
    ] {
        let text =
            format!("Invalid core config: setting `{name}` can be set for the whole server only");
        let own = json!({name: value});
        let body = json!({"appId": "shop", "coreConfig": own});
        put(app, body).await.is(400, &text);
        let body = json!({"tenantId": "t1", "coreConfig": own});
        put(tenant, body).await.is(400, &text);
    }
    // A tenant's are its app's.
    for (value, status) in [(60, 200), (61, 400)] {
        for name in ["access_token_validity", "refresh_token_validity"] {
            let same = name == "access_token_validity";
            let body = json!({"tenantId": "t1", "coreConfig": {name: value}});
            let answer = put(tenant, body).await;
            let expected = if same { status } else { 400 };
            assert_eq!(answer.status, expected, "{name} {value}: {}", answer.text);
        }
    }
    // What is of no concern here is kept, and what is null is not there.
    let body = json!({"tenantId": "t2", "coreConfig": {"totp_max_attempts": 5, "port": null}});
    put(tenant, body).await.json();
    let ask = "GET /appid-shop/t2/recipe/multitenancy/tenant/v2";
    let shown = server.ask(ask, "5.4", &json!({})).await.json();
    assert_eq!(shown["coreConfig"], json!({"totp_max_attempts": 5}));
}

/// What is asked by a session's handle or tokens is about its own tenant, whatever the path says.
#[tokio::test]
async fn the_tenant_of_a_session_is_its_own() {
    let server = with_two_tenants().await;
    let made = server
        .ask("POST /t1/recipe/session", "5.4", &creation("u"))
        .await
        .json();
    let handle = made["session"]["handle"].as_str().unwrap();
    for place in ["", "/public", "/t1"] {
        for what in ["session", "session/data", "jwt/data"] {
            let ask = format!("GET {place}/recipe/{what}?sessionHandle={handle}");
            assert_eq!(
                server.ask(&ask, "5.4", &json!({})).await.json()["status"],
                "OK",
                "{ask}"
            );
        }
        let access = &made["accessToken"]["token"];
        for (what, body) in [
            ("verify", verifying(access)),
            (
                "regenerate",
                json!({"accessToken": access, "userDataInJWT": {"role": "x"}}),
            ),
            ("refresh", refreshing(&made["refreshToken"]["token"])),
        ] {
            let ask = format!("POST {place}/recipe/session/{what}");
            let answer = server.ask(&ask, "5.4", &body).await.json();
            assert_eq!(answer["session"]["tenantId"], "t1", "{ask} {answer}");
        }
    }
    // It goes with its tenant, and does not come back with another of that name.
    for (ask, body) in [
        (
            "POST /recipe/multitenancy/tenant/remove",
            json!({"tenantId": "t1"}),
        ),
        ("PUT /recipe/multitenancy/tenant", json!({"tenantId": "t1"})),
    ] {
        server.ask(ask, "5.4", &body).await.json();
    }
    let ask = format!("GET /recipe/session?sessionHandle={handle}");
    assert_eq!(
        server.ask(&ask, "5.4", &json!({})).await.json()["status"],
        "UNAUTHORISED"
    );
}
