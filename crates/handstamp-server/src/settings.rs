//! The settings: what there is, where each value comes from, and what they add up to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

mod access;
mod database;
mod file;
mod parts;
mod table;
mod typed;

pub use access::Access;
pub use database::{DatabaseUrl, ServerUrl};
use table::{OTHER_DATABASES, OTHER_RECIPES, PER_APP, Role};
pub use table::{SETTINGS, Setting};
pub use typed::{Cookies, LogFormat, Pool, RecentReuse, ServerConfig};

/// Where a value comes from; later ones win.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag(&'static str),
    /// What was said of one app.
    App,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
            Self::App => f.write_str("coreConfig of the app"),
        }
    }
}

/// A setting's value as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub text: String,
    /// Who said so.
    pub origin: Origin,
}

/// A setting that stops the start.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {why}")]
    Unreadable {
        /// Which file.
        path: String,
        /// The reason.
        why: String,
    },
    /// There is no such setting.
    #[error("unknown setting `{name}` ({origin}); `handstamp config` lists the settings")]
    Unknown {
        /// The name that was found.
        name: String,
        /// Where.
        origin: Origin,
    },
    /// Settings of a database that is not served, and no other to take its place.
    #[error(
        "settings for a database that handstamp does not have, or that is not set like this: {names} ({origin}); remove them, or say by `database` where sessions are to be kept: {allowed}",
        allowed = database::ALLOWED
    )]
    OtherDatabase {
        /// The names that were found.
        names: String,
        /// Where.
        origin: Origin,
    },
    /// An environment variable that is not text.
    #[error("the environment variable {name} is not UTF-8 text")]
    NotText {
        /// Which one.
        name: String,
    },
    /// A value that the setting cannot have.
    #[error("setting `{name}` is {value:?} ({origin}), but must be {allowed}")]
    Invalid {
        /// The setting.
        name: &'static str,
        /// The value that was found.
        value: String,
        /// Where.
        origin: Origin,
        /// What it may be.
        allowed: String,
    },
}

/// All values, merged: flags over environment over file over defaults.
#[derive(Clone)]
pub struct Settings {
    found: BTreeMap<&'static str, Found>,
    /// A database server, named part by part.
    parts: BTreeMap<String, Found>,
    /// Settings of databases that have no meaning here, passed over.
    other_databases: Vec<String>,
    file: Option<PathBuf>,
}

impl Settings {
    /// Collects the values of `file`, of the environment and of `flags`.
    ///
    /// # Errors
    /// When the file cannot be read, or holds what is not a setting; when a setting's environment variable is not text.
    pub fn collect(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
        flags: impl IntoIterator<Item = (&'static str, Option<String>)>,
    ) -> Result<Self, SettingsError> {
        let mut settings = Self {
            found: BTreeMap::new(),
            parts: BTreeMap::new(),
            other_databases: Vec::new(),
            file: None,
        };
        for setting in SETTINGS
            .iter()
            .filter(|setting| !setting.default.is_empty())
        {
            settings.take(setting.name, setting.default.to_owned(), Origin::Default);
        }
        if let Some(path) = file {
            settings.take_file(path)?;
        }
        let env: BTreeMap<String, OsString> = env
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        for setting in SETTINGS {
            if let Some((name, text)) = setting.in_env(&env)? {
                settings.take(setting.name, text, Origin::Environment(name));
            }
        }
        settings.take_parts(&env)?;
        for (name, text) in flags {
            if let Some(text) = text {
                settings.take(name, text, Origin::Flag(name));
            }
        }
        settings.choose_database()?;
        Ok(settings)
    }

    fn take(&mut self, name: &'static str, text: String, origin: Origin) {
        self.found.insert(name, Found { text, origin });
    }

    fn take_file(&mut self, path: &Path) -> Result<(), SettingsError> {
        for (name, text) in file::read(path)? {
            let origin = Origin::File(path.to_owned());
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.is_named(&name)) {
                self.take(setting.name, text, origin);
            } else if parts::is_part(&name) {
                self.parts.insert(name, Found { text, origin });
            } else if begins_like_one_of(OTHER_DATABASES, &name) {
                self.other_databases.push(name);
            } else if !begins_like_one_of(OTHER_RECIPES, &name) {
                return Err(SettingsError::Unknown { name, origin });
            }
        }
        self.file = Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        Ok(())
    }

    /// Takes the parts of a database's address from the environment, by their names in upper case.
    fn take_parts(&mut self, env: &BTreeMap<String, OsString>) -> Result<(), SettingsError> {
        for (variable, value) in env.iter().filter(|(_, value)| !value.is_empty()) {
            let name = variable.to_lowercase();
            if variable.chars().any(char::is_lowercase) || !parts::is_part(&name) {
                continue;
            }
            let text = value.to_str().ok_or_else(|| SettingsError::NotText {
                name: variable.clone(),
            })?;
            let found = Found {
                text: text.to_owned(),
                origin: Origin::Environment(variable.clone()),
            };
            self.parts.insert(name, found);
        }
        Ok(())
    }

    /// Whoever has settings of another database expects their sessions to be kept there, unless they say otherwise.
    fn choose_database(&mut self) -> Result<(), SettingsError> {
        let chosen = self
            .found
            .get("database")
            .is_some_and(|found| found.origin != Origin::Default);
        if chosen {
            let passed_over = std::mem::take(&mut self.parts);
            self.other_databases.extend(passed_over.into_keys());
            return Ok(());
        }
        if let Some(address) = parts::address(&self.parts) {
            self.found.insert("database", address);
            return Ok(());
        }
        let mut names = self.other_databases.clone();
        names.extend(self.parts.keys().cloned());
        if names.is_empty() {
            return Ok(());
        }
        let origin = self.file.clone().map_or(Origin::Default, Origin::File);
        Err(SettingsError::OtherDatabase {
            names: names.join(", "),
            origin,
        })
    }

    /// Settings of databases that are not served, passed over because `database` says where sessions are kept.
    #[must_use]
    pub fn other_databases(&self) -> &[String] {
        &self.other_databases
    }

    /// Settings that were given and mean nothing here, for a word in the log.
    pub fn relics(&self) -> impl Iterator<Item = (&Setting, &Found)> {
        let relics = SETTINGS
            .iter()
            .filter(|setting| setting.role == Role::Relic);
        relics.filter_map(|setting| Some((setting, self.found.get(setting.name)?)))
    }

    /// The configuration file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl Settings {
    /// The same with what an app has of its own. Settings that an app cannot have, or that are unknown, are passed over.
    fn with(&self, own: &serde_json::Map<String, serde_json::Value>) -> Self {
        let mut settings = self.clone();
        for (name, value) in own {
            let known = SETTINGS.iter().find(|setting| setting.is_named(name));
            if let Some(setting) = known.filter(|setting| PER_APP.contains(&setting.name))
                && !value.is_null()
            {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), ToOwned::to_owned);
                let origin = Origin::App;
                settings.found.insert(setting.name, Found { text, origin });
            }
        }
        settings
    }
}

fn begins_like_one_of(prefixes: &[&str], name: &str) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// What a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The whole server.
    Server,
    /// An app, if it has one of its own.
    App,
    /// Nothing here.
    Nothing,
}

impl Scope {
    /// What the setting of that name is for.
    pub(crate) fn of(name: &str) -> Self {
        match SETTINGS.iter().find(|setting| setting.is_named(name)) {
            Some(setting) if PER_APP.contains(&setting.name) => Self::App,
            Some(setting) if setting.role == Role::Used => Self::Server,
            Some(_) | None => Self::Nothing,
        }
    }
}

impl fmt::Debug for Settings {
    /// Values can be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Shows each setting with its value and where that comes from, in the form of a configuration file.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for setting in SETTINGS.iter().filter(|setting| setting.role == Role::Used) {
            writeln!(f, "# {}", setting.help)?;
            match self.found.get(setting.name) {
                Some(found) => writeln!(
                    f,
                    "{}: {}  # {}",
                    setting.name,
                    shown(setting, &found.text),
                    found.origin
                )?,
                None => writeln!(f, "# {}: (not set)", setting.name)?,
            }
        }
        Ok(())
    }
}

/// The value as it may be shown in the form of a configuration file.
fn shown(setting: &Setting, text: &str) -> String {
    let masked = masked(setting.name, text);
    let is_plain = masked.parse::<f64>().is_ok() || masked.parse::<bool>().is_ok();
    if is_plain {
        masked
    } else {
        serde_json::to_string(&masked).unwrap_or_default()
    }
}

/// The value without what must not be shown: a database's address may carry a password, and API keys are ones.
fn masked(name: &str, text: &str) -> String {
    match name {
        "api_keys" | "supertokens_saas_secret" => "***".to_owned(),
        "database" => database::masked(text),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn collect(
        yaml: &str,
        env: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> Result<ServerConfig, SettingsError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(yaml.as_bytes()).unwrap();
        let env = env
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let flags = flags
            .iter()
            .map(|(name, value)| (*name, Some((*value).to_owned())));
        ServerConfig::try_from(&Settings::collect(Some(file.path()), env, flags)?)
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        assert_eq!(collect("", &[], &[]).unwrap().port, 3567);
        assert_eq!(collect("port: 1", &[], &[]).unwrap().port, 1);
        assert_eq!(
            collect("port: 1", &[("HANDSTAMP_PORT", "2")], &[])
                .unwrap()
                .port,
            2
        );
        assert_eq!(
            collect("port: 1", &[("SUPERTOKENS_PORT", "2")], &[("port", "3")])
                .unwrap()
                .port,
            3
        );
        assert_eq!(
            collect("", &[("PORT", "2")], &[]).unwrap().port,
            3567,
            "PORT belongs to everybody"
        );
    }

    #[test]
    fn a_configuration_file_of_the_old_core_works() {
        let old = "
core_config_version: 0
cookie_domain: \"api.example.com\"
refresh_api_path: /refresh
access_token_validity: 3600
refresh_token_validity: 144000.5
enable_anti_csrf: false
# port: 3567
host: 0.0.0.0
cookie_secure:
max_server_pool_size: 10
info_log_path: \"null\"
error_log_path: null
mysql_config_version: 0
mysql_user: root
mysql_password: secret
cookie_same_site: Strict
session_expired_status_code: 440
password_hashing_alg: BCRYPT
oauth_provider_public_service_url: http://x
bulk_migration_parallelism: 4
webserver_https_enabled: false
supertokens_default_cdi_version: 5.0
";
        let config = collect(old, &[], &[]).unwrap();
        let shown = config.database.to_string();
        assert_eq!(shown, "mysql://***@localhost/supertokens");
        let config = collect(old, &[], &[("database", "memory:")]).unwrap();
        assert_eq!(config.cookies.domain.as_deref(), Some("api.example.com"));
        assert_eq!(config.cookies.refresh_path, "/refresh");
        assert!(config.cookies.secure, "null is not set");
        assert_eq!(config.cookies.same_site, Some("strict"));
        assert_eq!(config.cookies.session_expired_status, Some(440));
        assert!(!config.anti_csrf);
        assert_eq!(
            config.engine.refresh_token_validity().as_secs(),
            144_000 * 60 + 30
        );
    }

    #[test]
    fn what_cannot_be_is_named_with_value_and_remedy() {
        let cases: &[(&str, &str)] = &[
            ("prot: 1", "unknown setting `prot`"),
            ("port: 70000", "setting `port` is \"70000\""),
            ("port: [1]", "setting `port` must be one value"),
            ("enable_anti_csrf: maybe", "must be true or false"),
            (
                "access_token_validity: 0",
                "setting `access_token_validity` is \"0\"",
            ),
            ("access_token_validity: 1.5", "a whole number"),
            (
                "refresh_token_validity: 60",
                "longer than access_token_validity",
            ),
            ("refresh_token_validity: -1", "`refresh_token_validity`"),
            ("refresh_token_validity: .nan", "line 1, column 25"),
            (
                "refresh_token_rotation_grace_period: 301",
                "setting `refresh_token_rotation_grace_period` is \"301\"",
            ),
            (
                "access_token_dynamic_signing_key_update_interval: 0.0002",
                "at least 1 s",
            ),
            ("database: oracle:x", "must be sqlite:PATH, postgres://"),
            ("database: \"sqlite:\"", "must be sqlite:PATH, postgres://"),
            (
                "mysql_port: 1
mysql_config_version: 0",
                "not set like this: mysql_config_version, mysql_port",
            ),
            (
                "postgresql_user: root
mysql_user: root",
                "are to be kept: sqlite:PATH, postgres://",
            ),
            ("auto_migrate: perhaps", "must be true or false"),
            ("database_pool_size: 0", "a whole number, 1 to 1000"),
            (
                "postgresql_connection_pool_size: -1",
                "`database_pool_size`",
            ),
            ("database_pool_timeout: 0.5", "a number from 1 to 3600"),
            ("database_statement_timeout: 3601", "3600, or 0"),
            ("session_handle_order: size", "time or random"),
            ("cookie_same_site: loose", "none, lax or strict"),
            ("session_expired_status_code: 600", "from 400 to 599"),
            (
                "supertokens_saas_secret: short",
                "setting `supertokens_saas_secret` is \"***\"",
            ),
            (
                "supertokens_saas_secret: a123456789012345678901234567890123456789",
                "unset without api_keys",
            ),
            ("log_format: xml", "text or json"),
            ("log_level: LOUD", "DEBUG, INFO, WARN, ERROR or NONE"),
            ("refresh_api_path: refresh", "a path that begins with /"),
            ("cookie_domain: 'a; b'", "`cookie_domain`"),
            ("port: 1\nport: 2", "port"),
            ("- port", "configuration file"),
            ("{", "configuration file"),
        ];
        for (yaml, expected) in cases {
            let error = collect(yaml, &[], &[]).unwrap_err().to_string();
            assert!(error.contains(expected), "{yaml}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let flags = [("database", Some("postgres://me:hunter2@db/x".to_owned()))];
        let shown = Settings::collect(None, [], flags).unwrap().to_string();
        assert!(
            !shown.contains("hunter2") && shown.contains("postgres://***@db/x"),
            "{shown}"
        );
        assert!(shown.contains("# flag --database"), "{shown}");
        let wrong = collect("database: postgrse://me:hunter2@db/x", &[], &[]);
        let told = wrong.unwrap_err().to_string();
        assert!(!told.contains("hunter2"), "{told}");
        let right = collect("database: postgres://me:hunter2@db/x", &[], &[]).unwrap();
        assert!(!format!("{right:?}").contains("hunter2"));
    }

    #[test]
    fn the_old_core_s_names_for_the_database_work() {
        let cases = [
            ("postgresql_connection_uri", "postgresql://me:secret@db/x"),
            ("mysql_connection_uri", "mysql://me:secret@db/x"),
        ];
        for (name, url) in cases {
            let upper = name.to_uppercase();
            let env = &[(upper.as_str(), url)][..];
            for config in [
                collect("", env, &[]),
                collect("database: 'memory:'", env, &[]),
                collect(&format!("{name}: {url}"), &[], &[]),
            ] {
                let config = config.unwrap();
                let shown = url.replace("me:secret", "***");
                assert_eq!(config.database.to_string(), shown);
                assert!(config.auto_migrate);
            }
        }
    }

    #[test]
    fn a_database_may_be_named_part_by_part() {
        let parts = [
            ("POSTGRESQL_USER", "m e"),
            ("POSTGRESQL_PASSWORD", "p@ss:/+%"),
            ("POSTGRESQL_HOST", "db"),
            ("POSTGRESQL_PORT", "5433"),
            ("POSTGRESQL_DATABASE_NAME", "x"),
            ("POSTGRESQL_TABLE_SCHEMA", "own"),
        ];
        let of = |yaml, env: &[(&str, &str)]| match collect(yaml, env, &[]).unwrap().database {
            DatabaseUrl::Postgres(url) | DatabaseUrl::MySql(url) => url.expose().to_owned(),
            other => other.to_string(),
        };
        let all = "postgresql://m%20e:p%40ss%3A%2F%2B%25@db:5433/x?schema=own";
        assert_eq!(of("", &parts), all);
        // Each wins over the file by itself, and what says all at once over all of them.
        let yaml = "postgresql_user: root\npostgresql_host: other";
        assert_eq!(
            of(yaml, &parts[2..4]),
            "postgresql://root@db:5433/supertokens"
        );
        assert_eq!(
            of("mysql_user: me\nmysql_port: 3307", &[]),
            "mysql://me@localhost:3307/supertokens"
        );
        assert_eq!(of("database: 'memory:'", &parts), "memory:");
        collect("", &parts[1..], &[]).unwrap_err();
    }

    #[test]
    fn a_password_is_not_shown_in_an_error_either() {
        let error = collect("", &[("DATABASE", "oracle://me:secret@db/x")], &[])
            .unwrap_err()
            .to_string();
        assert!(
            !error.contains("secret") && error.contains("oracle://***@db/x"),
            "{error}"
        );
    }

    #[test]
    fn every_setting_has_a_variable_of_its_own_name_and_one_with_a_prefix() {
        let both = [
            ("ACCESS_TOKEN_VALIDITY", "7"),
            ("HANDSTAMP_ACCESS_TOKEN_VALIDITY", "8"),
        ];
        for (env, seconds) in [(&both[..1], 7), (&both[1..], 8), (&both[..], 8)] {
            let config = collect("", env, &[]).unwrap();
            assert_eq!(config.engine.access_token_validity().as_secs(), seconds);
        }
        // Kubernetes puts this into the environment when a service has our name.
        assert_eq!(
            collect("", &[("HANDSTAMP_PORT", "tcp://10.0.0.1:3567")], &[])
                .unwrap()
                .port,
            3567
        );
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_text_is_not_passed_over() {
        use std::os::unix::ffi::OsStringExt;
        let value = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let env = [(OsString::from("DATABASE"), value(b"sqlite:\xff"))];
        let error = Settings::collect(None, env, []).unwrap_err().to_string();
        assert_eq!(error, "the environment variable DATABASE is not UTF-8 text");
        let env = [
            (OsString::from("OTHER"), value(b"\xff")),
            (value(b"\xff"), value(b"x")),
        ];
        Settings::collect(None, env, []).unwrap();
    }
}
