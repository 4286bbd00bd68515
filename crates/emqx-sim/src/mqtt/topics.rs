//! Topic filters.

/// Whether a filter matches a topic: `+` is one level, `#` all that follow. Topics that begin with `$` are matched by
/// filters that name that level only.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for pattern in filter.split('/') {
        match (pattern, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (pattern, Some(level)) if pattern == level => {}
            // `a/#` matches `a`, too: the next pattern is then `#`, which was handled, so this is no match.
            _ => return filter.strip_suffix("/#").is_some_and(|parent| parent_matches(parent, topic)),
        }
    }
    levels.next().is_none()
}

fn parent_matches(parent: &str, topic: &str) -> bool {
    parent.split('/').count() == topic.split('/').count() && !parent.contains('#') && matches(parent, topic)
}

/// Whether a text is a filter: wildcards stand alone in their level, `#` last. Shared subscriptions are refused rather
/// than taken for a topic without publishers.
pub(crate) fn is_filter(text: &str) -> bool {
    let levels: Vec<_> = text.split('/').collect();
    let last = levels.len() - 1;
    !text.is_empty()
        && levels[0] != "$share"
        && levels.iter().enumerate().all(|(index, level)| match *level {
            "#" => index == last,
            "+" => true,
            level => !level.contains(['#', '+']),
        })
}

/// Whether a text is a topic to publish to.
pub(crate) fn is_topic(text: &str) -> bool {
    !text.is_empty() && !text.contains(['#', '+'])
}

#[cfg(test)]
mod tests {
    use super::{is_filter, matches};

    #[test]
    fn filters_match_as_the_standard_says() {
        let cases = [
            ("a/b", "a/b", true),
            ("a/b", "a/c", false),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a/b/c", true),
            ("a/#", "a", true),
            ("#", "a/b", true),
            ("+/+", "/a", true),
            ("+", "/a", false),
            ("#", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("a/+/c", "a//c", true),
            ("a", "a/b", false),
            ("a/b", "a", false),
        ];
        for (filter, topic, expected) in cases {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn wildcards_stand_alone() {
        for (text, expected) in
            [("a/#", true), ("a/#/b", false), ("a+", false), ("+/a", true), ("", false), ("$share/g/a", false)]
        {
            assert_eq!(is_filter(text), expected, "{text}");
        }
    }
}
