//! `emqx ctl rebalance`: evacuations by hand, as operations people start and stop them in a pod.

use crate::evacuation::Options;
use crate::node::Node;
use std::sync::Arc;

const USAGE: &str = "known are: rebalance start --evacuation [OPTIONS], rebalance stop, rebalance node-status\n";

impl Node {
    pub(super) async fn rebalance_command(self: &Arc<Self>, words: &[&str]) -> String {
        match words {
            ["start", "--evacuation", rest @ ..] => match options(rest) {
                Ok(options) => self.start_by_hand(options),
                Err(reason) => format!("Rebalance start error: {reason}\n"),
            },
            ["stop"] => match self.stop_evacuation() {
                Ok(()) => "Rebalance(evacuation) stopped\n".to_owned(),
                Err(_) => "Rebalance is already disabled\n".to_owned(),
            },
            ["node-status"] => match self.evacuation_status().await {
                Some(status) => format!("Rebalance type: evacuation\n{status}\n"),
                None => "Rebalance disabled\n".to_owned(),
            },
            _ => USAGE.to_owned(),
        }
    }

    fn start_by_hand(self: &Arc<Self>, options: Options) -> String {
        match self.start_evacuation(options) {
            Ok(()) => "Rebalance(evacuation) started\n".to_owned(),
            Err("already_started") => "Rebalance is already enabled\n".to_owned(),
            Err(reason) => format!("Rebalance start error: {reason}\n"),
        }
    }
}

/// Other than over HTTP, zero is no number here.
fn options(words: &[&str]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(name) = words.next() {
        let value = words.next().ok_or_else(|| format!("unknown arguments: [{name:?}]"))?;
        let number = || value.parse().ok().filter(|number| *number > 0).ok_or(format!("invalid {name} value"));
        match *name {
            "--wait-health-check" => options.wait_health_check = number()?,
            "--conn-evict-rate" => options.conn_evict_rate = number()?,
            "--wait-takeover" => options.wait_takeover = number()?,
            "--sess-evict-rate" => options.sess_evict_rate = number()?,
            "--migrate-to" => {
                let nodes = value.split([' ', ',']).filter(|node| !node.is_empty());
                options.migrate_to = Some(nodes.map(str::to_owned).collect());
            }
            // Where clients are sent is up to them here.
            "--redirect-to" => {}
            _ => return Err(format!("unknown arguments: [{name:?}]")),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn numbers_are_greater_than_zero() {
        let given = options(&["--wait-takeover", "7", "--migrate-to", "a@h b@h"]).unwrap();
        assert_eq!(given.wait_takeover, 7);
        assert_eq!(given.migrate_to, Some(vec!["a@h".to_owned(), "b@h".to_owned()]));
        assert_eq!(options(&["--wait-takeover", "0"]).unwrap_err(), "invalid --wait-takeover value");
        assert!(options(&["--nodes", "a@h"]).unwrap_err().starts_with("unknown arguments"));
    }
}
