//! Access tokens: what a header presents is a secret or nothing, and a configuration has tokens that can be told apart or is
//! refused.
//!
//! Oracle: the form of a secret and of a header, byte by byte; for tokens made of parts, what the parts say of each other, and
//! that each is found by its own secret and by no other.
#![no_main]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_config::{Config, RESERVED_NAMES, Role, SECRET_BYTES, TokenSecret};

#[derive(Debug, Arbitrary)]
enum Case<'a> {
    Header(&'a [u8]),
    /// A header that is nearly right.
    Near {
        scheme: &'a str,
        spaces: u8,
        random: [u8; SECRET_BYTES],
        spoil: Option<(u8, u8)>,
    },
    Tokens(Vec<Part<'a>>),
}

#[derive(Debug, Arbitrary)]
struct Part<'a> {
    name: Name<'a>,
    random: [u8; 2],
    role: u8,
    prefix: Option<&'a str>,
}

#[derive(Debug, Arbitrary)]
enum Name<'a> {
    Plain(u8),
    Reserved(u8),
    Any(&'a str),
}

impl Name<'_> {
    fn text(&self) -> String {
        match self {
            Name::Plain(number) => format!("token-{number}"),
            Name::Reserved(number) => RESERVED_NAMES[usize::from(*number) % RESERVED_NAMES.len()].to_owned(),
            Name::Any(text) => (*text).to_owned(),
        }
    }
}

/// The secret that a header presents, by the rules of its form.
fn presented(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(6)?;
    let begin = rest.iter().position(|byte| *byte != b' ')?;
    let end = rest.iter().rposition(|byte| *byte != b' ')? + 1;
    let secret = &rest[begin..end];
    let digits = secret.strip_prefix(b"rain_")?;
    let is_hexadecimal = digits.iter().all(|byte| b"0123456789abcdef".contains(byte));
    (scheme.eq_ignore_ascii_case(b"bearer") && begin > 0 && digits.len() == 64 && is_hexadecimal).then_some(secret)
}

fn check_header(header: &[u8]) {
    let found = TokenSecret::of_authorization(header);
    assert_eq!(found.as_ref().map(|secret| secret.text().as_bytes()), presented(header), "{}", header.escape_ascii());
    if let Some(secret) = found {
        assert_eq!(TokenSecret::parse(secret.text()), Some(secret.clone()));
        assert_eq!(secret.hash(), blake3::hash(secret.text().as_bytes()));
        assert!(!format!("{secret:?}").contains(&secret.text()[5..20]), "it is printed");
    }
}

/// A string in TOML; JSON's are, but for the character DEL.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string").replace('\u{7f}', "\\u007f")
}

impl Part<'_> {
    fn secret(&self) -> TokenSecret {
        let mut bytes = [0; SECRET_BYTES];
        bytes[..2].copy_from_slice(&self.random);
        TokenSecret::of_random(bytes)
    }

    fn role(&self) -> &'static str {
        ["viewer", "publisher", "operator", "root"][usize::from(self.role % 4)]
    }

    fn is_sound(&self) -> bool {
        let (name, prefix) = (self.name.text(), self.prefix.unwrap_or_default());
        let is_name = (1..=64).contains(&name.len()) && name.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        let is_prefix = prefix.len() <= 255 && !prefix.starts_with('/') && !prefix.chars().any(char::is_control);
        let is_role = match self.role() {
            "root" => false,
            "operator" => prefix.is_empty(),
            _ => true,
        };
        is_name && !["loopback", "stranger", "signal"].contains(&name.as_str()) && is_prefix && is_role
    }
}

/// A node's configuration.
const NODE: &str = r#"
node = "A"
id = "0000000a"
data = ["/x"]
code = "replica:2"
listen = "127.0.0.1:80"
interfaces = [{ switch = "s1", address = "127.0.0.1:9001" }]
peers = [{ name = "B", id = "0000000b", http = "http://b", addresses = { s1 = "127.0.0.2:9001" } }]
"#;

fn check_tokens(parts: &[Part<'_>]) {
    let mut file = NODE.to_owned();
    for part in parts {
        let (name, hash, role) = (quoted(&part.name.text()), part.secret().hash(), part.role());
        writeln!(file, "[[tokens]]\nname = {name}\nhash = \"{hash}\"\nrole = \"{role}\"").expect("a string takes all");
        if let Some(prefix) = part.prefix {
            writeln!(file, "prefix = {}", quoted(prefix)).expect("a string takes all");
        }
    }
    let names: BTreeSet<String> = parts.iter().map(|part| part.name.text()).collect();
    let secrets: BTreeSet<[u8; 2]> = parts.iter().map(|part| part.random).collect();
    let is_sound = parts.iter().all(Part::is_sound) && names.len() == parts.len() && secrets.len() == parts.len();
    let read = Config::parse(Path::new("node.toml"), &file, [].into_iter());
    match (read, is_sound) {
        (Ok(config), true) => {
            let tokens = config.reloadable.tokens;
            assert_eq!((tokens.len(), tokens.is_empty()), (parts.len(), parts.is_empty()));
            for part in parts {
                let found = tokens.find(&part.secret().hash()).expect("a token of the file");
                let expected = (part.name.text(), part.role(), part.prefix.unwrap_or_default());
                assert_eq!((found.name.clone(), found.role.name(), found.prefix.as_str()), expected);
                assert_eq!(Role::named(found.role.name()).ok(), Some(found.role));
            }
            assert!(tokens.find(&TokenSecret::of_random([0xff; SECRET_BYTES]).hash()).is_none());
        }
        (Err(_), false) => {}
        (Err(error), true) => panic!("{error}:\n{file}"),
        (Ok(_), false) => panic!("taken:\n{file}"),
    }
}

fuzz_target!(|case: Case<'_>| {
    match case {
        Case::Header(header) => check_header(header),
        Case::Near { scheme, spaces, random, spoil } => {
            let secret = TokenSecret::of_random(random);
            let mut header = format!("{scheme}{}{}", " ".repeat(usize::from(spaces % 4)), secret.text()).into_bytes();
            if let Some((place, byte)) = spoil {
                let place = usize::from(place) % header.len();
                header[place] = byte;
            }
            check_header(&header);
        }
        Case::Tokens(parts) => check_tokens(&parts[..parts.len().min(20)]),
    }
});
