//! The same work measured several times over with all the other work in between, so that what else the machine does meets
//! everybody alike.

use std::time::Duration;

use crate::load::Measured;
use crate::report::millis;

/// How often everything is measured; what is told is the median.
pub(crate) const ROUNDS: usize = 5;

/// What one piece of work reached in each round.
#[derive(Default)]
pub(crate) struct Rounds(Vec<Measured>);

impl Rounds {
    pub(crate) fn add(&mut self, measured: Measured) {
        self.0.push(measured);
    }

    pub(crate) fn per_second(&self) -> f64 {
        median(self.0.iter().map(Measured::per_second)).unwrap_or(0.0)
    }

    /// Processor time of the processes that were watched, for one call.
    pub(crate) fn cpu_each(&self) -> Duration {
        median(self.0.iter().map(Measured::cpu_each)).unwrap_or_default()
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        median(self.0.iter().map(|one| one.percentile(percent))).unwrap_or_default()
    }

    pub(crate) fn told(&self) -> String {
        let (p50, p99) = (millis(self.percentile(50)), millis(self.percentile(99)));
        format!("{:.0} /s, p50 {p50}, p99 {p99}", self.per_second())
    }

    /// The same with what part of a limit that is.
    pub(crate) fn compared(&self, limit: Option<&Self>) -> String {
        let Some(limit) = limit else {
            return self.told();
        };
        format!("{}, {}", self.spread(limit), self.told())
    }

    /// What part of a limit was reached: in the median, and in the worst and the best round.
    pub(crate) fn spread(&self, limit: &Self) -> String {
        let mut ratios: Vec<_> = self.ratios(limit).collect();
        ratios.sort_by(f64::total_cmp);
        let (least, most) = (ratios.first().copied(), ratios.last().copied());
        format!(
            "**{:.2}** ({:.2} to {:.2})",
            self.ratio(limit),
            least.unwrap_or(0.0),
            most.unwrap_or(0.0),
        )
    }

    /// What part of a limit was reached, in the median of the rounds.
    pub(crate) fn ratio(&self, limit: &Self) -> f64 {
        median(self.ratios(limit)).unwrap_or(0.0)
    }

    /// How many times the processor time of another a call takes, in the median of the rounds.
    pub(crate) fn cpu_ratio(&self, other: &Self) -> f64 {
        let times = self.0.iter().zip(&other.0);
        let each = |one: &Measured| one.cpu_each().as_secs_f64();
        median(times.map(|(one, other)| each(one) / each(other))).unwrap_or(0.0)
    }

    /// Each round is held against the limit that was found in the same round.
    fn ratios(&self, limit: &Self) -> impl Iterator<Item = f64> {
        let rates = self.0.iter().zip(&limit.0);
        rates.map(|(one, limit)| one.per_second() / limit.per_second())
    }
}

pub(crate) fn median<T: Copy + PartialOrd>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut sorted: Vec<T> = values.collect();
    sorted.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get(sorted.len() / 2).copied()
}
