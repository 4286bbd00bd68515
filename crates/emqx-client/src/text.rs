//! Texts of brokers, made safe for terminals: statuses, events and logs are read in terminals.

/// One line without control characters and without marks that turn the direction of writing, cut where it becomes longer
/// than so many characters.
pub fn plain(text: &str, longest: usize) -> String {
    let mut shown = text.chars().map(|c| if is_harmless(c) { c } else { ' ' });
    let mut line: String = shown.by_ref().take(longest).collect();
    if shown.next().is_some() {
        line.push('…');
    }
    line
}

/// Line and paragraph separators end lines in some viewers; marks of direction can make a text read as another one.
fn is_harmless(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_terminals_obey_is_taken_out() {
        let table = [
            ("as it is", "emqx@a: 1204 Sitzungen, größer", "emqx@a: 1204 Sitzungen, größer"),
            ("lines", "a\nb\r\nc\u{2028}d", "a b  c d"),
            ("colors", "\u{1b}[31mred", " [31mred"),
            ("C1", "\u{9b}31m", " 31m"),
            ("direction", "abc\u{202e}def\u{2066}", "abc def "),
            ("nothing", "\0", " "),
        ];
        for (name, text, expected) in table {
            assert_eq!(plain(text, 100), expected, "{name}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(plain(&"ß".repeat(1000), 300).chars().count(), 301);
        assert_eq!(plain("ßß", 2), "ßß");
    }
}
