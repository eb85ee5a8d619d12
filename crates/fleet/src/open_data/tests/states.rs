//! A place that has a bay in each state there is.

use std::sync::Arc;

use ::bay::{Alarm, Occupancy, UnknownReason};

use crate::bays::bay::{Bay, Purpose, Site};
use crate::bays::state::{Held, Opening, Phase, Rules, Said};
use crate::open_data::Place;

pub(super) const NOW: i64 = 1_795_262_400_000;
const MINUTE: i64 = 60_000;
const RULES: Rules = Rules {
    silent_after: 30 * MINUTE,
    reserved_soon: 15 * MINUTE,
    no_show_after: 15 * MINUTE,
};
/// One place, with a bay in each state there is.
pub(super) fn every_state(name: &str, number: &str) -> Place {
    let site = Arc::new(Site {
        id: "019aa5d0c0de7000800000000000cafe".into(),
        customer_id: "town".into(),
        name: name.into(),
        place: String::new(),
        latitude: Some(50.6),
        longitude: Some(-5.5),
        is_published: true,
    });
    let said = |occupancy, reason, heard_at| Said {
        occupancy,
        reason,
        since: (occupancy != Occupancy::Unknown).then_some(NOW - 7 * MINUTE - 1),
        battery: Alarm::None,
        heard_at,
    };
    let mut words = vec![
        None,
        Some(said(Occupancy::Free, None, NOW)),
        Some(said(Occupancy::Occupied, None, NOW)),
        Some(said(Occupancy::Free, None, NOW - 31 * MINUTE)),
        Some(said(Occupancy::Unknown, None, NOW)),
    ];
    words.extend(
        [
            UnknownReason::Starting,
            UnknownReason::NoEcho,
            UnknownReason::OutOfRange,
            UnknownReason::Stuck,
            UnknownReason::TooNoisy,
            UnknownReason::SensorFailed,
            UnknownReason::Stale,
        ]
        .map(|reason| Some(said(Occupancy::Unknown, Some(reason), NOW))),
    );
    let held = |begins, phase| Held {
        id: "b".into(),
        user_id: "anna".into(),
        begins_at: NOW + begins * MINUTE,
        ends_at: NOW + (begins + 60) * MINUTE,
        phase,
        lamp_failed: false,
    };
    let bookings = [
        vec![],
        vec![held(-1, Phase::Booked)],
        vec![held(10, Phase::Booked)],
        vec![held(-1, Phase::InUse)],
        vec![held(-61, Phase::Overstaying)],
    ];
    let purposes = Purpose::ALL.into_iter().cycle();
    let mut bays = Vec::new();
    for opening in Opening::ALL {
        for said in &words {
            for bookings in &bookings {
                for is_watched in [true, false] {
                    bays.push((opening, *said, bookings.clone(), is_watched));
                }
            }
        }
    }
    let bays = (1..).zip(bays).zip(purposes);
    let bays = bays.map(
        |((index, (opening, said, bookings, is_watched)), purpose)| {
            let bay = Bay {
                id: format!("019aa5d0c0de70008000{index:012}"),
                site: Arc::clone(&site),
                device_id: is_watched.then(|| format!("board{index}")),
                number: format!("{index}{number}"),
                purpose,
                opening,
                latitude: (index % 7 > 0).then_some(-33.9 + f64::from(index) * 1e-6),
                longitude: (index % 7 > 0).then_some(151.2),
                plan_x: None,
                plan_y: None,
                created_at: 1,
                version: i64::from(index),
                said,
                telling: None,
                bookings,
            };
            let state = bay.state(&RULES, NOW);
            (Arc::new(bay), state)
        },
    );
    Place {
        bays: bays.collect(),
        site: Arc::clone(&site),
    }
}
