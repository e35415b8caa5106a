//! All settings there are.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::SettingsError;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the configuration file.
    pub name: &'static str,
    /// Its older names there.
    pub(super) aliases: &'static [&'static str],
    /// Its environment variables where the name in upper case is not one, beside the one with `HANDSTAMP_` before it.
    pub(super) env: &'static [&'static str],
    /// What it is when nobody says anything; empty for "not set".
    pub(super) default: &'static str,
    /// What it does, with its unit.
    pub help: &'static str,
    pub(super) role: Role,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role {
    Used,
    /// Known from configuration files of the old core, and without a meaning here.
    Relic,
}

const fn used(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        aliases: &[],
        env: &[],
        default,
        help,
        role: Role::Used,
    }
}

const fn relic(name: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        aliases: &[],
        env: &[],
        default: "",
        help,
        role: Role::Relic,
    }
}

/// All settings, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        env: &["SUPERTOKENS_HOST"],
        ..used("host", "localhost", "the name or address to listen on")
    },
    Setting {
        env: &["SUPERTOKENS_PORT"],
        ..used("port", "3567", "the port to listen on; 0 takes a free one")
    },
    Setting {
        aliases: &["postgresql_connection_uri", "mysql_connection_uri"],
        ..used(
            "database",
            "sqlite:handstamp.db",
            "where sessions are kept: sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, mysql://USER:PASSWORD@HOST/DATABASE, or memory: to forget them with the process",
        )
    },
    used(
        "auto_migrate",
        "true",
        "whether the start brings an older schema in PostgreSQL or MySQL up to date; if not, `handstamp migrate` does",
    ),
    Setting {
        aliases: &[
            "postgresql_connection_pool_size",
            "mysql_connection_pool_size",
        ],
        ..used(
            "database_pool_size",
            "8",
            "connections to PostgreSQL or MySQL at the most; few are enough, because requests share statements",
        )
    },
    used(
        "database_pool_timeout",
        "5",
        "seconds that a request waits for a connection to PostgreSQL or MySQL, to one that comes back meanwhile, too",
    ),
    used(
        "database_statement_timeout",
        "10",
        "seconds after which PostgreSQL or MySQL gives up a statement; 0 leaves that to its own settings",
    ),
    used(
        "access_token_validity",
        "3600",
        "seconds that an access token is good for",
    ),
    used(
        "refresh_token_validity",
        "144000",
        "minutes that a session lives without being refreshed",
    ),
    used(
        "refresh_token_rotation_grace_period",
        "10",
        "seconds in which a repeated refresh gets the same answer; 0 to 300",
    ),
    used(
        "access_token_validity_jitter",
        "0",
        "share of an access token's validity that is cut by chance, at the most; 0 to 0.25",
    ),
    used(
        "recent_token_reuse_behaviour",
        "TOKEN_THEFT",
        "what the reuse of a recent refresh token is reported as (protocol 5.6): TOKEN_THEFT or UNAUTHORISED",
    ),
    used(
        "enable_anti_csrf",
        "true",
        "whether requests must bring an anti-CSRF token along (protocols up to 2.5; later requests say it themselves)",
    ),
    used(
        "access_token_blacklisting",
        "false",
        "whether verification asks the database if the session still exists (protocols up to 2.20; later requests say it)",
    ),
    used(
        "signing_algorithm",
        "RS256",
        "how access tokens that are JWTs are signed (protocol 2.21 and later): RS256, ES256 or EdDSA",
    ),
    used(
        "access_token_signing_key_dynamic",
        "true",
        "whether signing keys follow one another; if not, one signs for good (protocols up to 2.20; later requests say it)",
    ),
    Setting {
        aliases: &["access_token_dynamic_signing_key_update_interval"],
        ..used(
            "access_token_signing_key_update_interval",
            "168",
            "hours that a signing key signs",
        )
    },
    used(
        "api_keys",
        "",
        "keys, with commas between them, of which requests must bring one along; each 20 or more of A-Z, a-z, 0-9, = and -",
    ),
    used(
        "supertokens_saas_secret",
        "",
        "one more API key, of 40 or more characters, beside api_keys",
    ),
    used(
        "ip_allow_regex",
        "",
        "requests are answered only if they come from an address that matches as a whole",
    ),
    used(
        "ip_deny_regex",
        "",
        "requests are not answered if they come from an address that matches as a whole",
    ),
    used("base_path", "", "what all paths begin with"),
    used(
        "supertokens_min_cdi_version",
        "",
        "the oldest protocol version that is answered",
    ),
    used(
        "supertokens_max_cdi_version",
        "",
        "the newest protocol version that is answered",
    ),
    used(
        "cookie_domain",
        "",
        "the domain of the session cookies; clients of protocol 1.0 are told localhost when it is not set",
    ),
    used(
        "cookie_secure",
        "true",
        "whether the session cookies are for https only; browsers insist, as the SDK sets SameSite=None",
    ),
    used(
        "cookie_same_site",
        "",
        "what protocols up to 2.3 are told of cookies: none, lax or strict; unset, none up to 2.1 and lax since",
    ),
    used(
        "session_expired_status_code",
        "",
        "what protocols up to 2.3 are told to answer when a session is over, from 400 to 599; unset, 440 up to 2.1 and 401 since",
    ),
    used(
        "access_token_path",
        "/",
        "the path of the access token's cookie",
    ),
    used(
        "refresh_api_path",
        "/session/refresh",
        "the path of the refresh token's cookie: where the application refreshes",
    ),
    used(
        "access_token_cookie_limit",
        "4096",
        "bytes, name included, that an access token may take as a cookie",
    ),
    used(
        "session_data_limit",
        "1048576",
        "bytes of JSON that a session's data may have",
    ),
    used(
        "session_handle_order",
        "time",
        "how new session handles follow each other: time (UUID version 7), or random (4) for databases that shard by key range",
    ),
    used(
        "shutdown_timeout",
        "30",
        "seconds that requests in flight get to finish at a shutdown",
    ),
    used(
        "log_level",
        "INFO",
        "what is logged to standard error: DEBUG, INFO, WARN, ERROR or NONE",
    ),
    used("log_format", "text", "how it is logged: text or json"),
    relic(
        "core_config_version",
        "the version of the old core's configuration file",
    ),
    relic(
        "max_server_pool_size",
        "the number of the old core's threads",
    ),
    relic(
        "info_log_path",
        "a log file of the old core; handstamp logs to standard error",
    ),
    relic(
        "error_log_path",
        "a log file of the old core; handstamp logs to standard error",
    ),
    relic("disable_telemetry", "handstamp sends nothing to anybody"),
    relic(
        "supertokens_default_cdi_version",
        "superseded by supertokens_max_cdi_version",
    ),
    relic(
        "supertokens_saas_load_only_cud",
        "handstamp knows apps and tenants, and no connection URI domains",
    ),
    relic(
        "webserver_https_enabled",
        "handstamp speaks HTTP; TLS ends before it",
    ),
];

/// What an app can have of its own.
pub(super) const PER_APP: &[&str] = &[
    "access_token_validity",
    "access_token_validity_jitter",
    "refresh_token_validity",
    "refresh_token_rotation_grace_period",
    "recent_token_reuse_behaviour",
    "enable_anti_csrf",
    "access_token_blacklisting",
    "signing_algorithm",
    "access_token_signing_key_dynamic",
    "access_token_signing_key_update_interval",
];

/// What other recipes of the old core are set by, by the beginning of the names.
pub(super) const OTHER_RECIPES: &[&str] = &[
    "argon2_",
    "bcrypt_",
    "bulk_migration_",
    "email_verification_",
    "firebase_",
    "oauth_",
    "password_",
    "passwordless_",
    "totp_",
    "webauthn_",
];

/// Databases of the old core, by the beginning of their settings' names.
pub(super) const OTHER_DATABASES: &[&str] = &["mysql_", "postgresql_", "mongodb_"];

impl Setting {
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// The environment variable that speaks for this setting, and its value. The name in upper case, or that with `HANDSTAMP_`
    /// before it, which wins; an empty one says nothing.
    pub(super) fn in_env(
        &self,
        env: &BTreeMap<String, OsString>,
    ) -> Result<Option<(String, String)>, SettingsError> {
        let upper = self.name.to_uppercase();
        let mut names = vec![format!("HANDSTAMP_{upper}")];
        names.extend(self.env.iter().map(ToString::to_string));
        // `HOST` and `PORT` alone belong to everybody.
        if self.env.is_empty() {
            names.push(upper);
            names.extend(self.aliases.iter().map(|alias| alias.to_uppercase()));
        }
        for name in names {
            let Some(value) = env.get(&name).filter(|value| !value.is_empty()) else {
                continue;
            };
            let text = value
                .to_str()
                .ok_or_else(|| SettingsError::NotText { name: name.clone() })?
                .to_owned();
            // Kubernetes makes HANDSTAMP_PORT=tcp://.. of a service of our name.
            if !text.starts_with("tcp://") {
                return Ok(Some((name, text)));
            }
        }
        Ok(None)
    }
}
