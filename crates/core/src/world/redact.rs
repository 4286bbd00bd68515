//! Takes out of a text of others what may be secret: a status is public.

/// A field whose name has one of these holds what nobody else should read.
const SECRET: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "token", "cookie", "credential", "authorization", "bearer"];
/// Fields in which a checker quotes what it was given.
const QUOTES: [&str; 4] = ["value", "got", "input", "received"];
/// What stands in place of it.
const GONE: &str = "***";
/// A word as long as this that looks random is a key, or a part of one.
const LONG: usize = 20;

/// The text without values of secret fields, without words that look like keys, and without numbers of Erlang processes.
pub(super) fn redact(text: &str) -> String {
    let about_secrets = names_a_secret(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_word) {
        out.push_str(&rest[..start]);
        let end = rest[start..].find(|c| !is_of_word(c)).map_or(rest.len(), |length| start + length);
        let word = &rest[start..end];
        rest = &rest[end..];
        if is_process(word) {
            continue;
        }
        out.push_str(if looks_random(word) { GONE } else { word });
        let quotes = about_secrets && QUOTES.contains(&word);
        if let Some((separator, after)) = value(rest).filter(|_| is_secret(word) || quotes) {
            out.push_str(separator);
            out.push_str(GONE);
            rest = after;
        }
    }
    out.push_str(rest);
    out.replace("<>", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | '/' | '@')
}

fn names_a_secret(text: &str) -> bool {
    text.split(|c| !is_of_word(c)).any(is_secret)
}

/// `keyfile` is none, `license.key` is one.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|secret| name.contains(secret)) || name.ends_with("key")
}

/// What stands between the name of a field and its value, and what comes after the value.
fn value(rest: &str) -> Option<(&str, &str)> {
    let value = rest.trim_start_matches(['"', '\\', '\'', ' ', '=', '>', ':', '<']);
    let separator = &rest[..rest.len() - value.len()];
    separator.contains(['=', ':']).then(|| (separator, after(separator, value)))
}

/// A value in quotes goes to the closing ones, a bare one to the next separator. What is not closed goes to the end.
fn after<'t>(separator: &str, value: &'t str) -> &'t str {
    let closing = separator.chars().last().filter(|last| matches!(last, '"' | '\''));
    if closing.is_none() && value.starts_with(['[', '{', '(']) {
        return "";
    }
    let Some(closing) = closing else {
        let scheme = ["Bearer ", "Basic "].into_iter().find(|scheme| value.starts_with(scheme)).map_or(0, str::len);
        let end = value[scheme..].find([',', '}', ']', ')', ' ']).map_or(value.len(), |end| scheme + end);
        return &value[end..];
    };
    let mut escaped = false;
    let end = value.char_indices().find(|(_, c)| {
        let ends = *c == closing && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or("", |(end, _)| &value[end..])
}

/// Letters of both cases and digits, as in keys; names of nodes, modules and fields have no such mixture.
fn looks_random(word: &str) -> bool {
    let has = |of: fn(&char) -> bool| word.chars().any(|c| of(&c));
    word.chars().count() >= LONG
        && !word.starts_with('/')
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_digit)
}

/// `<0.2604.0>`
fn is_process(word: &str) -> bool {
    word.starts_with("0.") && word.split('.').count() == 3 && word.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn values_of_secret_fields_are_taken_out() {
        let rows = [
            "password = hunter2, host = \"db\"",
            "#{password => <<\"hunter2\">>,host => <<\"db\">>}",
            "{\"password\":\"hunter2\",\"host\":\"db\"}",
            "{\"password\": \"hunt\\\"hunter2\", \"host\": \"db\"}",
            "EMQX_AUTH__PASSWORD=hunter2 host=db",
            "api_key: hunter2, host: db",
            "secret_access_key='hunter2' host='db'",
            "Authorization: Bearer hunter2, host: db",
            "node.cookie = \"hunter2\" host db",
            "#{kind => validation_error,path => \"license.key\",value => \"hunter2\",host => \"db\"}",
            "#{path => \"dashboard.default_password\",reason => \"bad\",value => hunter2} host db",
        ];
        for text in rows {
            let told = redact(text);
            assert!(!told.contains("hunter2"), "{told}");
            assert!(told.contains("host") && told.contains("db"), "{text}: what is no secret stays: {told}");
        }
    }

    #[test]
    fn what_is_not_closed_is_taken_out_to_the_end() {
        for text in ["password => [hunter2, hunter2]", "token = \"hunter2 hunter2", "secret: {a: hunter2}"] {
            assert!(!redact(text).contains("hunter2"), "{}", redact(text));
        }
    }

    #[test]
    fn a_key_is_known_by_its_look() {
        let key = "MjIwMTExCjAKMTAKRXZhbHVhdGlvbgpjb250YWN0QGVtcXguaW8K";
        assert!(!redact(&format!("invalid license {key}.MEUCIQ")).contains(key));
    }

    #[test]
    fn an_ordinary_text_stays_as_it_is() {
        for text in [
            "unknown => \"foo_bar\", path => \"mqtt\"",
            "{badkey,bind}",
            "conflicting_node_site in emqx@emqx-core-0.emqx-headless.default.svc.cluster.local",
            "value => 5, path => \"mqtt.max_inflight\"",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
