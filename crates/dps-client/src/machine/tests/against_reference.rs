//! The machine against a loop that does the same in the plainest way, over services of every temper.

use proptest::prelude::*;

use super::*;

/// What becomes of one request.
#[derive(Debug, Clone)]
struct Step {
    after: Duration,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Silence,
    Lost,
    Untrusted,
    Answer {
        status: u16,
        retry_after: Option<u64>,
        body: &'static str,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let answer = |status, body| {
        proptest::option::of(0_u64..20).prop_map(move |retry_after| What::Answer {
            status,
            retry_after,
            body,
        })
    };
    let what = prop_oneof![
        2 => Just(What::Silence),
        2 => Just(What::Lost),
        6 => answer(202, ASSIGNING),
        2 => answer(429, THROTTLED),
        2 => answer(503, ""),
        1 => answer(404, ""),
        1 => answer(401, ""),
        1 => answer(200, ASSIGNED),
        1 => Just(What::Untrusted),
    ];
    // Some answers come just when, or after, patience ends.
    (0_u64..24, what).prop_map(|(halves, what)| Step {
        after: Duration::from_millis(halves * 500),
        what,
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    (1_u64..120, 1_u64..12, 0_u64..5, 0_u64..4, 1_u64..9).prop_map(
        |(end, answer, ask, first, cap)| Limits {
            give_up_after: seconds(end),
            answer_within: seconds(answer),
            ask_again_after: seconds(ask),
            back_off_first: seconds(first),
            back_off_cap: seconds(cap),
        },
    )
}

/// When what was asked, and how it ended.
#[derive(Debug, PartialEq)]
struct Course {
    asked: Vec<(Duration, Call)>,
    end: &'static str,
    at: Duration,
}

fn name(result: &Result<Assignment, RegisterError>) -> &'static str {
    match result {
        Ok(_) => "assigned",
        Err(RegisterError::Unauthorized(_)) => "unauthorized",
        Err(RegisterError::NotFound(_)) => "not found",
        Err(RegisterError::Link(_)) => "link",
        Err(RegisterError::Unreachable { source: None, .. }) => "silence",
        Err(RegisterError::Unreachable { .. }) => "lost",
        Err(RegisterError::Busy { .. }) => "busy",
        Err(RegisterError::StillAssigning { .. }) => "assigning",
        Err(_) => "something else",
    }
}

fn naive(script: &[Step], limits: Limits, seed: u64) -> Course {
    let mut chance = fastrand::Rng::with_seed(seed);
    let end = limits.give_up_after;
    let (mut now, mut asked, mut operation) = (Duration::ZERO, Vec::new(), false);
    let (mut failures, mut trouble) = (0, "silence");
    let silence = Step {
        after: Duration::ZERO,
        what: What::Silence,
    };
    for index in 0.. {
        let step = script.get(index).unwrap_or(&silence);
        let call = if operation {
            status_of("4.b2f1.77aa")
        } else {
            Call::Register
        };
        asked.push((now, call));
        let patience = (now + limits.answer_within).min(end);
        let is_late = now + step.after > patience || matches!(step.what, What::Silence);
        now = if is_late { patience } else { now + step.after };
        let over = |end, at, asked| Course { asked, end, at };
        if is_late && now == end {
            return over(trouble, now, asked);
        }
        let (wait, is_failure) = match &step.what {
            _ if is_late => {
                trouble = "silence";
                (Duration::ZERO, true)
            }
            What::Untrusted => return over("link", now, asked),
            What::Answer { status: 200, .. } => return over("assigned", now, asked),
            What::Answer { status: 401, .. } => return over("unauthorized", now, asked),
            What::Answer { status: 404, .. } if !operation => return over("not found", now, asked),
            What::Answer {
                status: 202,
                retry_after,
                ..
            } => {
                (operation, failures, trouble) = (true, 0, "assigning");
                (retry_after.map_or(limits.ask_again_after, seconds), false)
            }
            What::Answer {
                status,
                retry_after,
                ..
            } => {
                operation &= *status != 404;
                trouble = "busy";
                (seconds(retry_after.unwrap_or(0)), true)
            }
            What::Lost | What::Silence => {
                trouble = "lost";
                (Duration::ZERO, true)
            }
        };
        let back_off = if is_failure {
            let mut longest = limits.back_off_first;
            for _ in 0..failures {
                longest = (longest * 2).min(limits.back_off_cap);
            }
            failures += 1;
            longest
                .min(limits.back_off_cap)
                .mul_f64(1.0 - chance.f64() / 2.0)
        } else {
            Duration::ZERO
        };
        let until = now + (wait + back_off).max(MIN_WAIT);
        if until >= end {
            return over(trouble, now, asked);
        }
        now = until;
    }
    unreachable!("time ends")
}

fn machine(script: &[Step], limits: Limits, seed: u64) -> Course {
    let began = Instant::now();
    let mut now = began;
    let mut machine = Machine::new(limits, fastrand::Rng::with_seed(seed), now);
    let mut asked = Vec::new();
    // Answers stay on their way when nobody waits for them any more.
    let mut coming: Vec<(Instant, u32, What)> = Vec::new();
    loop {
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { request, call } => {
                    if let Some(step) = script.get(asked.len()) {
                        coming.push((now + step.after, request, step.what.clone()));
                    }
                    asked.push((now - began, call));
                }
                Output::Done(result) => {
                    assert!(machine.poll_output().is_none() && machine.poll_timeout().is_none());
                    let (end, at) = (name(&result), now - began);
                    return Course { asked, end, at };
                }
                Output::Abandon | Output::Progress(_) => {}
            }
        }
        let wake = machine.poll_timeout().expect("it is not over");
        assert!(wake >= now, "it would wake in the past");
        let next = (0..coming.len()).min_by_key(|&index| coming[index].0);
        match next.filter(|&index| coming[index].0 <= wake) {
            None => {
                now = wake;
                machine.handle_timeout(now);
            }
            Some(index) => {
                let (at, request, what) = coming.remove(index);
                now = at;
                let host = "dps.example".to_owned();
                match what {
                    What::Silence => {}
                    What::Lost => machine.handle_failed(request, lost(), now),
                    What::Untrusted => {
                        let why = transport::Error::UntrustedCertificate { host };
                        machine.handle_failed(request, why, now);
                    }
                    What::Answer {
                        status,
                        retry_after,
                        body,
                    } => {
                        let retry_after = retry_after.map(seconds);
                        let body = body.as_bytes();
                        machine.handle_answer(
                            request,
                            Answer {
                                status,
                                retry_after,
                                body,
                            },
                            now,
                        );
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn goes_as_the_plain_loop_does(
        script in proptest::collection::vec(step(), 0..12),
        limits in limits(),
        seed: u64,
    ) {
        let course = machine(&script, limits, seed);
        prop_assert!(course.at <= limits.give_up_after);
        prop_assert_eq!(course, naive(&script, limits, seed));
    }

    #[test]
    fn any_answer_leads_to_a_wait_or_an_end(
        status: u16,
        retry_after in proptest::option::of(any::<u64>()),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            // Something like an operation, with anything in it.
            ("\\PC{0,12}", "assign(ing|ed)|failed|disabled|\\PC{0,4}", "\\PC{0,12}").prop_map(|(id, status, hub)| {
                json!({"operationId": id, "status": status,
                    "registrationState": {"status": status, "assignedHub": hub, "deviceId": hub}}).to_string().into_bytes()
            }),
        ],
    ) {
        let now = Instant::now();
        let mut machine = Machine::new(LIMITS, fastrand::Rng::with_seed(1), now);
        let answer = Answer { status, retry_after: retry_after.map(seconds), body: &body };
        machine.handle_answer(1, answer, now);
        let is_done = std::iter::from_fn(|| machine.poll_output())
            .any(|output| matches!(output, Output::Done(_)));
        prop_assert_eq!(machine.poll_timeout().is_none(), is_done);
        prop_assert!(machine.poll_timeout().is_none_or(|wake| wake > now));
    }
}
