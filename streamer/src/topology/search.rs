//! The searches, over all processors.

use core::ops::Range;
use rain_cluster::topology::{
    Badness, Construction, ConstructionError, LossKind, LossSearch, Topology, TopologyParameters, WiringSurvey, Worst,
    badness, first_nodes, offset_choices, survey,
};
use rayon::prelude::*;

/// As many sets of lost parts as a search takes: some hours.
pub const SETS_MAX: u64 = 100_000_000_000;
/// Sets that are looked at in a row.
const ROW: u64 = 1 << 16;

/// The worst that the loss of `lose` parts of a kind can do. `progress` hears of sets that were looked at, from many
/// threads. What comes out does not depend on how many there are.
///
/// # Errors
/// How many sets there are, when that is more than [`SETS_MAX`]; `None` where it cannot be counted.
pub fn worst(
    topology: &Topology,
    kind: LossKind,
    lose: usize,
    progress: impl Fn(u64) + Sync,
) -> Result<Worst, Option<u64>> {
    let search = LossSearch::new(topology, kind, lose);
    let sets = search.sets().filter(|sets| *sets <= SETS_MAX).ok_or_else(|| search.sets())?;
    let check = |row: u64| {
        let range: Range<u64> = row * ROW..(row * ROW + ROW).min(sets);
        let count = range.end - range.start;
        let found = search.check(range);
        progress(count);
        found
    };
    Ok((0..sets.div_ceil(ROW)).into_par_iter().map(check).reduce(Worst::default, Worst::merge))
}

/// The offsets that bear the loss of up to `lose` switches best: those of the diameter construction where none are
/// better. Returns them with what that loss does, and how many others there were.
///
/// # Errors
/// When there is no such ring.
///
/// # Panics
/// When so many switches are lost that their sets cannot be counted.
pub fn best_offsets(
    parameters: &TopologyParameters,
    lose: usize,
) -> Result<(Vec<usize>, Badness, usize), ConstructionError> {
    let with = |offsets: Vec<usize>| {
        TopologyParameters { construction: Construction::Offsets(offsets), ..parameters.clone() }.build()
    };
    TopologyParameters { construction: Construction::Diameter, ..parameters.clone() }.build()?;
    let choices = offset_choices(parameters.switches, parameters.node_degree.unwrap_or(2));
    let judge = |(place, offsets): (usize, &Vec<usize>)| Ok((badness(&with(offsets.clone())?, lose), place));
    let judged = choices.par_iter().enumerate().map(judge).collect::<Result<Vec<_>, ConstructionError>>()?;
    let (badness, place) = judged.into_iter().min().expect("the diameter construction's own");
    Ok((choices[place].clone(), badness, choices.len()))
}

/// Looks at every wiring of so many nodes with two ports on a ring of as many switches with four.
///
/// # Panics
/// With fewer than three or more than 64 switches.
pub fn survey_wirings(switches: usize, lose: usize, progress: impl Fn(u64) + Sync) -> WiringSurvey {
    let look = |first| {
        let found = survey(switches, first, lose);
        progress(1);
        found
    };
    first_nodes(switches).into_par_iter().map(look).reduce(WiringSurvey::default, WiringSurvey::merge)
}
