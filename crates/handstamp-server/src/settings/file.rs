//! The configuration file: YAML, one level deep.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::SettingsError;

/// A value that a setting can have. Text, so that it is read by the same rules wherever it comes from.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Null(()),
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

/// Names and values in `path`, without those that are null.
pub(super) fn read(path: &Path) -> Result<Vec<(String, String)>, SettingsError> {
    let unreadable = |why: String| SettingsError::Unreadable {
        path: path.display().to_string(),
        why,
    };
    let yaml = std::fs::read_to_string(path).map_err(|why| unreadable(why.to_string()))?;
    let nothing = yaml
        .lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---");
    if nothing {
        return Ok(Vec::new());
    }
    // A piece of the file in the message could show a password.
    let options = serde_saphyr::options! { with_snippet: false };
    let values: BTreeMap<String, Scalar> = serde_saphyr::from_str_with_options(&yaml, options)
        .map_err(|why| unreadable(why.to_string()))?;
    let text = |scalar| match scalar {
        Scalar::Null(()) => None,
        Scalar::Bool(value) => Some(value.to_string()),
        Scalar::Whole(value) => Some(value.to_string()),
        Scalar::Number(value) => Some(value.to_string()),
        Scalar::Text(value) => Some(value),
    };
    Ok(values
        .into_iter()
        .filter_map(|(name, scalar)| Some((name, text(scalar)?)))
        .collect())
}
