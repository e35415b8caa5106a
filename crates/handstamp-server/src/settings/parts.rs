//! A database server as the old core has it named: part by part.

use std::collections::BTreeMap;

use super::Found;

/// The parts that make an address, after `postgresql_` or `mysql_`. Others, such as the names of tables, have no meaning here.
const PARTS: &[&str] = &[
    "user",
    "password",
    "host",
    "port",
    "database_name",
    "table_schema",
];
/// The database of whoever names none.
const DATABASE: &str = "supertokens";

/// Whether `name` is one of an address's parts.
pub(super) fn is_part(name: &str) -> bool {
    kind(name).is_some_and(|(_, part)| PARTS.contains(&part))
}

/// The kind of database and the part that `name` names.
fn kind(name: &str) -> Option<(&'static str, &str)> {
    ["postgresql", "mysql"].into_iter().find_map(|kind| {
        let part = name.strip_prefix(kind)?.strip_prefix('_')?;
        Some((kind, part))
    })
}

/// The address that `named` add up to, and where its user was named, without whom there is none. Parts of two kinds of database
/// make no address.
pub(super) fn address(named: &BTreeMap<String, Found>) -> Option<Found> {
    let mut kinds = named.keys().filter_map(|name| kind(name));
    let (kind, _) = kinds.next()?;
    if kinds.any(|(other, _)| other != kind) {
        return None;
    }
    let part = |name: &str| {
        let found = named.get(&format!("{kind}_{name}"))?;
        Some(found.text.trim()).filter(|text| !text.is_empty())
    };
    let user = named.get(&format!("{kind}_user"))?;
    let mut text = format!("{kind}://{}", escaped(part("user")?));
    if let Some(password) = part("password") {
        text.push(':');
        text.push_str(&escaped(password));
    }
    text.push('@');
    text.push_str(part("host").unwrap_or("localhost"));
    if let Some(port) = part("port") {
        text.push(':');
        text.push_str(port);
    }
    text.push('/');
    text.push_str(&escaped(part("database_name").unwrap_or(DATABASE)));
    if let Some(schema) = part("table_schema").filter(|_| kind == "postgresql") {
        text.push_str("?schema=");
        text.push_str(&escaped(schema));
    }
    Some(Found {
        text,
        origin: user.origin.clone(),
    })
}

/// As RFC 3986 has it: a space is `%20` everywhere in an address, a plus sign is none.
fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
