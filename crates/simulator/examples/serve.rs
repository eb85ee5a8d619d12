//! Serves a simulator with the control API on 127.0.0.1:8080.
#[tokio::main]
async fn main() {
    let dir = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let sim = simulator::Simulator::start(simulator::Options {
        ports: simulator::Ports::default(),
        ..simulator::Options::in_directory(&dir)
    })
    .await
    .unwrap();
    if sim.credentials("d1").is_none() {
        sim.add_device("d1", false, &["m1".into()]).unwrap();
        sim.add_device("edge01", true, &["mod1".into(), "mod2".into()])
            .unwrap();
    }
    for m in ["mod1", "mod2"] {
        println!(
            "{:?}",
            sim.module_environment(&hub_proto::identity::Identity::module("edge01", m).unwrap())
                .unwrap()
        );
    }
    println!("{}", serde_json::to_string(&sim.info()).unwrap());
    let l = tokio::net::TcpListener::bind("127.0.0.1:8080")
        .await
        .unwrap();
    axum::serve(l, sim.control()).await.unwrap();
}
