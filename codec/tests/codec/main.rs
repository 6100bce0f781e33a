//! The codec from outside, as its users see it.

mod codes;
mod columns;
mod costs;
mod families;
mod golden;
mod interleaved;
mod mdr;
mod oracle;
mod recovery;
mod reed_solomon;
