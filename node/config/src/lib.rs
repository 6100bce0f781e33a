//! The configuration of a node: one TOML file, each key of which `RAIN_*` in the environment can override.
//!
//! Read and checked once, into values that the rest of the node need not doubt. No socket, no clock.
#![forbid(unsafe_code)]

mod check;
mod config;
mod error;
mod file;
mod join;
mod keys;
mod limits;
mod member;
mod reloadable;
mod secret;
mod token;

pub use config::{Config, Minted, PathAddresses};
pub use error::ConfigError;
pub use file::{override_names, variables};
pub use join::Join;
pub use keys::NodeKeys;
pub use limits::Limits;
pub use member::{DemoMember, Interface, Member, VerifyReads};
pub use reloadable::Reloadable;
pub use token::{AccessToken, AccessTokens, RESERVED_NAMES, Role, SECRET_BYTES, TOKENS_MAX, TokenSecret};
