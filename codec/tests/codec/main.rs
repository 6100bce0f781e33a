//! The codec from outside, as its users see it.

mod codes;
mod columns;
mod costs;
mod families;
mod files;
mod golden;
mod integrity;
mod interleaved;
mod mdr;
mod oracle;
mod plans;
mod random;
mod recovery;
mod reed_solomon;
