//! Why an image cannot be pulled, out of what the kubelet says. The cause stands at the end, behind the name of the image
//! that is told already, once for every layer that has passed the error on. An error and its "back-off" alternate, and quote
//! addresses and ports that are others every time: what is left of both reads the same.

/// A status is no log.
const LONGEST: usize = 200;

/// Links of the chain that say no more than that an image could not be pulled.
const WRAPPERS: [&str; 10] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "Back-off pulling image",
    "rpc error",
    "failed to pull",
    "failed to resolve",
    "failed to do request",
    "failed to copy",
    "initializing source",
    "Error response from daemon",
];

/// What old kubelets say of a back-off has no cause.
const UNKNOWN: &str = "the registry does not have it, or refuses it";

/// `image` is the name that is told before.
pub(super) fn cause(message: &str, image: &str) -> String {
    let text: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let links: Vec<_> = links(text.trim().trim_end_matches('.'))
        .filter(|link| !WRAPPERS.iter().any(|wrapper| link.starts_with(wrapper)))
        .map(|link| plain(link, image))
        .filter(|link| !link.is_empty())
        .collect();
    if links.is_empty() {
        return UNKNOWN.to_owned();
    }
    end(&links)
}

/// The chain of an error, from the outermost link to the cause. What stands in quotes is one word.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut colon = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        let ends = colon && c == ' ' && !quoted;
        colon = c == ':';
        ends
    })
    .map(|link| link.trim().trim_end_matches(':'))
    // `rpc error: code = NotFound desc = …`
    .map(|link| link.rsplit_once(" desc = ").map_or(link, |(_, link)| link))
}

/// Without the name of the image, and without addresses.
fn plain(link: &str, image: &str) -> String {
    let words = link.split(' ').filter(|word| !word.is_empty() && !names(word, image));
    words.map(without_addresses).collect::<Vec<_>>().join(" ")
}

/// Kubernetes and registries complete names: with a registry, `library/` and a digest.
fn names(word: &str, image: &str) -> bool {
    let word = word.trim_matches(['"', '\'', ',', '(', ')']);
    let tag = |name: &str| name.rsplit_once(':').map_or(usize::MAX, |(before, _)| before.len());
    let repository = |name: &str| {
        let name = name.split('@').next().unwrap_or_default();
        let slash = name.rfind('/').unwrap_or_default();
        name[..tag(name).min(name.len()).max(slash)].to_owned()
    };
    let (word, image) = (repository(word.trim_start_matches("docker://")), repository(image));
    !image.is_empty() && (word == image || word.ends_with(&format!("/{image}")))
}

/// A URL keeps its host; a socket is another one each time.
fn without_addresses(word: &str) -> String {
    let bare = word.trim_matches(['"', ',', '(', ')']);
    if let Some((scheme, rest)) = bare.split_once("://") {
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        return format!("{scheme}://{host}");
    }
    let is_socket = |text: &str| text.parse::<std::net::SocketAddr>().is_ok();
    if bare.split("->").all(is_socket) { "(address)".to_owned() } else { word.to_owned() }
}

/// As many of the last links as a message has room for.
fn end(links: &[String]) -> String {
    let mut text = String::new();
    for link in links.iter().rev() {
        let longer = if text.is_empty() { link.clone() } else { format!("{link}: {text}") };
        if longer.chars().count() > LONGEST {
            break;
        }
        text = longer;
    }
    if text.is_empty() {
        let last = links.last().map(String::as_str).unwrap_or_default();
        let skipped = last.chars().count().saturating_sub(LONGEST - 1);
        text = std::iter::once('…').chain(last.chars().skip(skipped)).collect();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, UNKNOWN, cause};

    const IMAGE: &str = "public.ecr.aws/emqx/emqx:5.8.5";

    fn told(message: &str) -> String {
        cause(message, IMAGE)
    }

    /// What runtimes and registries say at the end, whatever stands before.
    #[test]
    fn the_cause_is_what_stands_at_the_end() {
        let chain = |end: &str| {
            format!(
                "failed to pull and unpack image \"{IMAGE}\": failed to resolve reference \"{IMAGE}\": failed to do request: \
                 Head \"https://public.ecr.aws/v2/emqx/emqx/manifests/5.8.5\": {end}"
            )
        };
        let head = |end: &str| format!("Head https://public.ecr.aws: {end}");
        let rows = [
            (
                chain("dial tcp: lookup public.ecr.aws on 10.96.0.10:53: no such host"),
                head("dial tcp: lookup public.ecr.aws on (address): no such host"),
            ),
            (
                chain("dial tcp: lookup public.ecr.aws: read udp 10.0.0.1:4119->10.0.0.2:53: i/o timeout"),
                head("dial tcp: lookup public.ecr.aws: read udp (address): i/o timeout"),
            ),
            (
                chain("dial tcp 99.83.145.10:443: connect: connection refused"),
                head("dial tcp (address): connect: connection refused"),
            ),
            (chain("dial tcp [2001:db8::7]:443: i/o timeout"), head("dial tcp (address): i/o timeout")),
            (chain("net/http: TLS handshake timeout"), head("net/http: TLS handshake timeout")),
            (
                chain("tls: failed to verify certificate: x509: certificate signed by unknown authority"),
                head("tls: failed to verify certificate: x509: certificate signed by unknown authority"),
            ),
            (
                format!(
                    "rpc error: code = NotFound desc = failed to pull and unpack image \"{IMAGE}\": failed to resolve reference \"{IMAGE}\": {IMAGE}: not found"
                ),
                "not found".to_owned(),
            ),
            (
                format!(
                    "failed to pull and unpack image \"{IMAGE}\": failed to resolve reference \"{IMAGE}\": pull access denied, \
                    repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"
                ),
                "pull access denied, repository does not exist or may require authorization: server message: \
                    insufficient_scope: authorization failed"
                    .to_owned(),
            ),
            (
                format!(
                    "failed to resolve reference \"{IMAGE}\": unexpected status from HEAD request to \
                    https://u:hidden@public.ecr.aws/v2/emqx/emqx/manifests/5.8.5?sig=hidden: 401 Unauthorized"
                ),
                "unexpected status from HEAD request to https://public.ecr.aws: 401 Unauthorized".to_owned(),
            ),
            (
                format!(
                    "rpc error: code = Unknown desc = Error response from daemon: manifest for {IMAGE} not found: manifest unknown: manifest unknown"
                ),
                "manifest for not found: manifest unknown: manifest unknown".to_owned(),
            ),
            (
                format!("Container image \"{IMAGE}\" is not present with pull policy of Never"),
                "Container image is not present with pull policy of Never".to_owned(),
            ),
            (
                format!(
                    "initializing source docker://{IMAGE}: reading manifest 5.8.5 in public.ecr.aws/emqx/emqx: denied"
                ),
                "reading manifest 5.8.5 in: denied".to_owned(),
            ),
        ];
        for (message, expected) in rows {
            assert_eq!(told(&message), expected, "{message}");
            let back_off = format!("Back-off pulling image \"{IMAGE}\": ErrImagePull: {message}");
            assert_eq!(told(&back_off), expected, "an error and its back-off read the same");
        }
    }

    /// A registry completes the name of an image.
    #[test]
    fn the_name_is_not_repeated_in_any_of_its_forms() {
        let digest = format!("sha256:{}", "18159b2b".repeat(8));
        let rows = [
            ("emqx/emqx:5", "docker.io/emqx/emqx:5"),
            ("emqx:5", "docker.io/library/emqx:5"),
            ("emqx", "docker.io/library/emqx:latest"),
            (&format!("r.example:5000/emqx/emqx@{digest}"), &format!("r.example:5000/emqx/emqx@{digest}")),
            (&format!("r.example/emqx/emqx:5@{digest}"), &format!("r.example/emqx/emqx@{digest}")),
        ];
        for (image, completed) in rows {
            let message = format!(
                "failed to pull and unpack image \"{completed}\": failed to resolve reference \"{completed}\": {completed}: not found"
            );
            assert_eq!(cause(&message, image), "not found", "{image}");
        }
    }

    #[test]
    fn a_kubelet_that_says_no_cause_is_not_quoted() {
        assert_eq!(told(&format!("Back-off pulling image \"{IMAGE}\"")), UNKNOWN);
        assert_eq!(told(""), UNKNOWN);
    }

    #[test]
    fn a_long_chain_keeps_its_end() {
        for middle in ["a: ".repeat(2000), "ü".repeat(2000), "\"".repeat(999)] {
            let told = told(&format!("{middle}: no such host"));
            assert!(told.chars().count() <= LONGEST && told.ends_with("no such host"), "{told}");
        }
    }
}
