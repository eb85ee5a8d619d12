use proptest::prelude::*;

use super::*;

fn target(id: usize, priority: u64, made: i64, kind: Kind) -> Target {
    Target {
        id: format!("c{id}"),
        made: Timestamp::from_second(made).expect("a small number"),
        priority,
        kind,
        whom: Whom::Nobody,
    }
}

fn ids<'t>(targets: &[&'t Target]) -> Vec<&'t str> {
    targets.iter().map(|target| target.id.as_str()).collect()
}

const BASE: Kind = Kind::Deployment { layered: false };
const LAYER: Kind = Kind::Deployment { layered: true };

#[test]
fn the_newest_of_the_highest_priority_counts() {
    let all = [
        target(0, 5, 10, Kind::Device),
        target(1, 9, 1, Kind::Device),
        target(2, 9, 2, Kind::Device),
    ];
    let ranking = Ranking::of_one(&all);
    assert_eq!(ids(&ranking.applied), ["c2"]);
    assert_eq!(ids(&ranking.targeted), ["c1", "c0"]);
}

#[test]
fn layers_count_above_their_base_only() {
    let all = [
        target(0, 5, 1, BASE),
        target(1, 9, 2, LAYER),
        target(2, 9, 3, LAYER),
        target(3, 5, 4, LAYER),
        target(4, 7, 5, LAYER),
        target(5, 4, 6, BASE),
    ];
    let ranking = Ranking::of_deployments(&all);
    assert_eq!(ids(&ranking.applied), ["c0", "c4", "c1", "c2"]);
    assert_eq!(ids(&ranking.targeted), ["c3", "c5"]);
    let alone = Ranking::of_deployments(&all[1..5]);
    assert!(alone.applied.is_empty());
    assert_eq!(alone.targeted.len(), 4);
}

proptest! {
    #[test]
    fn winners_are_those_of_a_naive_search(
        given in proptest::collection::vec((0..4u64, 0..4i64, any::<bool>()), 0..8),
    ) {
        let all: Vec<Target> = given
            .iter()
            .enumerate()
            .map(|(id, (priority, made, layered))| {
                target(id, *priority, *made, Kind::Deployment { layered: *layered })
            })
            .collect();
        let beats = |one: &Target, other: &Target| {
            one.priority > other.priority
                || one.priority == other.priority
                    && (one.made > other.made || one.made == other.made && one.id < other.id)
        };
        // Nobody of its kind beats it.
        let base = all.iter().find(|target| {
            target.kind == BASE && !all.iter().any(|other| other.kind == BASE && beats(other, target))
        });
        let mut expected: Vec<&Target> = Vec::new();
        if let Some(base) = base {
            expected.push(base);
            let mut layers: Vec<&Target> = all
                .iter()
                .filter(|target| target.kind == LAYER && target.priority > base.priority)
                .collect();
            while let Some(at) = (0..layers.len()).find(|&at| {
                !layers.iter().any(|other| beats(layers[at], other))
            }) {
                expected.push(layers.remove(at));
            }
        }
        let ranking = Ranking::of_deployments(&all);
        prop_assert_eq!(ids(&ranking.applied), ids(&expected));
        prop_assert_eq!(ranking.applied.len() + ranking.targeted.len(), all.len());
        let one = Ranking::of_one(&all);
        let strongest = all.iter().find(|target| !all.iter().any(|other| beats(other, target)));
        prop_assert_eq!(one.applied.first().map(|t| &t.id), strongest.map(|t| &t.id));
    }
}

#[test]
fn conditions_say_whether_they_are_over_modules() {
    assert!(matches!(Whom::parse(" "), Ok(Whom::Nobody)));
    assert!(matches!(Whom::parse("*"), Ok(Whom::Devices(_))));
    assert!(matches!(
        Whom::parse("From devices.modules  WHERE moduleId = 'a'"),
        Ok(Whom::Modules(_))
    ));
    assert!(Whom::parse("tags.site =").is_err());
    assert!(Whom::parse("FROM devices WHERE tags.site = 'a'").is_err());
}
