//! The node name from the environment, as entrypoint and start script make it. Both read variables raw.

use std::net::Ipv4Addr;

/// Looks a variable up; an empty one counts as unset.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `hosts` is the text of `/etc/hosts`, `hostname` the short name of the pod.
pub fn node_name(variable: Lookup<'_>, hosts: &str, hostname: &str) -> String {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(name) = set("EMQX_NODE_NAME").or_else(|| set("EMQX_NODE__NAME")) {
        return name;
    }
    let prefix = set("EMQX_NAME").unwrap_or_else(|| "emqx".to_owned());
    let host =
        set("EMQX_HOST").or_else(|| srv_host(&set, hosts, hostname)).unwrap_or_else(|| local_address(hosts, hostname));
    format!("{prefix}@{host}")
}

fn srv_host(set: &dyn Fn(&str) -> Option<String>, hosts: &str, hostname: &str) -> Option<String> {
    let dns = set("EMQX_CLUSTER__DISCOVERY_STRATEGY")? == "dns";
    let srv = set("EMQX_CLUSTER__DNS__RECORD_TYPE")? == "srv";
    let wanted = format!("{hostname}.{}", set("EMQX_CLUSTER__DNS__NAME")?);
    let listed = hosts.split_whitespace().any(|word| word == wanted);
    (dns && srv && listed).then_some(wanted)
}

/// Kubernetes writes the pod's address beside its name.
fn local_address(hosts: &str, hostname: &str) -> String {
    let lines = hosts.lines().filter(|line| line.split_whitespace().skip(1).any(|word| word == hostname));
    let mut addresses = lines.filter_map(|line| line.split_whitespace().next()?.parse::<Ipv4Addr>().ok());
    addresses.next().unwrap_or(Ipv4Addr::LOCALHOST).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_what_is_set() {
        let hosts = "127.0.0.1 localhost\n10.0.0.7 core-0.emqx.iot.svc core-0\n";
        let rows: [(&[(&str, &str)], &str); 4] = [
            (&[("EMQX_NODE_NAME", "a@b"), ("EMQX_NODE__NAME", "c@d")], "a@b"),
            (&[("EMQX_HOST", "h"), ("EMQX_NAME", "n")], "n@h"),
            (&[], "emqx@10.0.0.7"),
            (
                &[
                    ("EMQX_CLUSTER__DISCOVERY_STRATEGY", "dns"),
                    ("EMQX_CLUSTER__DNS__RECORD_TYPE", "srv"),
                    ("EMQX_CLUSTER__DNS__NAME", "emqx.iot.svc"),
                ],
                "emqx@core-0.emqx.iot.svc",
            ),
        ];
        for (set, wanted) in rows {
            let variable = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(node_name(&variable, hosts, "core-0"), wanted);
        }
    }
}
