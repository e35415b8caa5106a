//! JSON objects, kept as they were given: order of members, nulls and the spelling of numbers included.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::id::Invalid;

/// The text of one JSON object.
///
/// Checked once, when it is made: it is an object, no object in it names a member twice, its strings are Unicode, its numbers
/// fit a double, and it nests at most 127 levels deep. What other readers could understand differently does not get in.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonObject(Box<str>);

impl JsonObject {
    /// `{}`.
    #[must_use]
    pub fn empty() -> Self {
        Self("{}".into())
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When `text` is not one, or breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if !text.starts_with('{') {
            return Err(Invalid::new("JSON", "must be an object"));
        }
        check_json(text)
            .map_err(|why| Invalid::new("JSON", format!("must be well-formed: {why}")))?;
        Ok(Self(text.into()))
    }

    /// The object that `value` serialises to.
    ///
    /// # Errors
    /// When `value` does not serialise, or not to an object.
    pub fn from_serialize(value: &impl Serialize) -> Result<Self, Invalid> {
        let text = serde_json::to_string(value)
            .map_err(|why| Invalid::new("JSON", format!("must serialise: {why}")))?;
        Self::parse(&text)
    }

    /// Reads the object into the application's own type.
    ///
    /// # Errors
    /// When the object does not have that shape.
    pub fn deserialize<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The object's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The members, names as they are meant and values as they are written.
    ///
    /// # Errors
    /// None that can happen: the object was checked when it was made.
    pub(crate) fn members(&self) -> Result<Members<'_>, serde_json::Error> {
        serde_json::from_str::<Ordered<'_>>(&self.0).map(|ordered| ordered.0)
    }

    /// The object of these members, values as they are written.
    pub(crate) fn from_members<'a>(members: impl Iterator<Item = (&'a str, &'a RawValue)>) -> Self {
        let mut text = String::from("{");
        for (name, value) in members {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(name).to_string());
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        Self(text.into())
    }

    /// The text between the braces.
    pub(crate) fn inner(&self) -> &str {
        let inner = self
            .0
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .unwrap_or_default();
        inner.trim_matches([' ', '\t', '\r', '\n'])
    }

    /// Whether both say the same, whatever the order of members and the white space.
    #[must_use]
    pub fn same_meaning(&self, other: &Self) -> bool {
        let value = |object: &Self| serde_json::from_str::<serde_json::Value>(&object.0).ok();
        self.0 == other.0 || (value(self).is_some() && value(self) == value(other))
    }
}

impl fmt::Debug for JsonObject {
    /// Payload and data belong to the application's users: they stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonObject({} bytes)", self.0.len())
    }
}

impl Serialize for JsonObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for JsonObject {
    /// From JSON text; other formats cannot say what was written.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(de::Error::custom)
    }
}

/// Checks that `text` is one JSON value by the rules of [`JsonObject`] (but for being an object).
///
/// # Errors
/// With the place and the reason; the text itself is not quoted.
pub fn check_json(text: &str) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Checked.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Walks a value and keeps nothing of it. Depth is bounded by the deserialiser.
struct Checked;

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Checked)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(Name(name)) = map.next_key()? {
            if !seen.insert(name) {
                return Err(de::Error::custom("an object names a member twice"));
            }
            map.next_value_seed(Checked)?;
        }
        Ok(())
    }
}

/// See [`JsonObject::members`].
pub(crate) type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Reads an object's members in their order.
struct Ordered<'a>(Members<'a>);

impl<'de> serde::Deserialize<'de> for Ordered<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Ordered<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Ordered(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// A member's name, borrowed where it holds no escapes.
#[derive(serde::Deserialize, PartialEq, Eq, Hash)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_as_given() {
        for text in [
            r#"{"b":1,"a":null}"#,
            r#"{"n":1.10,"e":1E5,"big":12345678901234567890123}"#,
            r#"{ "a" : [ ] }"#,
            "{}",
        ] {
            let object = JsonObject::parse(text).unwrap();
            assert_eq!(object.as_str(), text);
            assert_eq!(serde_json::to_string(&object).unwrap(), text);
        }
    }

    #[test]
    fn what_readers_disagree_on_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let huge = r#"{"a":1e400}"#;
        for text in [
            "",
            "[]",
            "1",
            "null",
            "{",
            "{}{}",
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"\udc00":1}"#,
            r#"{"a":NaN}"#,
            r"{'a':1}",
            huge,
            &deep,
        ] {
            assert!(
                JsonObject::parse(text).is_err(),
                "{}",
                text.get(..20).unwrap_or(text)
            );
        }
    }

    #[test]
    fn a_name_may_be_spelt_with_escapes_but_once() {
        assert!(JsonObject::parse(r#"{"a":1,"\u0061":2}"#).is_err());
        assert!(JsonObject::parse(r#"{"a":1,"\u0062":2}"#).is_ok());
    }

    #[test]
    fn ten_thousand_members_are_no_trouble() {
        let members: Vec<String> = (0..10_000).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(JsonObject::parse(&format!("{{{}}}", members.join(","))).is_ok());
    }

    #[test]
    fn meaning_ignores_order_and_space() {
        let a = JsonObject::parse(r#"{"a":1,"b":{"c":null}}"#).unwrap();
        let b = JsonObject::parse(r#"{ "b": {"c":null}, "a":1 }"#).unwrap();
        let c = JsonObject::parse(r#"{"a":1,"b":{}}"#).unwrap();
        assert!(a.same_meaning(&b));
        assert!(!a.same_meaning(&c));
    }
}
