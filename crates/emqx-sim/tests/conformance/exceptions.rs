//! Calls whose answer may differ, each with the reason.

/// Version, situation (`*` for any), recording, reason.
const EXCEPTIONS: [(&str, &str, &str, &str); 2] =
    [("5.10.4", "durable", "read-023-ds-storage", JOINING), ("5.8.9-ee", "durable", "read-023-ds-storage", JOINING)];

const JOINING: &str = "recorded while the first replicas were still joining; here they join at once";

pub(crate) fn reason(version: &str, situation: &str, name: &str) -> Option<&'static str> {
    let fits =
        |row: &&(&str, &str, &str, &str)| row.0 == version && (row.1 == "*" || row.1 == situation) && row.2 == name;
    EXCEPTIONS.iter().find(fits).map(|row| row.3)
}
