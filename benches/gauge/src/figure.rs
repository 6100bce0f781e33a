//! What contenders reach that take turns.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes and repetitions are far below 2^52"
)]

use std::time::{Duration, Instant};

use crate::{Arena, Contender, median};

/// Shortest sample. Long against the clock and an interrupt, short against the seconds for which a neighbour on the same
/// machine takes the cache away.
const SAMPLE: Duration = Duration::from_millis(3);

/// What the samples of a contender say.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Bytes of original data per second, 1e9: the median.
    pub gb_per_s: f64,
    /// Half the distance of the quartiles, as a part of the median.
    pub spread: f64,
}

/// Lets contenders take turns for some rounds, a sample each, and gives a figure for each.
///
/// # Panics
/// When there are no rounds.
pub fn compare(arena: &mut Arena, contenders: &mut [Contender], rounds: usize) -> Vec<Figure> {
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    // The first round warms up and finds how often a sample repeats.
    let mut times = vec![1; contenders.len()];
    for round in 0..=rounds {
        for (place, contender) in contenders.iter_mut().enumerate() {
            let mut sample = measure(arena, contender, times[place]);
            while round == 0 && sample.elapsed < SAMPLE {
                let missing = SAMPLE.as_secs_f64() / sample.elapsed.as_secs_f64().max(1e-7);
                times[place] = (times[place] as f64 * missing.clamp(1.2, 100.0)).ceil() as usize;
                sample = measure(arena, contender, times[place]);
            }
            if round > 0 {
                samples[place].push(sample.data_bytes / sample.elapsed.as_secs_f64() / 1e9);
            }
        }
    }
    samples.iter_mut().map(|samples| figure(samples)).collect()
}

struct Sample {
    data_bytes: f64,
    elapsed: Duration,
}

fn measure(arena: &mut Arena, contender: &mut Contender, times: usize) -> Sample {
    let begin = Instant::now();
    let data_bytes = contender.run(arena, times);
    Sample { data_bytes, elapsed: begin.elapsed() }
}

fn figure(samples: &mut [f64]) -> Figure {
    let gb_per_s = median(samples);
    let quartile = |part: usize| samples[(samples.len() - 1) * part / 4];
    Figure { gb_per_s, spread: (quartile(3) - quartile(1)) / 2.0 / gb_per_s }
}
