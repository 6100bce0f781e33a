//! Titles over HTTP, from any of several nodes: whatever one of them cannot do, the next one does.
//!
//! [`ClusterClient`] asks one node after the other; [`resume`] reads a title on at another node in the middle of it;
//! [`HttpTitles`] is both of them as [`rain_titles::Titles`].
#![forbid(unsafe_code)]

mod cluster;
mod credential;
mod error;
pub mod resume;
mod titles;

pub use cluster::{ClusterClient, RequestBody, no_body};
pub use credential::Credential;
pub use error::{ClientError, ErrorObject};
pub use titles::{HttpTitle, HttpTitles};
