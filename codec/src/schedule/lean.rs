//! Schedules with temporary cells: sums that several targets have in common, made once.

use rain_kernels::Program;

use super::share::{self, Effort, Shared};

/// For encoding, which is planned once.
pub(super) const ENCODE: Effort = Effort { times: 512, words: 1 << 25 };
/// For a pattern of lost columns, which somebody waits for.
pub(super) const RECOVER: Effort = Effort { times: 32, words: 1 << 20 };

/// A program that makes targets by way of temporary cells.
///
/// Shape: inputs are numbered as the schedule's; each step is a temporary cell or a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lean {
    pub(super) program: Program,
    /// For each step, which target it makes; none for a temporary cell.
    pub(super) targets: Vec<Option<usize>>,
}

impl Lean {
    /// Finds a program of fewer XORs than `xor_count`. `None` when none was found.
    ///
    /// Shape: `steps` define cells from `inputs` on, in order, each as the XOR of earlier ones.
    pub(super) fn of(inputs: usize, steps: &[Vec<usize>], xor_count: usize, effort: Effort) -> Option<Self> {
        let sums = written_out(inputs, steps);
        if !share::can_share(inputs, &sums) {
            return None;
        }
        let shared = share::share(inputs, &sums, effort);
        if shared.xor_count() >= xor_count {
            return None;
        }
        Emission::of(inputs, &shared).finish(&shared)
    }

    pub(super) fn temporaries(&self) -> usize {
        self.targets.iter().filter(|target| target.is_none()).count()
    }
}

/// Each step as the inputs that it is the XOR of, in ascending order.
pub(super) fn written_out(inputs: usize, steps: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut sums: Vec<Vec<bool>> = Vec::with_capacity(steps.len());
    for sources in steps {
        let mut sum = vec![false; inputs];
        for &source in sources {
            match source.checked_sub(inputs) {
                None => sum[source] ^= true,
                Some(step) => sum.iter_mut().zip(&sums[step]).for_each(|(bit, other)| *bit ^= other),
            }
        }
        sums.push(sum);
    }
    let members = |sum: &Vec<bool>| (0..inputs).filter(|&input| sum[input]).collect();
    sums.iter().map(members).collect()
}

/// Steps written so far.
struct Emission {
    inputs: usize,
    /// For each term, its number in the program.
    numbers: Vec<Option<usize>>,
    /// For each pair, the target that is nothing else.
    target_of_pair: Vec<Option<usize>>,
    steps: Vec<Vec<usize>>,
    targets: Vec<Option<usize>>,
}

impl Emission {
    fn of(inputs: usize, shared: &Shared) -> Self {
        let mut numbers: Vec<Option<usize>> = (0..inputs).map(Some).collect();
        numbers.resize(inputs + shared.pairs.len(), None);
        let mut target_of_pair = vec![None; shared.pairs.len()];
        for (target, terms) in shared.sums.iter().enumerate() {
            if let [term] = terms[..]
                && term >= inputs
            {
                target_of_pair[term - inputs].get_or_insert(target);
            }
        }
        Self { inputs, numbers, target_of_pair, steps: Vec::new(), targets: Vec::new() }
    }

    /// Writes each target as soon as its terms are there, and terms no earlier than they are needed: what was made just now
    /// is still in the caches.
    fn finish(mut self, shared: &Shared) -> Option<Lean> {
        for (target, terms) in shared.sums.iter().enumerate() {
            let mut open = terms.clone();
            let mut needed: Vec<usize> = Vec::new();
            while let Some(term) = open.pop() {
                if self.numbers[term].is_none() {
                    needed.push(term);
                    open.extend(shared.pairs[term - self.inputs]);
                }
            }
            needed.sort_unstable();
            needed.dedup();
            for term in needed {
                let target = self.target_of_pair[term - self.inputs];
                self.numbers[term] = Some(self.inputs + self.steps.len());
                self.push(&shared.pairs[term - self.inputs], target);
            }
            let is_made = matches!(terms[..], [term] if term >= self.inputs && self.target_of_pair[term - self.inputs] == Some(target));
            if !is_made {
                self.push(terms, Some(target));
            }
        }
        let program = Program::new(self.inputs, &self.steps).ok()?;
        Some(Lean { program, targets: self.targets })
    }

    fn push(&mut self, terms: &[usize], target: Option<usize>) {
        self.steps.push(terms.iter().filter_map(|&term| self.numbers[term]).collect());
        self.targets.push(target);
    }
}
