//! Where a listener listens, in the forms EMQX accepts and shows. Host names are refused.

use serde_json::Value;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind {
    /// None if only a port was given: all IPv4 addresses.
    pub address: Option<IpAddr>,
    pub port: u16,
}

impl Bind {
    /// Splits at the last colon, so `::1:1883` has the address `::1`.
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (address, port) = text.rsplit_once(':').unwrap_or(("", &text));
        let port = port.parse().ok()?;
        if address.is_empty() {
            return Some(Self { address: None, port });
        }
        let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
        Some(Self { address: Some(address.parse().ok()?), port })
    }

    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(port) => Some(Self { address: None, port: u16::try_from(port.as_u64()?).ok()? }),
            value => Self::parse(value.as_str()?),
        }
    }

    /// The address to hand to the system.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), self.port)
    }
}

/// As the API shows it: `:1883`, `0.0.0.0:1883`, `[::]:1883`.
impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None => write!(f, ":{}", self.port),
            Some(address) => write!(f, "{}", SocketAddr::new(address, self.port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_users_write() {
        let rows = [
            ("1883", Some(":1883")),
            (":1883", Some(":1883")),
            ("0.0.0.0:1883", Some("0.0.0.0:1883")),
            ("[::]:1883", Some("[::]:1883")),
            ("::1:1883", Some("[::1]:1883")),
            (":::1883", Some("[::]:1883")),
            ("localhost:1883", None),
            ("70000", None),
        ];
        for (text, shown) in rows {
            assert_eq!(Bind::parse(text).map(|bind| bind.to_string()).as_deref(), shown, "{text}");
        }
    }
}
