//! The store of a hub whose state is put back.

use super::*;
use crate::hub::HubState;

impl Bench {
    fn state(&self) -> HubState {
        self.hub.lock().state().expect("it can be written")
    }

    fn put_back(&self, mut state: HubState) {
        let mut core = self.hub.lock();
        core.prepare(&mut state, "r");
        self.hub.put(&mut core, state).expect("a state");
        let committed = self.hub.commit_restored(&mut core);
        committed.expect("it can be written");
    }

    async fn remove(&self, blob: &str) {
        assert_eq!(self.ask("DELETE", blob, "", "").await.status, 202, "{blob}");
    }
}

#[tokio::test]
async fn room_is_counted_anew_when_another_state_comes() {
    let (directory, benches) = benches();
    for bench in benches {
        let (empty, one) = {
            let empty = bench.state();
            assert_eq!(bench.put("/a", "hello").await.status, 201);
            (empty, bench.state())
        };
        // Removed, back, and removed again.
        bench.remove("/a").await;
        bench.put_back(one);
        bench.remove("/a").await;
        assert_eq!(bench.hub.room.used(), 0);
        assert_eq!(bench.put("/b", "x").await.status, 201, "there is room");

        bench.put_back(empty);
        assert_eq!(bench.hub.room.used(), 0);
        assert_eq!(bench.put("/c", "x").await.status, 201);
    }
    let files = std::fs::read_dir(directory.path().join("blobs")).expect("it was made");
    assert_eq!(files.count(), 1, "of the blob that is there");
}

#[tokio::test]
async fn an_entity_tag_never_stands_for_another_blob() {
    let bench = Bench::new(None);
    assert_eq!(bench.put("/a", "1").await.status, 201);
    let state = bench.state();
    let seen = bench.put("/a", "2").await.header("etag").to_owned();
    bench.put_back(state);
    assert_eq!(bench.ask("GET", "/a", "", "").await.body, "1");
    assert_ne!(bench.put("/a", "3").await.header("etag"), seen);
}
