//! What stands behind the `?` of a database's address.

/// The address without the values that a driver does not know. It would pass over them as well, but one says them all in the log,
/// and a secret may be among them.
pub(super) fn known_only(url: &str, known: &[&str]) -> String {
    let Some((address, values)) = url.split_once('?') else {
        return url.to_owned();
    };
    let is_known = |value: &&str| {
        let name = value.split(['=', '[']).next().unwrap_or_default();
        known.contains(&name)
    };
    let (kept, others): (Vec<_>, Vec<_>) = values
        .split('&')
        .filter(|value| !value.is_empty())
        .partition(is_known);
    for other in others {
        let name = other.split('=').next().unwrap_or_default();
        tracing::warn!(
            name,
            "this part of the database's address is not known, and is passed over"
        );
    }
    if kept.is_empty() {
        return address.to_owned();
    }
    [address, "?", &kept.join("&")].concat()
}

#[cfg(test)]
mod tests {
    use super::known_only;

    #[test]
    fn what_is_not_known_is_left_out() {
        let known = ["sslmode", "options"];
        for (url, kept) in [
            ("db://me@host/x", "db://me@host/x"),
            ("db://host/x?", "db://host/x"),
            ("db://host/x?sslpassword=canary", "db://host/x"),
            (
                "db://host/x?a=canary&sslmode=require&sslmodes=canary&options[work_mem]=1",
                "db://host/x?sslmode=require&options[work_mem]=1",
            ),
            ("db://host/x?canary", "db://host/x"),
        ] {
            assert_eq!(known_only(url, &known), kept);
        }
    }
}
