//! Survey
mod image;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};

pub(crate) fn run() -> Result<()> {
    let image = image::Image::own()?;
    let mut mn: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for body in rain_kernels::straight::bodies() {
        for entry in body.entry_points() {
            let start = image.file_address(entry.address)?;
            names.insert((body.name, entry.instruction_set, start, image.name_at(start).to_owned()));
            let mut todo = vec![start];
            let mut seen = BTreeSet::new();
            while let Some(mut at) = todo.pop() {
                loop {
                    if !seen.insert(at) { break; }
                    let mut d = Decoder::with_ip(64, image.code_at(at).unwrap(), at, DecoderOptions::NONE);
                    let i: Instruction = d.decode();
                    let key = format!("{:?}", i.code());
                    let e = mn.entry(key).or_insert((0, format!("{} {} {i}", body.name, entry.instruction_set)));
                    e.0 += 1;
                    match i.flow_control() {
                        FlowControl::Next => at = i.next_ip(),
                        FlowControl::UnconditionalBranch => at = i.near_branch_target(),
                        FlowControl::ConditionalBranch => { todo.push(i.near_branch_target()); at = i.next_ip(); }
                        FlowControl::Call => {
                            let t = i.near_branch_target();
                            names.insert((body.name, "call", t, image.name_at(t).to_owned()));
                            if image.name_at(t).contains("vectorize") { todo.push(t); }
                            at = i.next_ip();
                        }
                        _ => break,
                    }
                }
            }
        }
    }
    for n in names { println!("{n:x?}"); }
    for (k, v) in mn { println!("{k} {} {}", v.0, v.1); }
    Ok(())
}
