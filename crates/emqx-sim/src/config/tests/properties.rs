//! What holds for every configuration.

use crate::config::*;
use proptest::prelude::*;

const VERSIONS: [&str; 3] = ["5.8.9-ce", "5.8.9-ee", "5.10.4"];

#[test]
fn defaults_are_valid_and_survive_printing() {
    for version in VERSIONS {
        let profile = version.parse().unwrap();
        let (config, _) = Config::boot(profile, &Layers::default()).unwrap();
        let printed = config.get_text(None).body;
        let (again, _) = Config::boot(profile, &Layers { base: printed.clone(), ..Layers::default() }).unwrap();
        assert_eq!(again.get_text(None).body, printed, "{version}");
    }
}

proptest! {
    #[test]
    fn what_replaces_a_root_is_read_back(inflight in 1u32..65535, size in 1u32..200, retain: bool, text in "[ -~]{0,12}") {
        let (mut config, _) = Config::boot("5.10.4".parse().unwrap(), &Layers::default()).unwrap();
        let quoted = serde_json::to_string(&text).unwrap();
        let request = format!("mqtt {{ max_inflight = {inflight}, max_packet_size = {size}KB, retain_available = {retain}, response_information = {quoted} }}");
        config.put(&Put { text: &request, mode: Some("replace"), ..Put::default() }, &mut |_| Ok(())).unwrap();
        let shown = hocon::parse(&config.get_text(Some("mqtt")).body).unwrap();
        prop_assert_eq!(&shown["mqtt"]["max_inflight"], inflight);
        prop_assert_eq!(&shown["mqtt"]["max_packet_size"], &format!("{size}KB"));
        prop_assert_eq!(&shown["mqtt"]["retain_available"], retain);
        prop_assert_eq!(&shown["mqtt"]["response_information"], text.as_str());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z0-9{}\\[\\]\"$=:,.#\\n ]{0,40}") {
        let _ = hocon::parse(&text);
    }
}
