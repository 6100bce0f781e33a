//! Common subexpressions: where several cells are sums of the same two cells, those two are summed up once.
//!
//! Greedy elimination of pairs: Paar, "Optimized Arithmetic for Reed-Solomon Encoders", ISIT 1997; as the first step of a
//! compiler of XORs: Uezato, "Accelerating XOR-based Erasure Coding using Program Optimization Techniques", SC'21. Which of
//! equally frequent pairs comes first matters, so several orders are tried, and then again and again the end of the best.
//!
//! Work is counted, not timed: every machine makes the same schedules.

/// Most that elimination over all inputs together may cost, by its estimate in words looked at.
const ESTIMATE_MAX: usize = 1 << 26;
/// Inputs in a block where all together would cost too much, the first size that does not.
const BLOCKS: [usize; 2] = [256, 64];
/// Inputs in a block of which all sums that occur are made, where even small blocks would cost too much.
const TABLE_INPUTS: usize = 8;
/// Most words looked at before a block is left as it is.
const WORK_MAX: u64 = 1 << 28;
/// Orders that are tried from the beginning on.
const STARTS: u64 = 8;

const WORD_BITS: usize = u64::BITS as usize;

/// How long to look for fewer XORs: so many times the work of the first order, and no more words than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effort {
    pub(super) times: u64,
    pub(super) words: u64,
}

/// Sums, some of whose terms are sums of two.
///
/// Shape: terms below the number of inputs are inputs, the others are `pairs` in order, each of two terms before it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Shared {
    pub(super) pairs: Vec<[usize; 2]>,
    /// For each sum, its terms in ascending order.
    pub(super) sums: Vec<Vec<usize>>,
}

impl Shared {
    pub(super) fn xor_count(&self) -> usize {
        self.pairs.len() + self.sums.iter().map(|terms| terms.len().saturating_sub(1)).sum::<usize>()
    }

    /// Adds the sums of a block of inputs, from `start` on, to those of the blocks before it.
    fn append(&mut self, inputs: usize, start: usize, length: usize, block: &Self) {
        let pairs_before = self.pairs.len();
        let place = |term: usize| if term < length { start + term } else { inputs + pairs_before + term - length };
        self.pairs.extend(block.pairs.iter().map(|pair| pair.map(place)));
        self.sums.resize(block.sums.len(), Vec::new());
        for (terms, more) in self.sums.iter_mut().zip(&block.sums) {
            terms.extend(more.iter().map(|&term| place(term)));
        }
    }
}

/// Tells whether two sums have two terms in common, without which there is nothing to share.
///
/// Shape: terms are inputs.
pub(super) fn can_share(inputs: usize, sums: &[Vec<usize>]) -> bool {
    let words = inputs.div_ceil(WORD_BITS);
    let set = |terms: &Vec<usize>| {
        let mut set = vec![0_u64; words];
        for term in terms {
            set[term / WORD_BITS] |= 1 << (term % WORD_BITS);
        }
        set
    };
    let sets: Vec<Vec<u64>> = sums.iter().map(set).collect();
    sets.iter().enumerate().any(|(place, set)| sets[..place].iter().any(|other| common(set, other) > 1))
}

fn common(left: &[u64], right: &[u64]) -> u32 {
    left.iter().zip(right).map(|(left, right)| (left & right).count_ones()).sum()
}

/// Sums up pairs that are frequent, the most frequent first.
///
/// Cost: bounded. All inputs are looked at together where they and the sums are few enough, else block by block.
pub(super) fn share(inputs: usize, sums: &[Vec<usize>], effort: Effort) -> Shared {
    let estimate = |length: usize| {
        let of_block = length * length / 2 * sums.len() * sums.len().div_ceil(WORD_BITS);
        of_block * inputs.div_ceil(length.max(1))
    };
    if estimate(inputs) <= ESTIMATE_MAX {
        return best_of_orders(inputs, sums, effort);
    }
    let length = BLOCKS.into_iter().find(|&length| estimate(length) <= ESTIMATE_MAX);
    let mut all = Shared::default();
    let step = length.unwrap_or(TABLE_INPUTS);
    for start in (0..inputs).step_by(step) {
        let block_length = step.min(inputs - start);
        let in_block = |terms: &Vec<usize>| -> Vec<usize> {
            let block = start..start + block_length;
            terms.iter().filter(|&term| block.contains(term)).map(|term| term - start).collect()
        };
        let block: Vec<Vec<usize>> = sums.iter().map(in_block).collect();
        let shared = if length.is_some() {
            let mut table = Table::new(block_length, &block, 0, &[]);
            table.eliminate();
            table.finish(block_length)
        } else {
            all_sums(block_length, &block)
        };
        all.append(inputs, start, block_length, &shared);
    }
    all
}

/// Tries some orders, and then other ends of the best one so far, as long as the effort lasts.
fn best_of_orders(inputs: usize, sums: &[Vec<usize>], effort: Effort) -> Shared {
    let mut best = Shared::default();
    let (mut work, mut work_max, mut order) = (0, effort.words, 0);
    // Where the end begins that is tried again; any sequence does that goes all over.
    let mut random = 0xd1b5_4a32_d192_ed03_u64;
    while order == 0 || work < work_max {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let kept = if order < STARTS { 0 } else { random >> 33 }.checked_rem(best.pairs.len() as u64).unwrap_or(0);
        let kept = usize::try_from(kept).unwrap_or(0);
        let mut table = Table::new(inputs, sums, order, &best.pairs[..kept]);
        table.eliminate();
        work += table.work + 1;
        let shared = table.finish(inputs);
        if order == 0 || shared.xor_count() <= best.xor_count() {
            best = shared;
        }
        if order == 0 {
            work_max = work_max.min(work * effort.times);
        }
        order += 1;
    }
    best
}

/// Makes every sum of a few inputs that occurs, each of another sum and one input.
fn all_sums(inputs: usize, sums: &[Vec<usize>]) -> Shared {
    let mut terms: Vec<Option<usize>> = vec![None; 1 << inputs];
    (0..inputs).for_each(|input| terms[1 << input] = Some(input));
    let mut shared = Shared::default();
    for members in sums {
        let mask = members.iter().fold(0_usize, |mask, member| mask | 1 << member);
        let mut missing = Vec::new();
        let mut rest = mask;
        while rest != 0 && terms[rest].is_none() {
            missing.push(rest);
            rest &= rest - 1;
        }
        for mask in missing.into_iter().rev() {
            let lowest = mask.trailing_zeros() as usize;
            if let Some(without) = terms[mask & (mask - 1)] {
                terms[mask] = Some(inputs + shared.pairs.len());
                shared.pairs.push([lowest, without]);
            }
        }
        shared.sums.push(terms[mask].into_iter().collect());
    }
    shared
}

/// For each term the set of sums that it is in.
struct Table {
    words: usize,
    sum_count: usize,
    /// Sets, `words` each.
    sets: Vec<u64>,
    pairs: Vec<[usize; 2]>,
    /// Terms that are in two sums or more, in ascending order.
    active: Vec<usize>,
    /// For each term the active term before it with which it is in the most sums, and in how many.
    partners: Vec<(u32, usize)>,
    order: u64,
    work: u64,
}

impl Table {
    fn new(inputs: usize, sums: &[Vec<usize>], order: u64, pairs: &[[usize; 2]]) -> Self {
        let words = sums.len().div_ceil(WORD_BITS);
        let mut sets = vec![0; inputs * words];
        for (place, terms) in sums.iter().enumerate() {
            for term in terms {
                sets[term * words + place / WORD_BITS] |= 1 << (place % WORD_BITS);
            }
        }
        let mut table = Self {
            words,
            sum_count: sums.len(),
            sets,
            pairs: Vec::new(),
            active: Vec::new(),
            partners: vec![(0, 0); inputs + pairs.len()],
            order,
            work: 0,
        };
        for &pair in pairs {
            table.apply(pair);
        }
        for term in 0..inputs + pairs.len() {
            if table.size(term) > 1 {
                table.partners[term] = table.best_partner(term);
                table.active.push(term);
            }
        }
        table
    }

    fn set(&self, term: usize) -> &[u64] {
        &self.sets[term * self.words..][..self.words]
    }

    fn size(&self, term: usize) -> u32 {
        self.set(term).iter().map(|word| word.count_ones()).sum()
    }

    /// Makes a new term of two, in the sums that both are in.
    fn apply(&mut self, pair: [usize; 2]) {
        let [first, second] = pair.map(|term| term * self.words);
        for word in 0..self.words {
            let both = self.sets[first + word] & self.sets[second + word];
            self.sets[first + word] ^= both;
            self.sets[second + word] ^= both;
            self.sets.push(both);
        }
        self.pairs.push(pair);
    }

    /// A rank that differs from order to order, for equally frequent pairs; the first orders prefer what comes first, the
    /// next ones what comes last.
    fn rank(&self, term: usize) -> u64 {
        match self.order {
            0 | 1 => term as u64,
            2 | 3 => u64::MAX - term as u64,
            order => {
                let mixed = (term as u64 + 1).wrapping_mul(order.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
                mixed ^ (mixed >> 29)
            }
        }
    }

    fn best_partner(&mut self, term: usize) -> (u32, usize) {
        let mut best = (0, 0, 0);
        let before = self.active.partition_point(|&other| other < term);
        for &other in &self.active[..before] {
            let found = common(self.set(term), self.set(other));
            if found > best.0 || (found == best.0 && self.rank(other) < best.2) {
                best = (found, other, self.rank(other));
            }
        }
        self.work += (before * self.words) as u64;
        (best.0, best.1)
    }

    fn most_frequent(&mut self) -> Option<[usize; 2]> {
        self.work += self.active.len() as u64;
        let key = |&&term: &&usize| {
            let (count, partner) = self.partners[term];
            let (first, second) = if self.order % 2 == 1 { (partner, term) } else { (term, partner) };
            (count, core::cmp::Reverse(self.rank(first)), core::cmp::Reverse(self.rank(second)))
        };
        let term = *self.active.iter().max_by_key(key)?;
        let (count, partner) = self.partners[term];
        (count > 1).then_some([partner, term])
    }

    fn eliminate(&mut self) {
        while self.work < WORK_MAX
            && let Some(pair) = self.most_frequent()
        {
            let term = self.sets.len() / self.words;
            self.apply(pair);
            self.partners.push((0, 0));
            let [first_goes, second_goes] = pair.map(|term| self.size(term) < 2);
            self.active.retain(|&term| !(term == pair[0] && first_goes || term == pair[1] && second_goes));
            self.active.push(term);
            for place in 0..self.active.len() {
                let other = self.active[place];
                if other == term || pair.contains(&other) || pair.contains(&self.partners[other].1) {
                    self.partners[other] = self.best_partner(other);
                }
            }
        }
    }

    fn finish(self, inputs: usize) -> Shared {
        let mut sums: Vec<Vec<usize>> = vec![Vec::new(); self.sum_count];
        for term in 0..inputs + self.pairs.len() {
            for (word, &bits) in self.set(term).iter().enumerate() {
                let mut bits = bits;
                while bits != 0 {
                    sums[word * WORD_BITS + bits.trailing_zeros() as usize].push(term);
                    bits &= bits - 1;
                }
            }
        }
        Shared { pairs: self.pairs, sums }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFORT: Effort = Effort { times: 20, words: 1 << 20 };

    /// Sums over inputs as sums over inputs again, whatever was shared.
    fn written_out(inputs: usize, shared: &Shared) -> Vec<Vec<usize>> {
        let mut terms: Vec<Vec<usize>> = (0..inputs).map(|input| vec![input]).collect();
        let sum = |terms: &[Vec<usize>], of: &[usize]| {
            let mut sum: Vec<usize> = Vec::new();
            for member in of.iter().flat_map(|&term| &terms[term]) {
                match sum.iter().position(|other| other == member) {
                    Some(place) => drop(sum.swap_remove(place)),
                    None => sum.push(*member),
                }
            }
            sum.sort_unstable();
            sum
        };
        for pair in &shared.pairs {
            assert!(pair.iter().all(|&term| term < terms.len()), "a pair of later terms");
            let both = sum(&terms, pair);
            terms.push(both);
        }
        shared.sums.iter().map(|of| sum(&terms, of)).collect()
    }

    fn noise(inputs: usize, sums: usize) -> Vec<Vec<usize>> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut bit = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 40 & 1 == 1
        };
        (0..sums).map(|_| (0..inputs).filter(|_| bit()).collect()).collect()
    }

    /// Five sums of which three have 0 + 1 and two of those 0 + 1 + 2: by hand 2 pairs, and 3 XORs instead of 8.
    #[test]
    fn what_is_frequent_is_summed_up_once() {
        let sums = [vec![0, 1], vec![0, 1, 2], vec![0, 1, 2, 3], vec![3], vec![2, 3]];
        let shared = share(4, &sums, EFFORT);
        assert_eq!((shared.xor_count(), shared.pairs.len()), (4, 2));
        assert_eq!(written_out(4, &shared), sums);
        assert!(can_share(4, &sums));
        assert!(!can_share(4, &[vec![0, 1], vec![1, 2], vec![0, 2], vec![3]]));
    }

    #[test]
    fn sums_stay_what_they_were() {
        for (inputs, count) in [(1, 1), (9, 3), (20, 70), (70, 20), (64, 64)] {
            let sums = noise(inputs, count);
            let shared = share(inputs, &sums, EFFORT);
            assert_eq!(written_out(inputs, &shared), sums, "{inputs} inputs");
            assert_eq!(shared, share(inputs, &sums, EFFORT), "twice the same");
            let table = all_sums(inputs.min(8), &noise(inputs.min(8), count));
            assert_eq!(written_out(inputs.min(8), &table), noise(inputs.min(8), count));
        }
    }

    /// Too many for one go: by blocks, and by tables.
    #[test]
    fn blocks_and_tables_stay_what_they_were() {
        for (inputs, count) in [(600, 66), (300, 520)] {
            let sums = noise(inputs, count);
            let shared = share(inputs, &sums, EFFORT);
            assert!(written_out(inputs, &shared) == sums, "{inputs} inputs");
            let plain: usize = sums.iter().map(|terms| terms.len() - 1).sum();
            assert!(shared.xor_count() * 2 < plain, "{} of {plain}", shared.xor_count());
        }
    }
}
