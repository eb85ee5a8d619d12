use super::*;
use crate::store::testing;

const NOW: i64 = 1_000_000;

fn lease(partition: i64, owner: Option<&str>, leased_until: i64) -> Lease {
    Lease {
        partition,
        owner: owner.map(str::to_owned),
        epoch: 1,
        leased_until,
        offset: None,
    }
}

/// Instances take turns until nobody wants anything more; each partition's owner then.
fn settle(owners: &mut [Option<String>], instances: &[&str]) -> usize {
    let mut moves = 0;
    loop {
        let before = moves;
        for me in instances {
            let leases: Vec<_> = owners
                .iter()
                .zip(0..)
                .map(|(owner, partition)| lease(partition, owner.as_deref(), NOW + 1))
                .collect();
            let taken: Vec<i64> = due(&leases, me, NOW)
                .iter()
                .map(|lease| lease.partition)
                .collect();
            moves += taken.len();
            for partition in taken {
                owners[partition as usize] = Some((*me).to_owned());
            }
        }
        if moves == before {
            return moves;
        }
        assert!(moves < 1000, "they never agree");
    }
}

#[test]
fn partitions_are_shared_whoever_comes_and_goes() {
    for count in [1, 2, 4, 7, 32] {
        for instances in [&["a"][..], &["a", "b"], &["a", "b", "c"]] {
            // All of them at once, and the others after the first.
            for first in [1, instances.len()] {
                let mut owners = vec![None; count];
                settle(&mut owners, &instances[..first]);
                settle(&mut owners, instances);
                let shares: Vec<usize> = instances
                    .iter()
                    .map(|me| {
                        let own = |owner: &&Option<String>| owner.as_deref() == Some(*me);
                        owners.iter().filter(own).count()
                    })
                    .collect();
                let (least, most) = (shares.iter().min(), shares.iter().max());
                assert_eq!(shares.iter().sum::<usize>(), count);
                assert!(
                    most.zip(least)
                        .is_some_and(|(most, least)| most - least <= 1),
                    "{shares:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_not_renewed_is_free() {
    let leases = [
        lease(0, Some("gone"), NOW - 1),
        lease(1, Some("here"), NOW + 1),
    ];
    let taken = due(&leases, "me", NOW);
    assert_eq!(taken, [&leases[0]]);
}

#[tokio::test]
async fn who_was_overtaken_writes_nothing() {
    for kept in testing::every().await {
        let of = || Leases::new(kept.store.clone(), "hub", "group");
        let (first, second) = (of(), of());
        first.prepare(&[0, 1]).await.expect("rows");
        second.prepare(&[0, 1]).await.expect("the same rows");
        let held = first.look_around(NOW).await.expect("it looks");
        assert_eq!(held.len(), 2);
        let advance = async |leases: &Leases, epoch: i64, offset: &str| {
            let mut tx = kept.store.begin().await.expect("a transaction");
            let advanced = leases.advance(&mut tx, 0, epoch, (offset, 7)).await;
            if advanced.is_ok() {
                tx.commit().await.expect("committed");
            }
            advanced
        };
        advance(&first, held[&0].epoch, "100")
            .await
            .expect("its own");

        // The second takes one of two, with its position; the first notices.
        let taken = second.look_around(NOW).await.expect("it looks");
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[&0].offset.as_deref(), Some("100"));
        let late = advance(&first, held[&0].epoch, "200").await;
        assert!(matches!(late, Err(IngestError::TakenOver)), "{late:?}");
        assert_eq!(first.look_around(NOW).await.expect("it looks").len(), 1);
        advance(&second, taken[&0].epoch, "200")
            .await
            .expect("its own");

        // One that ends leaves its partitions to the other at once; one that is killed, when its leases end.
        first.give_up().await.expect("given up");
        assert_eq!(second.look_around(NOW).await.expect("it looks").len(), 2);
        let third = of();
        let taken = third.look_around(NOW + LEASE + 1).await.expect("it looks");
        assert_eq!(taken.len(), 2, "the second has not renewed its own");
    }
}
