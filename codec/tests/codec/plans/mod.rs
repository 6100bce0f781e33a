//! Plans, against brute force, the tables of the papers, and real bytes.

mod brute;
mod partial;
mod read;
mod repair;
mod update;
mod wide;
