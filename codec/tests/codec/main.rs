//! The codec from outside, as its users see it.

mod codes;
mod columns;
mod costs;
mod families;
mod golden;
mod interleaved;
mod oracle;
mod plans;
mod recovery;
mod reed_solomon;
