//! The portal on a real socket.

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::portal::serve;

#[tokio::test]
async fn stopping_ends_a_stream_that_never_would() {
    let (desk, _clerk) = Desk::open(view(Mode::Stock));
    let pin = PIN.parse::<Pin>().expect("a PIN");
    let options = PortalOptions::new(pin).expect("a random source");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        let stop = async {
            let _ = stopped.await;
        };
        serve(listener, desk, &options, stop).await;
    });

    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let ask = |method: &str, path: &str, cookie: &str, form: String| {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"))
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        client.request(request.body(Body::from(form)).expect("a request"))
    };
    let cookie = |headers: &HeaderMap| {
        let cookie = headers[header::SET_COOKIE].to_str().expect("a text");
        cookie.split(';').next().unwrap_or_default().to_owned()
    };
    let page = ask("GET", "/sign-in", "", String::new())
        .await
        .expect("a page");
    let visitor = cookie(page.headers());
    let page = page.into_body().collect().await.expect("a body").to_bytes();
    let page = String::from_utf8_lossy(&page);
    let token = between(&page, r#"name="token" value=""#, "\"").expect("a token");
    let form = format!("token={token}&pin={PIN}");
    let answer = ask("POST", "/sign-in", &visitor, form).await;
    let session = cookie(answer.expect("an answer").headers());
    let stream = ask("GET", "/live", &session, String::new()).await;
    let mut stream = stream.expect("a stream").into_body();
    let first = soon("the first event", stream.frame()).await;
    assert!(first.is_some_and(|frame| frame.is_ok()));

    stop.send(()).expect("it still serves");
    soon("the end of the portal", served)
        .await
        .expect("no panic");
    let ended = async { while let Some(Ok(_)) = stream.frame().await {} };
    soon("the end of the stream", ended).await;
    let refused = ask("GET", "/sign-in", "", String::new()).await;
    assert!(refused.is_err(), "nobody listens any more");
}
