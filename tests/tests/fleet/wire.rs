//! The way from the service to the hub's events, which can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

pub(crate) struct Wire {
    pub(crate) port: u16,
    /// How often it was cut; nobody gets through while it is odd.
    cuts: Arc<watch::Sender<u32>>,
}

impl Wire {
    pub(crate) async fn to(ready: &Value) -> Self {
        let hub: SocketAddr = ready["amqp"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let cuts = Arc::new(watch::Sender::new(0));
        let told = cuts.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut told = told.subscribe();
                tokio::spawn(async move {
                    if *told.borrow_and_update() % 2 == 1 {
                        return;
                    }
                    tokio::select! {
                        () = carry(client, hub) => {}
                        _ = told.changed() => {}
                    }
                });
            }
        });
        Self { port, cuts }
    }

    /// Ends every connection, and lets none through for so long.
    pub(crate) async fn cut(&self, time: Duration) {
        self.cuts.send_modify(|cuts| *cuts += 1);
        sleep(time).await;
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn carry(mut client: TcpStream, hub: SocketAddr) {
    if let Ok(mut hub) = TcpStream::connect(hub).await {
        // It ends when either side does, which both are told by its end.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut hub).await;
    }
}
