//! The configuration file: YAML, one level deep.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::SettingsError;

/// Names and values in `path`, without those that are null. Values are text, so that they are read by the same rules wherever
/// they come from.
pub(super) fn read(path: &Path) -> Result<Vec<(String, String)>, SettingsError> {
    let unreadable = |why: String| SettingsError::Unreadable {
        path: path.display().to_string(),
        why,
    };
    let yaml = std::fs::read_to_string(path).map_err(|why| unreadable(why.to_string()))?;
    let empty = |line: &str| line.is_empty() || line.starts_with('#') || line == "---";
    if yaml.lines().map(str::trim).all(empty) {
        return Ok(Vec::new());
    }
    // A piece of the file in the message could show a password.
    let options = serde_saphyr::options! { with_snippet: false };
    let values: BTreeMap<String, Value> = serde_saphyr::from_str_with_options(&yaml, options)
        .map_err(|why| unreadable(why.to_string()))?;
    let mut found = Vec::new();
    for (name, value) in values {
        let text = match value {
            Value::Null => continue,
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::String(value) => value,
            Value::Array(_) | Value::Object(_) => {
                return Err(unreadable(format!(
                    "setting `{name}` must be one value, not a list or a table"
                )));
            }
        };
        found.push((name, text));
    }
    Ok(found)
}
