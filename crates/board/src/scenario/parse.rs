//! Lines into a [`Scenario`].

use std::{num::NonZeroUsize, time::Duration};

use super::{
    Action, Scenario, Step, When, Who,
    action::action,
    problem::{Problem, ScenarioError},
    quantity::duration,
    words::Words,
};

/// Times one `every` line may happen in a cycle. Beyond it, the period is a slip of the pen.
const MOST_TIMES: u128 = 10_000;
const SHORTEST_CYCLE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct File {
    seed: Option<u64>,
    repeat: Option<Duration>,
    drafts: Vec<Draft>,
}

/// A step whose end may depend on a `repeat` further down.
struct Draft {
    who: Who,
    when: DraftWhen,
    action: Action,
    line: usize,
    /// Where the time is written.
    column: usize,
}

enum DraftWhen {
    Settled(When),
    Every {
        period: Duration,
        from: Duration,
        until: Option<Duration>,
    },
}

pub(super) fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    let mut file = File::default();
    let mut problems = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let words = Words::of(n + 1, line);
        if !words.is_empty()
            && let Err(problem) = file.line(n + 1, words)
        {
            problems.push(problem);
        }
    }
    let mut steps = Vec::new();
    for draft in file.drafts {
        match draft.settle(file.repeat) {
            Ok(step) => steps.push(step),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(Scenario {
            seed: file.seed,
            repeat: file.repeat,
            steps,
        })
    } else {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(ScenarioError { problems })
    }
}

impl File {
    fn line(&mut self, line: usize, mut words: Words<'_>) -> Result<(), Problem> {
        if words.take("seed") {
            return self.seed(words);
        }
        if words.take("repeat") {
            return self.repeat(words);
        }
        let who = who(&mut words)?;
        let column = words.column();
        let when = when(&mut words)?;
        let action = action(&mut words)?;
        words.finish()?;
        self.drafts.push(Draft {
            who,
            when,
            action,
            line,
            column,
        });
        Ok(())
    }

    fn seed(&mut self, mut words: Words<'_>) -> Result<(), Problem> {
        let column = words.column();
        let Some(seed) = words.peek().and_then(|word| word.text.parse().ok()) else {
            return Err(words.expected("a whole number"));
        };
        words.next();
        words.finish()?;
        if self.seed.replace(seed).is_some() {
            return Err(words.problem(column, "the seed is given twice: keep one of them".into()));
        }
        Ok(())
    }

    fn repeat(&mut self, mut words: Words<'_>) -> Result<(), Problem> {
        words.expect("every")?;
        let column = words.column();
        let repeat = duration(&mut words)?;
        words.finish()?;
        if repeat < SHORTEST_CYCLE {
            return Err(words.problem(column, "write a cycle of at least 1s".into()));
        }
        if self.repeat.replace(repeat).is_some() {
            return Err(words.problem(column, "the cycle is given twice: keep one of them".into()));
        }
        Ok(())
    }
}

/// `bay 2:` or `every bay:`; the first bay when nobody is named.
fn who(words: &mut Words<'_>) -> Result<Who, Problem> {
    let who = if words.take("bay") {
        let number = words
            .peek()
            .and_then(|word| word.text.parse::<NonZeroUsize>().ok());
        let Some(number) = number else {
            return Err(words.expected("a bay's number, from 1"));
        };
        words.next();
        Who::Bay(number)
    } else if words.take_both("every", "bay") {
        Who::EveryBay
    } else {
        return Ok(Who::Bay(NonZeroUsize::MIN));
    };
    words.expect(":")?;
    Ok(who)
}

fn when(words: &mut Words<'_>) -> Result<DraftWhen, Problem> {
    type Reader = fn(&mut Words<'_>) -> Result<DraftWhen, Problem>;
    let readers: [(&str, Reader); 3] = [("at", at), ("between", between), ("every", every)];
    words.choose(&readers)?(words)
}

fn at(words: &mut Words<'_>) -> Result<DraftWhen, Problem> {
    Ok(DraftWhen::Settled(When::At(duration(words)?)))
}

fn between(words: &mut Words<'_>) -> Result<DraftWhen, Problem> {
    let earliest = duration(words)?;
    words.expect("and")?;
    let column = words.column();
    let latest = duration(words)?;
    if latest <= earliest {
        return Err(words.problem(column, "write a time later than the first one".into()));
    }
    Ok(DraftWhen::Settled(When::Between(earliest, latest)))
}

fn every(words: &mut Words<'_>) -> Result<DraftWhen, Problem> {
    let period = duration(words)?;
    let from = if words.take("from") {
        duration(words)?
    } else {
        period
    };
    let until = if words.take("until") {
        Some(duration(words)?)
    } else {
        None
    };
    Ok(DraftWhen::Every {
        period,
        from,
        until,
    })
}

impl Draft {
    fn settle(self, repeat: Option<Duration>) -> Result<Step, Problem> {
        let problem = |message: String| Problem {
            line: self.line,
            column: self.column,
            message,
        };
        let when = match self.when {
            DraftWhen::Settled(when) => when,
            DraftWhen::Every {
                period,
                from,
                until,
            } => {
                let Some(until) = until.or(repeat) else {
                    return Err(problem(
                        "say how long: write `until TIME` after the period, or a line `repeat every TIME`".into(),
                    ));
                };
                if period.is_zero() || (until.as_nanos() / period.as_nanos()) > MOST_TIMES {
                    return Err(problem(format!(
                        "write a longer period: this is more than {MOST_TIMES} times"
                    )));
                }
                if from >= until {
                    return Err(problem(
                        "this never happens: write an earlier `from`, or a later `until`".into(),
                    ));
                }
                When::Every {
                    period,
                    from,
                    until,
                }
            }
        };
        if let Some(repeat) = repeat {
            let length = self
                .action
                .then
                .map_or(Duration::ZERO, |(length, _)| length);
            let latest = match when {
                When::At(at) => at,
                When::Between(_, latest) => latest,
                When::Every {
                    period,
                    from,
                    until,
                } => last_time(period, from, until),
            };
            if latest + length > repeat {
                return Err(problem(format!(
                    "this is not over when the cycle ends: write earlier times, or `repeat every {}s`",
                    (latest + length).as_secs_f64().ceil()
                )));
            }
        }
        Ok(Step {
            who: self.who,
            when,
            action: self.action,
        })
    }
}

/// The last of `from`, `from + period`, … that lies before `until`.
fn last_time(period: Duration, from: Duration, until: Duration) -> Duration {
    let periods = (until - from).as_nanos().saturating_sub(1) / period.as_nanos();
    from + period * periods as u32
}
