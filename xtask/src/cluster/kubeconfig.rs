//! Who may enter: users with fixed tokens, and a kubeconfig for each. The tokens open a cluster that is reachable from
//! its own network and from this host's loopback only.

use super::State;
use super::namespace::NODE_ADDRESS;
use std::fs;

/// User, groups. `emqx-operator` is not an administrator, so that limits and audit treat it as they do at users' sites.
const USERS: [(&str, &str); 3] =
    [("admin", "system:masters"), ("system:node:node-1", "system:nodes"), ("emqx-operator", "")];

pub(super) fn write(state: &State) -> anyhow::Result<()> {
    let tokens: String =
        USERS.iter().map(|(user, groups)| format!("{},{user},{user},\"{groups}\"\n", token(user))).collect();
    fs::write(state.file("tokens.csv"), tokens)?;
    let inside = format!("https://{NODE_ADDRESS}:6443");
    fs::write(state.file("kubeconfig"), config(state, "admin", &inside))?;
    fs::write(state.file("kubeconfig-node"), config(state, "system:node:node-1", &inside))?;
    fs::write(state.file("kubeconfig-operator"), config(state, "emqx-operator", &inside))?;
    let host = format!("https://127.0.0.1:{}", state.host_port);
    fs::write(state.file("kubeconfig-host"), config(state, "admin", &host))?;
    Ok(())
}

fn token(user: &str) -> String {
    format!("local-{}", user.replace(':', "-"))
}

fn config(state: &State, user: &str, server: &str) -> String {
    let (name, ca) = (state.namespace(), state.file("pki/ca.crt"));
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {name}\n\
         clusters:\n- name: {name}\n  cluster: {{server: '{server}', certificate-authority: '{}'}}\n\
         users:\n- name: '{user}'\n  user: {{token: '{}'}}\n\
         contexts:\n- name: {name}\n  context: {{cluster: {name}, user: '{user}'}}\n",
        ca.display(),
        token(user),
    )
}
