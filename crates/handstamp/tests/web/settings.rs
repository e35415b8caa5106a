//! Settings that fit together, and others.

use handstamp::web::AntiCsrfMode::{CustomHeader, SameSite as Lax};
use handstamp::web::{AntiCsrfMode, CookieNames, Former, SameSite, Settings, Transfer};

#[test]
fn what_does_not_fit_is_named() {
    let api = || Settings::builder("https://api.example.com");
    let former = |domain: &str| Former {
        names: CookieNames::Plain,
        domain: Some(domain.to_owned()),
    };
    for (builder, setting) in [
        (Settings::builder("api.example.com"), "api"),
        (Settings::builder("ftp://api.example.com"), "api"),
        (
            Settings::builder("https://me:canary@api.example.com"),
            "api",
        ),
        (api().website(""), "website"),
        (api().base_path("auth"), "base_path"),
        (api().base_path("/a b"), "base_path"),
        (api().base_path("/a//b"), "base_path"),
        (api().base_path("/a;Domain=x"), "base_path"),
        (api().cookie_domain("example.org"), "cookie_domain"),
        (api().cookie_domain("com"), "cookie_domain"),
        (api().cookie_domain("ple.com"), "cookie_domain"),
        (api().cookie_domain("www.api.example.com"), "cookie_domain"),
        (
            Settings::builder("https://10.0.0.1").cookie_domain("10.0.0.1"),
            "cookie_domain",
        ),
        (
            Settings::builder("https://a.github.io").cookie_domain("github.io"),
            "cookie_domain",
        ),
        (
            api().former_cookies(former("example.org")),
            "former_cookies",
        ),
        (api().secure(false).same_site(SameSite::None), "secure"),
        (
            Settings::builder("http://api.example.com").website("https://example.org"),
            "secure",
        ),
        (
            api()
                .same_site(SameSite::None)
                .anti_csrf(AntiCsrfMode::SameSite),
            "anti_csrf",
        ),
        (api().expired_status(200), "expired_status"),
        (api().invalid_claim_status(401), "invalid_claim_status"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.setting(), setting, "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[test]
fn what_follows_from_the_addresses() {
    let mode = |api: &str, website: &str| {
        let built = Settings::builder(api).website(website).build().unwrap();
        built.anti_csrf()
    };
    assert_eq!(mode("https://api.example.com", "https://example.com"), Lax);
    assert_eq!(
        mode("https://api.example.co.uk", "https://www.example.co.uk"),
        Lax
    );
    assert_eq!(mode("http://localhost:3000", "http://localhost:8080"), Lax);
    assert_eq!(mode("https://10.0.0.1", "https://10.0.0.1:8443"), Lax);
    assert_eq!(mode("https://a.co.uk", "https://b.co.uk"), CustomHeader);
    assert_eq!(
        mode("https://a.github.io", "https://b.github.io"),
        CustomHeader
    );
    assert_eq!(
        mode("https://api.example.com", "http://example.com"),
        CustomHeader
    );
    let built = Settings::builder("https://x.example/")
        .base_path("/")
        .build()
        .unwrap();
    assert_eq!(built.refresh_path(), "/session/refresh");
    assert_eq!(built.sign_out_path(), "/signout");
    let app = Settings::builder("http://api.example.com")
        .website("https://example.org")
        .transfer(Transfer::Header);
    assert!(app.build().is_ok());
}
