//! Boards on a shelf and in the street, without the street: a real (simulated) provisioning service, and a hub whose
//! devices do what the provisioning module does: register with what they are given, and believe only that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bay::message::SetupRequest;
use dps_client::service::Service;
use dps_client::{Attestation, Endpoint, Limits, Protocol, Registration, register};
use hub_proto::sas::SymmetricKey;
use serde_json::{Value, json};
use service_client::HubService;
use simulator::{Options, Simulator};
use tempfile::TempDir;
use transport::Trust;

use super::Site;
use crate::azure::AzureHub;
use crate::hub::{Asked, Call, Hub, HubError, MethodAnswer};
use crate::stock;

/// One board.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board {
    /// The key of its stock identity, and the one it has now.
    stock: String,
    key: String,
    /// How often it is not there before it is again; every time while it is [`Board::FOREVER`].
    pub(crate) away: usize,
    /// Answers that are lost on their way.
    pub(crate) lost: usize,
    /// What it refuses with.
    pub(crate) refuses: Option<(i64, &'static str)>,
    /// Whether what it takes is gone after its restart.
    pub(crate) forgets: bool,
    /// What it was asked: method and payload.
    pub(crate) asked: Vec<(String, Value)>,
    /// Its twin's tags.
    pub(crate) tags: BTreeMap<String, Value>,
    pub(crate) enabled: Option<bool>,
    /// Whether its hub cannot be reached.
    pub(crate) hub_is_gone: bool,
}

impl Board {
    pub(crate) const FOREVER: usize = usize::MAX;
}

/// The provisioning service and the boards.
pub(crate) struct Street {
    pub(crate) simulator: Arc<Simulator>,
    trust: Trust,
    boards: Mutex<BTreeMap<String, Board>>,
    _directory: TempDir,
}

impl Street {
    /// A service over it, with so many boards in stock: `board00`, `board01`, …
    pub(crate) async fn with_stock(boards: usize) -> (Arc<Self>, Site) {
        let directory = tempfile::tempdir().expect("a directory");
        let simulator = Simulator::start(Options::on_free_ports(directory.path()))
            .await
            .expect("it starts");
        let pem = std::fs::read_to_string(simulator.info().ca_file).expect("a CA");
        let street = Arc::new(Self {
            trust: Trust::only(&pem).expect("a certificate"),
            simulator,
            boards: Mutex::default(),
            _directory: directory,
        });
        let provisioning = (street.service(), street.simulator.info().id_scope);
        let site = Site::with(street.clone(), Some(provisioning)).await;
        let stock = site.app.settings.stock_group.clone();
        stock::open(&site.app)
            .await
            .expect("the stock's group is made");
        for number in 0..boards {
            street.image(&site, &format!("board{number:02}")).await;
        }
        stock::read_group(&site.app, &stock)
            .await
            .expect("the stock is read");
        (street, site)
    }

    /// Makes a board and registers it in stock.
    pub(crate) async fn image(&self, site: &Site, id: &str) {
        let groups = site.app.provisioning.groups();
        let key = groups
            .derive_key(&site.app.settings.stock_group, &id.parse().expect("an id"))
            .await
            .expect("a key");
        self.register(id, &key).await.expect("it is assigned");
        let key = key.to_base64();
        let board = Board {
            stock: key.clone(),
            key,
            ..Board::default()
        };
        self.boards().insert(id.to_owned(), board);
    }

    pub(crate) fn service(&self) -> Service {
        let info = self.simulator.info();
        let text = info.provisioning_service_connection_string;
        Service::from_connection_string(&text, self.trust.clone())
            .expect("a service")
            .with_port(info.https.port())
    }

    /// The simulated hub itself, in place of this street's boards.
    pub(crate) fn hub(&self) -> AzureHub {
        let info = self.simulator.info();
        let (host, port) = (&info.hub_host_name, info.https.port());
        let text =
            info.service_connection_string
                .replacen(host.as_str(), &format!("{host}:{port}"), 1);
        let service = HubService::from_connection_string(&text, self.trust.clone());
        AzureHub::new(service.expect("a hub"))
    }

    /// One board, to change it or look at it.
    pub(crate) fn board<T>(&self, id: &str, with: impl FnOnce(&mut Board) -> T) -> T {
        with(self.boards().get_mut(id).expect("a board"))
    }

    /// Whether the board would be let in with the key it has.
    pub(crate) async fn is_let_in(&self, id: &str) -> bool {
        let key = self.board(id, |board| board.key.clone());
        let key = SymmetricKey::from_base64(&key).expect("a key");
        self.register(id, &key).await.is_ok()
    }

    fn boards(&self) -> MutexGuard<'_, BTreeMap<String, Board>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn register(&self, id: &str, key: &SymmetricKey) -> Result<(), String> {
        let info = self.simulator.info();
        let registration = Registration {
            global_endpoint: Endpoint::new(info.provisioning_host)
                .with_ports(info.mqtt.port(), info.https.port()),
            trust: self.trust.clone(),
            protocol: Protocol::Https,
            ..Registration::new(
                info.id_scope,
                id.parse().expect("an id"),
                Attestation::SymmetricKey(key.clone()),
            )
        };
        register(&registration, Limits::default())
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }

    async fn answer(&self, call: &Call<'_>) -> Result<MethodAnswer, HubError> {
        let id = call.device_id.to_owned();
        let board = {
            let mut boards = self.boards();
            let Some(board) = boards.get_mut(&id) else {
                return Err(HubError::Unknown);
            };
            if board.away > 0 {
                if board.away != Board::FOREVER {
                    board.away -= 1;
                }
                return Err(HubError::Offline);
            }
            board
                .asked
                .push((call.name.to_owned(), call.payload.clone()));
            board.clone()
        };
        assert_eq!(call.module_id, "provisioning");
        if let Some((status, message)) = board.refuses {
            let payload = json!({"reason": "refused", "message": message, "step": "register"});
            return Ok(MethodAnswer { status, payload });
        }
        let key = match call.name {
            "setup" => {
                let request: SetupRequest =
                    serde_json::from_value(call.payload.clone()).expect("a request");
                assert_eq!(request.registration_id, id);
                assert_eq!(request.id_scope, self.simulator.info().id_scope);
                request.symmetric_key.expose().to_owned()
            }
            "reset" => board.stock.clone(),
            "test" => {
                let payload = json!({"passed": true, "parts": []});
                return Ok(MethodAnswer {
                    status: 200,
                    payload,
                });
            }
            other => panic!("there is no method {other}"),
        };
        let outcome = if key == board.key { "done" } else { "running" };
        if outcome == "running" {
            let own = SymmetricKey::from_base64(&key).expect("a key");
            if let Err(message) = self.register(&id, &own).await {
                let payload =
                    json!({"reason": "unauthorised", "message": message, "step": "register"});
                return Ok(MethodAnswer {
                    status: 401,
                    payload,
                });
            }
            self.board(&id, |board| {
                if !board.forgets {
                    board.key = key;
                }
                board.away = board.away.max(1);
            });
        }
        if board.lost > 0 {
            self.board(&id, |board| board.lost -= 1);
            return Err(HubError::TimedOut);
        }
        let info = self.simulator.info();
        let payload = json!({"kind": call.name, "outcome": outcome, "registrationId": id, "hub": info.hub_host_name,
                             "deviceId": id, "message": "It restarts."});
        Ok(MethodAnswer {
            status: 200,
            payload,
        })
    }
}

impl Hub for Street {
    fn invoke<'a>(&'a self, call: Call<'a>) -> Asked<'a, MethodAnswer> {
        Box::pin(async move { self.answer(&call).await })
    }

    fn twin<'a>(&'a self, _: &'a str, _: Option<&'a str>) -> Asked<'a, Option<Value>> {
        Box::pin(async { Ok(None) })
    }

    fn patch_twin<'a>(
        &'a self,
        device_id: &'a str,
        _: Option<&'a str>,
        patch: Value,
    ) -> Asked<'a, ()> {
        Box::pin(async move {
            for (name, tag) in patch["tags"].as_object().expect("tags") {
                self.board(device_id, |board| {
                    board.tags.insert(name.clone(), tag.clone())
                });
            }
            Ok(())
        })
    }

    fn device<'a>(&'a self, _: &'a str) -> Asked<'a, Option<Value>> {
        Box::pin(async { Ok(None) })
    }

    fn enable<'a>(&'a self, device_id: &'a str, enabled: bool) -> Asked<'a, ()> {
        Box::pin(async move {
            self.board(device_id, |board| {
                if board.hub_is_gone {
                    return Err(HubError::Unreachable("nobody answers".into()));
                }
                board.enabled = Some(enabled);
                Ok(())
            })
        })
    }

    fn delete<'a>(&'a self, _: &'a str) -> Asked<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
