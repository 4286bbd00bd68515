//! What a container said before it ended, as far as it helps: the kubelet keeps the end of the log. One line, without what
//! changes from crash to crash, so that a status does not change with it, and without what may be secret.

use super::redact::redact;

/// A status is no log.
const LONGEST: usize = 300;
/// The kubelet cuts what is longer at the front, in the middle of a line.
const KEPT_BY_KUBELET: usize = 2048;

/// What EMQX says in the line that names the cause, the most telling first. What follows a cause is a consequence.
const CAUSES: [&str; 12] = [
    "SINGLE_NODE_LICENSE",
    "bad_license",
    "unknown_fields",
    "validation_error",
    "conflicting_node_site",
    "parse_error",
    "scan_error",
    "failed_to_check",
    "[critical]",
    "[error]",
    "exception",
    "ERROR:",
];

/// Lines that say no more than that it has ended.
const NOISE: [&str; 5] =
    ["Crash dump is being written", "Kernel pid terminated", "in function ", "in call from ", "call_hocon_failed"];

/// The sentence, and what to do about it where that is known.
pub(super) fn last_words(message: &str) -> Option<String> {
    let lines = lines(message);
    let cause = CAUSES.iter().find_map(|cause| lines.iter().position(|line| line.contains(cause) && !is_noise(line)));
    let telling = cause.or_else(|| lines.iter().rposition(|line| !is_noise(line))).or(lines.len().checked_sub(1))?;
    let text = redact(&statement(&lines[telling..]));
    let text = from_cause(&text);
    Some(match advice(text) {
        Some(advice) => format!("{}; {advice}", bounded(text)),
        None => bounded(text),
    })
}

/// Without control characters and colors.
fn lines(message: &str) -> Vec<String> {
    let mut lines: Vec<_> = message.split(['\n', '\r']).map(plain).filter(|line| !line.is_empty()).collect();
    // The rest of a line may be the rest of a secret.
    if message.len() >= KEPT_BY_KUBELET && lines.len() > 1 {
        lines.remove(0);
    }
    lines
}

fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        text.push_str(before);
        // `ESC [ … m`
        let end = escape.find(|c: char| c.is_ascii_alphabetic()).map_or(escape.len(), |end| end + 1);
        rest = &escape[end..];
    }
    text.push_str(rest);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty() && !is_time(word)).collect::<Vec<_>>().join(" ")
}

/// `2026-11-28T10:00:00.123456+00:00`
fn is_time(word: &str) -> bool {
    word.starts_with("20") && word.contains(':') && word.chars().filter(char::is_ascii_digit).count() >= 12
}

fn is_noise(line: &str) -> bool {
    NOISE.iter().any(|noise| line.contains(noise))
}

/// A term of Erlang goes over several lines, until its brackets are closed.
fn statement(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(line);
        let open = text.matches(['[', '{', '(']).count();
        let closed = text.matches([']', '}', ')']).count();
        if open <= closed || text.len() > KEPT_BY_KUBELET {
            break;
        }
    }
    text
}

/// A report of a crash begins with what crashed; the cause stands far behind.
fn from_cause(text: &str) -> &str {
    let found = CAUSES.iter().filter(|cause| !cause.starts_with('[')).find_map(|cause| text.find(cause));
    let far = found.filter(|start| text[..*start].chars().count() > LONGEST / 3);
    far.map_or(text, |start| &text[start..])
}

fn advice(text: &str) -> Option<&'static str> {
    if text.contains("SINGLE_NODE_LICENSE") {
        Some("set spec.config.roots.license.key: EMQX 5.9 and later makes clusters with a licence only")
    } else if text.contains("bad_license") {
        Some("correct spec.config.roots.license.key")
    } else if ["unknown_fields", "validation_error"].iter().any(|cause| text.contains(cause)) {
        Some("correct that field in spec.config.roots")
    } else {
        None
    }
}

fn bounded(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, last_words};

    /// Ends of logs as EMQX writes them, and what is told of them.
    #[test]
    fn the_line_that_names_the_cause_is_told() {
        let license = "[error] Supervisor: {local,emqx_machine_sup}. Context: start_error. Reason: {'EXIT',terminating}.\n\
            [error] crasher: initial call: application_master:init/3, pid: <0.2604.0>, registered_name: [], exit: \
            {{\"SINGLE_NODE_LICENSE, make sure this node and peer nodes are configured with a valid license\",\
            {emqx_license_app,start,[normal,[]]}},[{application_master,init,3,[{file,\"application_master.erl\"},{line,143}]}]}\n\
            Kernel pid terminated (application_controller) (\"{application_start_failure,emqx_license}\")\n\n\
            Crash dump is being written to: /opt/emqx/log/erl_crash.dump...done\n";
        let unknown = "ERROR: call_hocon_failed: -v -t 2026.11.28.10.00.00 -s emqx_enterprise_schema -c /opt/emqx/etc/emqx.conf generate\n\
            escript: exception throw: {emqx_enterprise_schema,[#{reason => unknown_fields,\n\
            \u{20}                                     path => \"mqtt\",\n\
            \u{20}                                     unknown => \"foo_bar\"}]}\n  in function  hocon_tconf:assert/2 (hocon_tconf.erl, line 1171)\n\
            \u{20} in call from hocon_tconf:map/4 (hocon_tconf.erl, line 308)\n";
        let rows = [
            (license, "SINGLE_NODE_LICENSE, make sure this node and peer nodes are configured with a valid license"),
            (license, "set spec.config.roots.license.key"),
            (unknown, "[#{reason => unknown_fields, path => \"mqtt\", unknown => \"foo_bar\"}]}; correct that field"),
            (
                "2026-11-28T10:00:00.123456+00:00 [error] failed_to_check_schema: emqx_enterprise_schema\n\
                 #{kind => validation_error,path => \"log.console.level\",reason => not_a_enum_symbol}\n",
                "path => \"log.console.level\"",
            ),
            (
                "[error]: {parse_error,#{line => 11,reason => \"syntax error before: endobj\",file => \"/opt/emqx/etc/emqx.conf\"}}\n\n\
                 ERROR: call_hocon_failed: -s emqx_conf_schema -c /opt/emqx/etc/emqx.conf multi_get node.data_dir\n",
                "line => 11,reason => \"syntax error before: endobj\"",
            ),
            ("ERROR: emqx.conf is not found in /opt/emqx/etc\n", "ERROR: emqx.conf is not found in /opt/emqx/etc"),
            ("\u{1b}[1;31mERROR: \u{7}bad\u{1b}[0m\n", "ERROR: bad"),
            ("starting\nsegmentation fault", "segmentation fault"),
        ];
        for (message, expected) in rows {
            let told = last_words(message).unwrap_or_default();
            assert!(told.contains(expected), "{expected:?} is not in {told:?}");
            assert!(!told.chars().any(char::is_control), "{told:?}");
            assert!(
                !told.contains("<0.2604.0>") && !told.contains("10:00:00"),
                "it differs with every crash: {told:?}"
            );
        }
    }

    #[test]
    fn nothing_said_is_nothing_told() {
        for message in ["", "\n \n", "\u{1b}", "\u{1b}[0m"] {
            assert_eq!(last_words(message), None, "{message:?}");
        }
    }

    #[test]
    fn a_long_text_is_bounded() {
        let advice = 100;
        for message in
            ["x".repeat(4000), "ü".repeat(4000), format!("unknown_fields {}", "(".repeat(4000)), "[a\n".repeat(900)]
        {
            assert!(last_words(&message).is_some_and(|told| told.chars().count() <= LONGEST + advice));
        }
    }

    /// The kubelet keeps the last 2,048 bytes, from the middle of a line.
    #[test]
    fn half_a_line_is_no_line() {
        let tail = format!("rd-of-the-database\"}}\n{}", "y".repeat(2048));
        assert!(last_words(&tail).is_some_and(|told| !told.contains("database")));
    }
}
