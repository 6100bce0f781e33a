//! The two suites: what is copied, which bugs are planted, and which programs of tests look for them.

use core::time::Duration;

use clap::ValueEnum;

use super::table::{BODIES, Bug, LEFT_OUT, Mutant};
use super::{node_table, table};

/// Which bugs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Those of kernels and codec.
    #[default]
    Codec,
    /// Those of cluster, desk, store and fetching.
    Node,
}

/// How a program of tests is run.
#[derive(Clone, Copy)]
pub(super) struct Tests {
    pub(super) program: &'static str,
    /// Where it runs.
    pub(super) folder: &'static str,
    pub(super) filter: &'static str,
    /// What it is not to run.
    pub(super) skip: &'static [&'static str],
    /// Whether it is of use only for the files below these folders.
    pub(super) files: &'static [&'static str],
    pub(super) variables: &'static [(&'static str, &'static str)],
}

/// In the order in which a bug is looked for: the simulation of whole clusters last.
const NODE_TESTS: [Tests; 5] = [
    Tests {
        program: "rain_cluster",
        folder: "cluster",
        filter: "",
        // Links and datagrams have no bugs here; those of the register are found by its tests by hand.
        skip: &["rudp::", "link::", "register::sim"],
        files: &["cluster/"],
        variables: &[],
    },
    Tests {
        program: "rain_fetch",
        folder: "node/fetch",
        filter: "",
        skip: &[],
        files: &["node/fetch/", "cluster/"],
        variables: &[("RAIN_SIM_SEEDS", "200")],
    },
    Tests {
        program: "rain_desk",
        folder: "node/desk",
        filter: "",
        skip: &[],
        files: &["node/desk/", "cluster/"],
        variables: &[],
    },
    Tests {
        program: "rain_node",
        folder: "node",
        filter: "store::",
        skip: &[],
        files: &["node/", "cluster/"],
        variables: &[],
    },
    Tests {
        program: "sim",
        folder: "node",
        filter: "",
        // It takes safeguards away by itself, one by one, and finds bugs by nothing that the others do not.
        skip: &["no_safeguard_is_superfluous"],
        files: &["node/src/", "node/desk/", "cluster/"],
        variables: &[("RAIN_SIM_SEEDS", "600")],
    },
];

impl Suite {
    /// Every bug, by number.
    pub(super) fn bugs(self) -> Vec<Bug> {
        let plain = |mutant: &Mutant| Bug { mutant: *mutant, harm: "", equivalent: None };
        match self {
            Self::Codec => table::ALL.iter().map(plain).collect(),
            Self::Node => node_table::ALL.to_vec(),
        }
    }

    /// Folder of the copy, in the folder where cargo builds.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Codec => "mutants",
            Self::Node => "mutants-node",
        }
    }

    /// The crates that are copied: those of the bugs, and all that they stand on.
    pub(super) fn crates(self) -> &'static [&'static str] {
        match self {
            Self::Codec => &["kernels", "codec"],
            Self::Node => &[
                "kernels",
                "codec",
                "cluster",
                "titles",
                "node/config",
                "node/wire",
                "node/fetch",
                "node/desk",
                "node",
            ],
        }
    }

    /// The crate that all others know, which says what bug is awake: its folder, and its name in Rust.
    pub(super) fn home(self) -> (&'static str, &'static str) {
        match self {
            Self::Codec => ("kernels", "rain_kernels"),
            Self::Node => ("cluster", "rain_cluster"),
        }
    }

    /// What cargo is to build.
    pub(super) fn build(self) -> &'static [&'static str] {
        match self {
            Self::Codec => &["test", "--no-run", "--lib", "--tests"],
            Self::Node => &[
                "test",
                "--no-run",
                "--release",
                "-p=rain-cluster",
                "-p=rain-fetch",
                "-p=rain-desk",
                "-p=rain-node",
                "--lib",
                "--test=sim",
            ],
        }
    }

    /// The programs of tests that there must be at least.
    pub(super) fn program_count(self) -> usize {
        match self {
            Self::Codec => self.crates().len(),
            Self::Node => NODE_TESTS.len(),
        }
    }

    /// How a program of this name is run, and its place in the order; `None` when it is of no use.
    pub(super) fn tests(self, name: &str) -> Option<(usize, Tests)> {
        let codec = Tests {
            program: "",
            folder: if name.starts_with("rain_kernels") { "kernels" } else { "codec" },
            filter: "",
            skip: &LEFT_OUT,
            files: &[""],
            variables: &[("PROPTEST_CASES", "64")],
        };
        match self {
            Self::Codec => Some((0, codec)),
            Self::Node => NODE_TESTS.iter().copied().enumerate().find(|(_, tests)| tests.program == name),
        }
    }

    /// A bug may make a test run for ever: what one program may take of the processor, in seconds.
    pub(super) fn patience_cpu_seconds(self) -> f64 {
        match self {
            Self::Codec => 120.0,
            Self::Node => 60.0,
        }
    }

    /// And of time, for one that only waits. Much, for the machine may be busy with other things.
    pub(super) fn patience(self) -> Duration {
        match self {
            Self::Codec => Duration::from_mins(20),
            Self::Node => Duration::from_mins(5),
        }
    }

    /// How many bugs are looked for at a time.
    pub(super) fn workers(self) -> usize {
        match self {
            Self::Codec => 1,
            Self::Node => 2,
        }
    }

    /// What it is called on the command line, where it must be named.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Codec => "",
            Self::Node => " --suite node",
        }
    }

    pub(super) fn page(self) -> &'static str {
        match self {
            Self::Codec => "docs/mutation.md",
            Self::Node => "docs/mutation-node.md",
        }
    }

    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Codec => "xtask/src/mutate/table.rs",
            Self::Node => "xtask/src/mutate/node_table.rs",
        }
    }

    /// What the page says of what was copied.
    pub(super) fn copied(self) -> String {
        match self {
            Self::Codec => "codec and kernels".to_owned(),
            Self::Node => "cluster, fetching, desk and node".to_owned(),
        }
    }

    /// What the page says besides.
    pub(super) fn remark(self) -> String {
        match self {
            Self::Codec => format!(
                "Of the kernels' straight-line bodies,\n{} are in the copy; the machine code of all is proven \
                 ([proof.md](proof.md)).",
                BODIES.join(", ")
            ),
            Self::Node => {
                "Whoever chose\nthe bugs had read the sources and no test, but for four where a fault had been mended. They \
                 are looked for by the tests\nof cluster, fetching, desk and store, and last by the simulation of whole \
                 clusters with few seeds\n([simulation.md](simulation.md))."
                    .to_owned()
            }
        }
    }
}
