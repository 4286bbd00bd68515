//! Bounds texts of users, brokers and other controllers, which have any length, for messages to users.

use serde_json::Value;
use std::borrow::Cow;

/// The beginning of a text that is too long. Takes no longer for a longer text.
pub fn beginning(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Both ends of a text that is too long: they are the most useful parts of a path.
pub(crate) fn both_ends(text: &str, most: usize) -> Cow<'_, str> {
    let half = most / 2;
    let (Some(_), Some((first, _)), Some((last, _))) =
        (text.char_indices().nth(most), text.char_indices().nth(half), text.char_indices().rev().nth(half))
    else {
        return Cow::Borrowed(text);
    };
    Cow::Owned(format!("{}…{}", &text[..first], &text[last..]))
}

/// A text of a user, as messages quote it.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    beginning(text, 64)
}

/// The name of an object: in full where Kubernetes takes it.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    beginning(text, 253)
}

/// The path of a field below another one. Keys of users are cut, so that paths stay short at any depth.
pub(crate) fn field(path: &str, key: &str) -> String {
    both_ends(&format!("{path}.{}", both_ends(key, 80)), 300).into_owned()
}

/// The first three items of a list, and how many more there are.
pub(crate) fn few<T: AsRef<str>>(all: &[T]) -> String {
    const SHOWN: usize = 3;
    let shown = all.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if all.len() > SHOWN { format!("{shown} and {} more", all.len() - SHOWN) } else { shown }
}

/// The word for the type of a JSON value that stands where another type should.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::{beginning, both_ends, few, field};

    #[test]
    fn of_a_list_three_are_shown() {
        assert_eq!(few(&["a", "b", "c"]), "a, b, c");
        assert_eq!(few(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
        assert_eq!(few::<&str>(&[]), "");
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(beginning("äöü", 3), "äöü");
        assert_eq!(both_ends("äöüß", 4), "äöüß");
        assert_eq!(field("spec.config.roots", "mqtt"), "spec.config.roots.mqtt");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(beginning("äöüß", 3), "äöü…");
        let cut = both_ends("äöüßäöüß", 4);
        assert!(cut.starts_with("äö…") && cut.ends_with("üß") && cut.chars().count() <= 7, "{cut}");
        let path = (0..1000).fold("spec".to_owned(), |path, _| field(&path, &"ключ".repeat(1000)));
        assert!(path.starts_with("spec.") && path.chars().count() <= 303, "{path}");
    }
}
