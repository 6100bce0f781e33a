//! What was found, for people and for programs.

use core::fmt::Write as _;

use super::suite::Suite;
use super::table::Bug;
use super::table::Mutant;
use super::{CPU_SECONDS_MAX, Finding};

/// The findings as JSON. All texts are of ASCII letters and signs, which Rust escapes as JSON does.
pub(super) fn record(bugs: &[Bug], findings: &[Finding], built: f64, cpu: &str) -> String {
    let row = |finding: &Finding| {
        let Mutant { file, text, instead, .. } = &bugs[finding.number - 1].mutant;
        let by = finding.by.as_ref().map_or("null".to_owned(), |by| format!("{by:?}"));
        let (number, seconds) = (finding.number, finding.cpu_seconds);
        let text: String = text.chars().filter(char::is_ascii).collect();
        format!(
            "{{\"bug\": {number}, \"file\": {file:?}, \"text\": {text:?}, \"instead\": {instead:?}, \"found_by\": {by}, \
             \"cpu_seconds\": {seconds:.2}}}"
        )
    };
    let rows: Vec<String> = findings.iter().map(row).collect();
    let rows = rows.join(",\n");
    format!(
        "{{\n\"what\": \"mutation\",\n\"cpu\": {cpu:?},\n\"build_cpu_seconds\": {built:.0},\n\"bugs\": [\n{rows}\n]\n}}\n"
    )
}

/// The findings as a page of the documents.
pub(super) fn page(suite: Suite, bugs: &[Bug], findings: &[Finding], built: f64, cpu: &str) -> String {
    let found = findings.iter().filter(|finding| finding.by.is_some()).count();
    let spent: f64 = findings.iter().map(|finding| finding.cpu_seconds).sum();
    let mut slowest: Vec<&Finding> = findings.iter().collect();
    slowest.sort_by(|left, right| right.cpu_seconds.total_cmp(&left.cpu_seconds));
    let slowest = slowest.iter().take(5).map(|finding| format!("{} ({:.1} s)", finding.number, finding.cpu_seconds));
    let mut page = format!(
        "# Mutation score\n\nWritten by `cargo xtask mutate{}`; do not edit. The bugs are in `{}`, \
         planted one by one in a copy\nof {}. A bug that no test finds fails the command, and so do tests \
         that take more than {CPU_SECONDS_MAX:.0} s of\nprocessor time for all of them.\n\nAll bugs are compiled into one \
         copy, each behind a question that an environment variable answers (Untch, Offutt, Harrold,\n\"Mutation Analysis \
         Using Mutant Schemata\", ISSTA 1993): one build serves them all. {}\n\n**{found} of {} bugs are found**, in \
         {spent:.0} s of processor time of an {cpu}; the build takes {built:.0} s more.\nThe slowest: {}.\n\n",
        suite.option(),
        suite.table(),
        suite.copied(),
        suite.remark(),
        findings.len(),
        slowest.collect::<Vec<_>>().join(", "),
    );
    let mut line = |text: String| writeln!(page, "{text}").expect("a string takes all");
    let tells_harm = bugs.iter().any(|bug| !bug.harm.is_empty());
    let harm = |harm: &str| if tells_harm { format!("{harm} | ") } else { String::new() };
    let rule = if tells_harm { "---|" } else { "" };
    line(format!("| bug | where | what stands there | instead | {}found by | s |", harm("what a user sees")));
    line(format!("|---|---|---|---|{rule}---|---|"));
    // A bar within code would end the cell of the table.
    let code = |text: &str| format!("`` {} ``", words(text).replace('|', "\\|"));
    for finding in findings {
        let bug = &bugs[finding.number - 1];
        let Mutant { file, text, instead, .. } = &bug.mutant;
        let by = finding.by.as_deref().unwrap_or("nothing");
        let (number, seconds, harm) = (finding.number, finding.cpu_seconds, harm(bug.harm));
        line(format!("| {number} | {file} | {} | {} | {harm}{by} | {seconds:.1} |", code(text), code(instead)));
    }
    if bugs.iter().any(|bug| bug.equivalent.is_some()) {
        line("\nNo bugs, though they look like it; they are not looked for:\n".to_owned());
        line(
            "| no bug | where | what stands there | instead | why it changes nothing |\n|---|---|---|---|---|"
                .to_owned(),
        );
    }
    for (number, bug) in (1..).zip(bugs) {
        let Mutant { file, text, instead, .. } = &bug.mutant;
        if let Some(proof) = bug.equivalent {
            line(format!("| {number} | {file} | {} | {} | {proof} |", code(text), code(instead)));
        }
    }
    page
}

/// A text in one line.
pub(super) fn words(text: &str) -> String {
    if text.contains('\n') { text.split_whitespace().collect::<Vec<_>>().join(" ") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_in_a_table_is_one_row() {
        let finding = Finding { number: 1, by: Some("codec x".to_owned()), cpu_seconds: 1.25 };
        let bugs = Suite::Codec.bugs();
        let record = record(&bugs, core::slice::from_ref(&finding), 60.0, "some CPU");
        assert!(record.contains("\"found_by\": \"codec x\", \"cpu_seconds\": 1.25}"), "{record}");
        let page = page(Suite::Codec, &bugs, &[finding], 60.0, "some CPU");
        assert!(page.contains("1 of 1 bugs are found"), "{page}");
        assert!(page.lines().last().unwrap().ends_with("| codec x | 1.2 |"), "{page}");
    }

    #[test]
    fn what_is_no_bug_stands_below_with_its_proof() {
        let bugs = Suite::Node.bugs();
        let page = page(Suite::Node, &bugs, &[], 60.0, "some CPU");
        let last = bugs.iter().filter_map(|bug| bug.equivalent).next_back().unwrap();
        assert!(page.lines().last().unwrap().ends_with(&format!("| {last} |")), "{page}");
        assert_eq!(words("if a {\n    b\n"), "if a { b");
    }
}
