//! The outbox against a naive reference, and its rules one by one.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn letter(size: usize) -> Letter {
    Letter {
        bag: String::new(),
        payload: Bytes::from(vec![b'x'; size]),
    }
}

fn outbox(messages: usize, bytes: usize, when_full: WhenFull) -> Outbox {
    Outbox::new(OutboxLimits {
        messages,
        bytes,
        when_full,
    })
}

#[test]
fn a_full_outbox_refuses_the_newest() {
    let mut outbox = outbox(2, 100, WhenFull::RefuseNewest);
    assert_eq!(outbox.push(1, letter(50)), Ok(vec![]));
    assert_eq!(outbox.push(2, letter(51)), Err(Full));
    assert_eq!(outbox.push(3, letter(50)), Ok(vec![]));
    assert_eq!(outbox.push(4, letter(0)), Err(Full));
    assert_eq!(outbox.len(), 2);
}

#[test]
fn or_drops_the_oldest_that_are_not_on_their_way() {
    let now = Instant::now();
    let mut outbox = outbox(10, 100, WhenFull::DropOldest);
    for ticket in 1..=4 {
        outbox.push(ticket, letter(25)).expect("fits");
    }
    outbox.next(now).expect("the first goes out");
    assert_eq!(outbox.push(5, letter(50)), Ok(vec![2, 3]));
    assert_eq!(
        outbox.push(6, letter(101)),
        Err(Full),
        "no room could be made"
    );
    assert_eq!(
        outbox.push(7, letter(76)),
        Err(Full),
        "what is on its way stays"
    );
    assert_eq!(outbox.len(), 3, "a refusal drops nothing");
}

#[test]
fn the_window_bounds_messages_and_bytes_but_never_the_first() {
    let now = Instant::now();
    let mut many = outbox(1000, 1 << 30, WhenFull::RefuseNewest);
    for ticket in 0..100 {
        many.push(ticket, letter(1)).expect("fits");
    }
    assert_eq!(
        std::iter::from_fn(|| many.next(now).map(|_| ())).count(),
        MAX_IN_FLIGHT
    );
    let mut large = outbox(1000, 1 << 30, WhenFull::RefuseNewest);
    for ticket in 0..3 {
        large
            .push(ticket, letter(MAX_BYTES_IN_FLIGHT + 1))
            .expect("fits");
    }
    assert_eq!(
        std::iter::from_fn(|| large.next(now).map(|_| ())).count(),
        1
    );
}

#[test]
fn the_oldest_on_its_way_sets_the_clock() {
    let start = Instant::now();
    let later = start + Duration::from_secs(1);
    let mut outbox = outbox(10, 100, WhenFull::RefuseNewest);
    outbox.push(1, letter(1)).expect("fits");
    outbox.push(2, letter(1)).expect("fits");
    assert_eq!(outbox.oldest_in_flight(), None);
    outbox.next(start);
    outbox.next(later);
    outbox.handle_sent(7);
    outbox.handle_sent(8);
    assert_eq!(outbox.oldest_in_flight(), Some(start));
    assert_eq!(outbox.handle_acked(7), Some(1));
    assert_eq!(outbox.oldest_in_flight(), Some(later));
    outbox.handle_down();
    assert_eq!(outbox.oldest_in_flight(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Next,
    Sent,
    /// Acknowledges the n-th packet id that is on its way, counted around.
    Ack(usize),
    /// Acknowledges an id that was never given.
    Stray,
    Down,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_usize).prop_map(Step::Push),
        4 => Just(Step::Next),
        4 => Just(Step::Sent),
        3 => any::<usize>().prop_map(Step::Ack),
        1 => Just(Step::Stray),
        1 => Just(Step::Down),
    ]
}

/// Every message as a row with its state written out; slow and obvious.
#[derive(Debug, Default)]
struct Naive {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    ticket: Ticket,
    size: usize,
    handed: bool,
    id: Option<u16>,
}

impl Naive {
    fn push(
        &mut self,
        ticket: Ticket,
        size: usize,
        limits: OutboxLimits,
    ) -> Result<Vec<Ticket>, Full> {
        let fits = |rows: &[&Row]| {
            rows.len() < limits.messages
                && rows.iter().map(|row| row.size).sum::<usize>() + size <= limits.bytes
        };
        let waiting: Vec<Ticket> = self
            .rows
            .iter()
            .filter(|row| !row.handed)
            .map(|row| row.ticket)
            .collect();
        let choices = if limits.when_full == WhenFull::DropOldest {
            waiting.len()
        } else {
            0
        };
        for drop in 0..=choices {
            let gone = &waiting[..drop];
            let rest: Vec<&Row> = self
                .rows
                .iter()
                .filter(|row| !gone.contains(&row.ticket))
                .collect();
            if fits(&rest) {
                let gone = gone.to_vec();
                self.rows.retain(|row| !gone.contains(&row.ticket));
                self.rows.push(Row {
                    ticket,
                    size,
                    handed: false,
                    id: None,
                });
                return Ok(gone);
            }
        }
        Err(Full)
    }
}

proptest! {
    #[test]
    fn agrees_with_a_naive_outbox(
        steps in prop::collection::vec(step(), 0..200),
        drop_oldest in any::<bool>(),
    ) {
        let when_full = if drop_oldest { WhenFull::DropOldest } else { WhenFull::RefuseNewest };
        let limits = OutboxLimits { messages: 8, bytes: 120, when_full };
        let (mut outbox, mut naive) = (Outbox::new(limits), Naive::default());
        let (mut ticket, mut id) = (0, 0_u16);
        for step in steps {
            match step {
                Step::Push(size) => {
                    ticket += 1;
                    prop_assert_eq!(outbox.push(ticket, letter(size)), naive.push(ticket, size, limits));
                }
                Step::Next => {
                    let row = naive.rows.iter_mut().find(|row| !row.handed);
                    let size = outbox.next(Instant::now()).map(|letter| letter.payload.len());
                    prop_assert_eq!(size, row.as_ref().map(|row| row.size));
                    if let Some(row) = row {
                        row.handed = true;
                    }
                }
                Step::Sent => {
                    id += 1;
                    outbox.handle_sent(id);
                    if let Some(row) = naive.rows.iter_mut().find(|row| row.handed && row.id.is_none()) {
                        row.id = Some(id);
                    }
                }
                Step::Ack(choice) => {
                    let sent: Vec<_> = naive.rows.iter().filter_map(|row| Some((row.ticket, row.id?))).collect();
                    if let Some(&(ticket, id)) = sent.get(choice % sent.len().max(1)) {
                        prop_assert_eq!(outbox.handle_acked(id), Some(ticket));
                        naive.rows.retain(|row| row.ticket != ticket);
                    }
                }
                Step::Stray => prop_assert_eq!(outbox.handle_acked(60_000), None),
                Step::Down => {
                    outbox.handle_down();
                    for row in &mut naive.rows {
                        (row.handed, row.id) = (false, None);
                    }
                }
            }
            prop_assert_eq!(outbox.len(), naive.rows.len());
            prop_assert_eq!(outbox.in_flight(), naive.rows.iter().filter(|row| row.handed).count());
        }
    }
}
