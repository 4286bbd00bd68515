//! How answers are read: strict about what decisions rest on, tolerant about the rest. A field that cannot be read is
//! unknown (`None`), never zero.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An answer of more entries is not taken apart. Each takes some tens of bytes of memory, however few it has in the text;
/// ten thousand nodes have so many.
const MOST_ENTRIES: usize = 200_000;

/// A count beyond this is none that EMQX has. Sums of counts stay below what a number can hold.
const LARGEST_COUNT: i64 = 1_000_000_000_000;

/// Whether a text can become no more than a bounded number of values, whatever it is read as: each but the first follows
/// a comma or an opening bracket.
pub(crate) fn is_bounded(body: &[u8]) -> bool {
    body.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() <= MOST_ENTRIES
}

/// Reads JSON. What serde complains about may quote the content, so only the position is reported.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    if body.is_empty() {
        return Err("it is empty".to_owned());
    }
    if !is_bounded(body) {
        return Err(format!("it has more than {MOST_ENTRIES} entries"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "unexpected structure",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "not JSON",
        };
        format!("{what} at line {} column {}", error.line(), error.column())
    })
}

/// The successes of operations that answer nothing, `{}` or `OK`.
pub(super) fn nothing(_: &[u8]) -> Result<(), String> {
    Ok(())
}

pub(super) fn text(body: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(body);
    text.map(str::to_owned).map_err(|error| format!("not UTF-8 after {} bytes", error.valid_up_to()))
}

/// A field that may have any type; of another type than ours it is unknown.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(field: D) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(Value::deserialize(field)?).ok())
}

/// A count. Averages come as floats. What cannot be a count is unknown.
pub(super) fn count<'de, D: Deserializer<'de>>(field: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(field)?;
    // `as` saturates.
    let count = value.as_i64().or_else(|| value.as_f64().map(|float| float.round() as i64));
    Ok(count.filter(|count| (0..=LARGEST_COUNT).contains(count)))
}
