//! Who asks, and what of what is asked for they may have.

use super::ApiError;
use core::net::IpAddr;
use hyper::StatusCode;
use rain_config::{AccessToken, Role};
use serde::Serialize;
use std::sync::Arc;

/// Who asks. Rooms take it as it is: [`Access`](super::access::Access) alone makes it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Where from.
    pub(crate) address: IpAddr,
    /// As whom.
    pub(crate) standing: Standing,
}

/// As whom somebody asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As whoever a token is of, wherever from.
    Token {
        /// The token.
        token: Arc<AccessToken>,
        /// It was presented at a login, and now its cookie is.
        by_login: bool,
    },
    /// From this machine, while nobody has a token.
    Loopback,
    /// As anybody else.
    Stranger,
}

/// What a request needs its caller to be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing.
    Nothing,
    /// To read the title.
    Read(String),
    /// To store or delete the title.
    Write(String),
    /// To change how the node or the demo is.
    Operate,
}

impl Demand {
    /// The least role that may.
    fn role(&self) -> Role {
        match self {
            Self::Nothing | Self::Read(_) => Role::Viewer,
            Self::Write(_) => Role::Publisher,
            Self::Operate => Role::Operator,
        }
    }

    fn title(&self) -> Option<&str> {
        match self {
            Self::Read(title) | Self::Write(title) => Some(title),
            Self::Nothing | Self::Operate => None,
        }
    }
}

impl Caller {
    /// What the caller is called: the name of a token, or what stands for having none.
    pub(crate) fn name(&self) -> &str {
        match &self.standing {
            Standing::Token { token, .. } => &token.name,
            Standing::Loopback => "loopback",
            Standing::Stranger => "stranger",
        }
    }

    /// With what the titles begin that the caller may have; empty for all.
    pub(crate) fn scope(&self) -> &str {
        match &self.standing {
            Standing::Token { token, .. } => &token.prefix,
            Standing::Loopback | Standing::Stranger => "",
        }
    }

    /// The highest role that the caller has. Who proves nothing may read.
    pub(crate) fn role(&self) -> Role {
        match &self.standing {
            Standing::Token { token, .. } => token.role,
            Standing::Loopback => Role::Operator,
            Standing::Stranger => Role::Viewer,
        }
    }

    /// Whether the caller may have what is demanded.
    ///
    /// # Errors
    /// 401 for a stranger who needs a token; 403 for whoever has one that does not do.
    pub(crate) fn allow(&self, demand: &Demand) -> Result<(), ApiError> {
        let (role, expected) = (self.role(), demand.role());
        if self.standing == Standing::Stranger && role < expected {
            let message = format!(
                "this needs `Authorization: Bearer` with the token of a {expected}, or, while nobody has one, to come from \
                 this machine and through no proxy"
            );
            return Err(
                ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message).with("no token", expected.name())
            );
        }
        let forbidden = |message| ApiError::new(StatusCode::FORBIDDEN, "forbidden", message);
        if role < expected {
            let message =
                format!("the token `{}` is that of a {role}, and this needs that of a {expected}", self.name());
            return Err(forbidden(message).with(role.name(), expected.name()));
        }
        match demand.title() {
            Some(title) if !title.starts_with(self.scope()) => {
                Err(forbidden(self.out_of_scope("title", title)).with(title, self.scope()))
            }
            _ => Ok(()),
        }
    }

    /// What the prefix of a list is, for the caller to be given nothing else: its own, or the caller's scope where that says
    /// more.
    ///
    /// # Errors
    /// 403 where the two have nothing in common, or only folders above the scope would be listed.
    pub(crate) fn narrow(&self, prefix: String, folders: bool) -> Result<String, ApiError> {
        let scope = self.scope();
        if prefix.starts_with(scope) {
            Ok(prefix)
        } else if scope.starts_with(&prefix) && !folders {
            Ok(scope.to_owned())
        } else {
            let message = self.out_of_scope("prefix", &prefix);
            Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).with(prefix, scope))
        }
    }

    fn out_of_scope(&self, what: &str, found: &str) -> String {
        let (name, scope) = (self.name(), self.scope());
        format!("the token `{name}` is for titles that begin with `{scope}`, found the {what} `{found}`")
    }

    /// As people and the console are told.
    pub(crate) fn report(&self) -> CallerReport<'_> {
        let login = matches!(self.standing, Standing::Token { by_login: true, .. });
        CallerReport { name: self.name(), role: self.role().name(), prefix: self.scope(), login }
    }
}

/// Who asks, as `GET /api/v1/caller` tells it.
#[derive(Debug, Serialize)]
pub(crate) struct CallerReport<'a> {
    name: &'a str,
    role: &'a str,
    prefix: &'a str,
    /// Known by a login, which can be ended.
    login: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role, prefix: &str) -> Caller {
        let hash = blake3::hash(b"");
        let token = Arc::new(AccessToken { name: "alice".to_owned(), role, prefix: prefix.to_owned(), hash });
        Caller { address: [10, 0, 0, 2].into(), standing: Standing::Token { token, by_login: false } }
    }

    fn demands() -> [Demand; 4] {
        [Demand::Nothing, Demand::Read("films/a".into()), Demand::Write("films/a".into()), Demand::Operate]
    }

    fn allowed(caller: &Caller) -> [u16; 4] {
        demands().map(|demand| caller.allow(&demand).map_or_else(|error| error.status().as_u16(), |()| 200))
    }

    #[test]
    fn each_may_what_the_role_says() {
        assert_eq!(allowed(&caller(Role::Viewer, "")), [200, 200, 403, 403]);
        assert_eq!(allowed(&caller(Role::Publisher, "")), [200, 200, 200, 403]);
        assert_eq!(allowed(&caller(Role::Operator, "")), [200, 200, 200, 200]);
        let without = |standing| Caller { standing, ..caller(Role::Viewer, "") };
        assert_eq!(allowed(&without(Standing::Loopback)), [200, 200, 200, 200]);
        assert_eq!(allowed(&without(Standing::Stranger)), [200, 200, 401, 401]);
    }

    #[test]
    fn a_scope_holds_for_reads_and_writes() {
        assert_eq!(allowed(&caller(Role::Publisher, "films/")), [200, 200, 200, 403]);
        assert_eq!(allowed(&caller(Role::Publisher, "films/a")), [200, 200, 200, 403]);
        assert_eq!(allowed(&caller(Role::Publisher, "films/ab")), [200, 403, 403, 403]);
        assert_eq!(allowed(&caller(Role::Viewer, "film/")), [200, 403, 403, 403]);
    }

    #[test]
    fn a_list_is_of_what_is_in_scope() {
        let narrow = |scope, prefix: &str, folders| {
            caller(Role::Viewer, scope).narrow(prefix.to_owned(), folders).map_err(|error| error.status().as_u16())
        };
        for (scope, prefix, folders, expected) in [
            ("", "", true, Ok("")),
            ("", "films/", false, Ok("films/")),
            ("films/", "", false, Ok("films/")),
            ("films/", "fil", false, Ok("films/")),
            ("films/", "films/a", true, Ok("films/a")),
            ("films/", "", true, Err(403)),
            ("films/", "series/", false, Err(403)),
            ("films/", "filmz", false, Err(403)),
        ] {
            assert_eq!(narrow(scope, prefix, folders), expected.map(str::to_owned), "{scope}, {prefix}");
        }
    }
}
