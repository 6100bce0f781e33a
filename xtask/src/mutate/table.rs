//! The bugs: where each is, and which test should find it.

/// A bug of either table.
#[derive(Clone, Copy)]
pub(super) struct Bug {
    pub(super) mutant: Mutant,
    /// What goes wrong for a user; empty where the place says it.
    pub(super) harm: &'static str,
    /// Why it is none: it is shown, and not looked for.
    pub(super) equivalent: Option<&'static str>,
}

/// A bug to plant.
#[derive(Clone, Copy)]
pub(super) struct Mutant {
    pub(super) file: &'static str,
    /// Text that is in the file once; the expression between `«` and `»` is what is replaced.
    pub(super) text: &'static str,
    pub(super) instead: &'static str,
    /// Which test program is tried first, and which of its tests; the others follow when these do not find it.
    pub(super) first: (&'static str, &'static str),
}

/// Bodies that are compiled: the others take a minute and are made by the same program.
pub(super) const BODIES: [&str; 5] = ["b_code_4", "b_code_5", "b_code_6", "rs_6_3", "x_code_5"];

/// Tests that ask for the bodies that are left out.
pub(super) const LEFT_OUT: [&str; 2] = [
    "interleaved::codes_of_the_benchmark_have_bodies_for_every_pattern",
    "interleaved::reed_solomon_codes_of_the_benchmark_have_bodies_for_parity_and_one_lost",
];

/// Every bug.
pub(super) const ALL: &[Mutant] = &[
    Mutant {
        file: "codec/src/code/x_code.rs",
        text: "Cell::new((«column + row + 2») % p, row)",
        instead: "column + row + 1",
        first: ("rain_codec", "x_code"),
    },
    Mutant {
        file: "codec/src/code/x_code.rs",
        text: "Cell::new((«column + p - row - 2») % p, row)",
        instead: "column + p - row - 1",
        first: ("rain_codec", "x_code"),
    },
    Mutant {
        file: "codec/src/code/reed_solomon.rs",
        text: "**product >> «row» & 1 == 1",
        instead: "(row ^ 1)",
        first: ("codec", "reed_solomon::two_and_two"),
    },
    Mutant {
        file: "codec/src/code/reed_solomon.rs",
        text: "if shifted >> bits == 1 { «shifted ^ polynomial» } else",
        instead: "shifted",
        first: ("rain_codec", "fields_are_fields"),
    },
    Mutant {
        file: "codec/src/code/reed_solomon.rs",
        text: "self.powers[«self.logarithms[usize::from(left)] + self.logarithms[usize::from(right)]»]",
        instead: "self.logarithms[usize::from(left)]",
        first: ("rain_codec", "reed_solomon"),
    },
    Mutant {
        file: "codec/src/code/reed_solomon.rs",
        text: "self.powers[«self.powers.len() / 2 - self.logarithms[usize::from(element)]»]",
        instead: "self.powers.len() / 2 - 1 - self.logarithms[usize::from(element)]",
        first: ("rain_codec", "reed_solomon"),
    },
    Mutant {
        file: "codec/src/code/mod.rs",
        text: "self.columns() - «self.tolerates»",
        instead: "1",
        first: ("codec", "codes::sizes"),
    },
    Mutant {
        file: "codec/src/schedule/peel.rs",
        text: "sources.filter(|&cell| «cell != entry.cell»)",
        instead: "true",
        first: ("codec", "recovery::every_pattern"),
    },
    Mutant {
        file: "codec/src/schedule/peel.rs",
        text: "if «cost < best.0» {",
        instead: "cost > best.0",
        first: ("codec", "costs::one_lost_column"),
    },
    Mutant {
        file: "codec/src/schedule/peel.rs",
        text: "(«count_missing(&read, &option.inputs)», way)",
        instead: "count(&option.inputs)",
        first: ("codec", "costs::"),
    },
    Mutant {
        file: "codec/src/schedule/peel.rs",
        text: "«option.reads.iter().for_each(|&read| live[read] = true)»;",
        instead: "()",
        first: ("codec", "recovery::every_pattern"),
    },
    Mutant {
        file: "codec/src/schedule/eliminate.rs",
        text: "zip(&other.words).for_each(|(word, other)| «*word ^= other»)",
        instead: "*word |= other",
        first: ("rain_codec", "eliminate"),
    },
    Mutant {
        file: "codec/src/schedule/pattern.rs",
        text: "|= 1 << («column % WORD_BITS»);",
        instead: "column % (WORD_BITS - 1)",
        first: ("rain_codec", "pattern"),
    },
    Mutant {
        file: "codec/src/schedule/mod.rs",
        text: "copied().filter(|&cell| «!is_lost(cell)»)",
        instead: "true",
        first: ("codec", "recovery::every_pattern"),
    },
    Mutant {
        file: "codec/src/schedule/mod.rs",
        text: "if «lost.len() > code.tolerates()» {",
        instead: "lost.len() > code.tolerates() + 1",
        first: ("codec", "recovery::refusals"),
    },
    Mutant {
        file: "codec/src/schedule/symbolic.rs",
        text: "if «*value != targets[target]» {",
        instead: "value.is_empty()",
        first: ("rain_codec", "symbolic"),
    },
    Mutant {
        file: "codec/src/schedule/turn.rs",
        text: "{ (column + turning - «by») % turning }",
        instead: "by / 2",
        first: ("codec", "interleaved::every_code"),
    },
    Mutant {
        file: "codec/src/interleaved.rs",
        text: "«columns[..turning].rotate_right(by)»;",
        instead: "()",
        first: ("codec", "interleaved::every_code"),
    },
    Mutant {
        file: "codec/src/interleaved.rs",
        text: "run_columns(program, «by % self.code.rows()», layout",
        instead: "0",
        first: ("codec", "interleaved::every_code"),
    },
    Mutant {
        file: "codec/src/recent.rs",
        text: "entries.values.len() >= «self.most» ||",
        instead: "self.most + 1",
        first: ("rain_codec", "stripe"),
    },
    Mutant {
        file: "codec/src/column/checksum.rs",
        text: "if «crcs.len().is_multiple_of(2)» {",
        instead: "crcs.is_empty()",
        first: ("rain_codec", "checksum"),
    },
    Mutant {
        file: "codec/src/column/checksum.rs",
        text: "left &= «left - 1»;",
        instead: "left - 1 - (left & 2)",
        first: ("rain_codec", "checksum"),
    },
    Mutant {
        file: "codec/src/column/checksum.rs",
        text: "let place = «u64::from(row) << 32» | u64::from(block);",
        instead: "u64::from(row)",
        first: ("rain_codec", "checksum"),
    },
    Mutant {
        file: "codec/src/column/checksum.rs",
        text: "mix(mix(self.column ^ mix(«stripe»)) ^ place)",
        instead: "stripe >> 1",
        first: ("rain_codec", "checksum"),
    },
    Mutant {
        file: "codec/src/column/geometry.rs",
        text: "self.title_bytes.div_ceil(«self.full_data_bytes()»)",
        instead: "self.full_data_bytes() + 1",
        first: ("rain_codec", "geometry"),
    },
    Mutant {
        file: "codec/src/column/geometry.rs",
        text: "self.cell_bytes.min(«start.saturating_add(self.block_bytes)»);",
        instead: "start.saturating_add(self.block_bytes) + 1",
        first: ("rain_codec", "geometry"),
    },
    Mutant {
        file: "codec/src/column/geometry.rs",
        text: "u64::from(self.blocks_per_cell()) + «u64::from(block)»;",
        instead: "0",
        first: ("rain_codec", "geometry"),
    },
    Mutant {
        file: "codec/src/column/geometry.rs",
        text: "HEADER_BYTES as u64 + «index» * full.record_bytes()",
        instead: "(index / 2)",
        first: ("rain_codec", "geometry"),
    },
    Mutant {
        file: "codec/src/column/encoder.rs",
        text: "«padding.fill(0)»;",
        instead: "()",
        first: ("codec", "columns"),
    },
    Mutant {
        file: "codec/src/column/encoder.rs",
        text: "data_bytes.saturating_sub(«index * cell_bytes»)",
        instead: "index * cell_bytes + 1",
        first: ("codec", "columns"),
    },
    Mutant {
        file: "codec/src/column/header/mod.rs",
        text: "if «self.column >= columns» {",
        instead: "self.column > columns",
        first: ("rain_codec", "header"),
    },
    Mutant {
        file: "codec/src/column/header/mod.rs",
        text: "if «stored == computed» { Ok(())",
        instead: "true",
        first: ("rain_codec", "header"),
    },
    Mutant {
        file: "codec/src/column/header/fields.rs",
        text: "find(|&offset| «self.bytes[offset] != 0»)",
        instead: "false",
        first: ("rain_codec", "header"),
    },
    Mutant {
        file: "codec/src/column/header/fields.rs",
        text: "if «length > max» {",
        instead: "false",
        first: ("rain_codec", "header"),
    },
    Mutant {
        file: "kernels/src/interpreter.rs",
        text: "&*self.earlier[«number - self.inputs.len()»]",
        instead: "0",
        first: ("against_naive", ""),
    },
    Mutant {
        file: "kernels/src/interpreter.rs",
        text: "for group in &groups[«1..»]",
        instead: "2..",
        first: ("against_naive", ""),
    },
    Mutant {
        file: "kernels/src/interpreter.rs",
        text: "for single in &singles[«1..»]",
        instead: "2..",
        first: ("against_naive", ""),
    },
    Mutant {
        file: "kernels/src/interpreter.rs",
        text: "tails.iter().fold(«before», ",
        instead: "0",
        first: ("against_naive", ""),
    },
    Mutant {
        file: "kernels/src/interpreter.rs",
        text: "*out = «if ONTO { simd.xor_u8s(sum, *out) } else { sum }»;",
        instead: "sum",
        first: ("against_naive", ""),
    },
    Mutant {
        file: "kernels/src/interpreter.rs",
        text: "«xor_group(simd, &mut sum, out)»;",
        instead: "()",
        first: ("against_naive", ""),
    },
    Mutant {
        file: "kernels/src/interpreter.rs",
        text: "simd.xor_u8s(sum[vector], «cell[vector]»)",
        instead: "cell[0]",
        first: ("columns", ""),
    },
    Mutant {
        file: "kernels/src/columns.rs",
        text: "if row < upper { «line * upper + row» } else",
        instead: "line * upper + (upper - 1 - row)",
        first: ("columns", ""),
    },
    Mutant {
        file: "kernels/src/columns.rs",
        text: "line * (self.rows - upper) + («row - upper»)",
        instead: "0",
        first: ("columns", ""),
    },
    Mutant {
        file: "kernels/src/columns.rs",
        text: "{ row } else { («row + turn») % self.rows }",
        instead: "row + turn + 1",
        first: ("columns", ""),
    },
    Mutant {
        file: "kernels/src/columns.rs",
        text: "Self::Interleaved | Self::Divided => «rows * LINE_BYTES»,",
        instead: "rows",
        first: ("codec", "interleaved::columns_of_half"),
    },
    Mutant {
        file: "kernels/src/kernel.rs",
        text: "(«cell_len - LINE_BYTES», 1, Stores::Normal)",
        instead: "lines * LINE_BYTES - LINE_BYTES",
        first: ("columns", ""),
    },
    Mutant {
        file: "kernels/src/memory.rs",
        text: "from_fn(|row| («row + self.turn») % R)",
        instead: "row",
        first: ("columns", ""),
    },
    Mutant {
        file: "kernels/src/program.rs",
        text: "if «self.sources[first..].contains(&number)» {",
        instead: "false",
        first: ("rain_kernels", "program"),
    },
    Mutant {
        file: "kernels/src/program.rs",
        text: "else { «self.ends[step - 1]» };",
        instead: "0",
        first: ("rain_kernels", "program"),
    },
    Mutant {
        file: "kernels/src/program.rs",
        text: ".filter(|_| «source_cell < defined»)",
        instead: "source_cell <= defined",
        first: ("rain_kernels", "program"),
    },
    Mutant {
        file: "kernels/src/kernel.rs",
        text: "let can_stream = «cell_len.is_multiple_of(LINE_BYTES)» && columns",
        instead: "true",
        first: ("columns", ""),
    },
    Mutant {
        file: "kernels/src/kernel.rs",
        text: "let stores = if «outputs.iter().all(|cell| is_aligned(cell))» { stores }",
        instead: "true",
        first: ("columns", ""),
    },
    Mutant {
        file: "codec/src/plan/update.rs",
        text: "target.iter_mut().zip(&*delta).for_each(|(byte, delta)| «*byte ^= delta»)",
        instead: "*byte |= delta",
        first: ("codec", "plans::"),
    },
    Mutant {
        file: "codec/src/plan/update.rs",
        text: "*delta = «*old ^ new»;",
        instead: "new",
        first: ("codec", "plans::"),
    },
    Mutant {
        file: "codec/src/integrity.rs",
        text: "*explained &= lane.iter().all(|byte| «*byte == 0»)",
        instead: "true",
        first: ("codec", "integrity::"),
    },
    Mutant {
        file: "codec/src/integrity.rs",
        text: "if explains && «found[lane].replace(column).is_some()» {",
        instead: "found[lane].replace(column).is_none()",
        first: ("codec", "integrity::"),
    },
    Mutant {
        file: "codec/src/file/stripe_reader.rs",
        text: "Ok(()) if «self.title.seals[column].crc(stripe, row, block, stored) == crc» => State::Sound,",
        instead: "true",
        first: ("codec", "files::"),
    },
    Mutant {
        file: "codec/src/file/encode.rs",
        text: "if «offset + record.len() as u64 <= *earlier && is_there(file, offset, record, scratch)» {",
        instead: "offset + record.len() as u64 <= *earlier",
        first: ("codec", "files::"),
    },
];
