use tempfile::TempDir;
use tokio::{net::UnixListener, task::JoinHandle};

use super::*;

/// The call as libdbus writes it: `dbus-send --system --dest=org.freedesktop.login1
/// /org/freedesktop/login1 org.freedesktop.login1.Manager.Reboot boolean:false`, its fields in our order.
#[test]
fn the_call_on_the_wire() {
    let message = REBOOT.encode(2);
    let mut expected = vec![b'l', 1, 0, 1, 4, 0, 0, 0, 2, 0, 0, 0];
    let mut fields = Vec::new();
    for (code, kind, text) in [
        (1, b'o', "/org/freedesktop/login1"),
        (2, b's', "org.freedesktop.login1.Manager"),
        (3, b's', "Reboot"),
        (6, b's', "org.freedesktop.login1"),
    ] {
        while fields.len() % 8 != 0 {
            fields.push(0);
        }
        fields.extend([code, 1, kind, 0, text.len() as u8, 0, 0, 0]);
        fields.extend(text.as_bytes());
        fields.push(0);
    }
    while fields.len() % 8 != 0 {
        fields.push(0);
    }
    fields.extend([8, 1, b'g', 0, 1, b'b', 0]);
    expected.extend((fields.len() as u32).to_le_bytes());
    expected.extend(fields);
    while expected.len() % 8 != 0 {
        expected.push(0);
    }
    expected.extend([0, 0, 0, 0]);

    assert_eq!(message, expected);
    // What this side writes, this side reads.
    let fields = u32::from_le_bytes(message[12..16].try_into().expect("four bytes")) as usize;
    let mut reader = Reader::new(&message[..16 + fields], false, 16);
    assert_eq!(reader.u8(), Some(PATH));
    assert_eq!(reader.signature().as_deref(), Some("o"));
    assert_eq!(reader.string().as_deref(), Some("/org/freedesktop/login1"));
}

/// A bus that lets everybody in, greets, and has the given answer to whatever is called then.
struct Bus {
    directory: TempDir,
    task: JoinHandle<Vec<u8>>,
}

impl Bus {
    fn start(answers: Vec<Vec<u8>>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("bus")).expect("a free socket");
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut asked = vec![0; b"\0AUTH EXTERNAL\r\nDATA\r\n".len()];
            stream.read_exact(&mut asked).await.expect("the greeting");
            stream
                .write_all(b"DATA\r\nOK 1234deadbeef\r\n")
                .await
                .expect("it listens");
            let mut rest = vec![0; 7];
            stream.read_exact(&mut rest).await.expect("the beginning");
            for answer in answers {
                stream.write_all(&answer).await.expect("it listens");
            }
            // Until the client hangs up.
            stream.read_to_end(&mut rest).await.expect("its calls");
            asked.extend(rest);
            asked
        });
        Self { directory, task }
    }

    fn logind(&self) -> Logind {
        Logind::new(&self.directory.path().join("bus"))
    }
}

/// A reply as the bus writes it, in either byte order.
fn reply(kind: u8, to: u32, big_endian: bool, error: Option<(&str, &str)>) -> Vec<u8> {
    let u32_bytes = |value: u32| {
        if big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let string = |message: &mut Vec<u8>, text: &str| {
        pad(message, 4);
        message.extend(u32_bytes(text.len() as u32));
        message.extend(text.as_bytes());
        message.push(0);
    };
    let mut body = Vec::new();
    let mut message = vec![if big_endian { b'B' } else { b'l' }, kind, 1, 1];
    message.extend([0; 12]);
    message.push(REPLY_SERIAL);
    put_signature(&mut message, "u");
    pad(&mut message, 4);
    message.extend(u32_bytes(to));
    if let Some((name, said)) = error {
        pad(&mut message, 8);
        message.push(ERROR_NAME);
        put_signature(&mut message, "s");
        string(&mut message, name);
        string(&mut body, said);
    }
    let fields = message.len() as u32 - 16;
    message[4..8].copy_from_slice(&u32_bytes(body.len() as u32));
    message[8..12].copy_from_slice(&u32_bytes(77));
    message[12..16].copy_from_slice(&u32_bytes(fields));
    pad(&mut message, 8);
    message.extend(body);
    message
}

#[tokio::test]
async fn a_machine_that_restarts() {
    for big_endian in [false, true] {
        let bus = Bus::start(vec![
            reply(METHOD_RETURN, 1, big_endian, None),
            // A signal, which a bus sends whenever it likes; it answers nothing.
            reply(4, 0, big_endian, None),
            reply(METHOD_RETURN, 2, big_endian, None),
        ]);
        bus.logind().reboot().await.expect("it restarts");

        let asked = bus.task.await.expect("no panic");
        let text = String::from_utf8_lossy(&asked);
        assert!(text.contains("BEGIN\r\n"), "{text}");
        assert!(text.contains("Hello") && text.contains("Reboot"), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_says_why() {
    let refused = Some((
        "org.freedesktop.DBus.Error.AccessDenied",
        "Permission denied",
    ));
    let bus = Bus::start(vec![
        reply(METHOD_RETURN, 1, false, None),
        reply(ERROR, 2, false, refused),
    ]);
    let error = bus.logind().reboot().await.expect_err("it may not");

    assert_eq!(
        error.to_string(),
        "logind does not restart the machine: Permission denied (org.freedesktop.DBus.Error.AccessDenied)"
    );
}

#[tokio::test]
async fn nonsense_is_an_error() {
    let mut cut_off = reply(METHOD_RETURN, 2, false, None);
    cut_off[12] = 5;
    let mut endless = reply(METHOD_RETURN, 2, false, None);
    endless[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    for answer in [
        cut_off,
        endless,
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    ] {
        let bus = Bus::start(vec![answer]);
        let error = bus.logind().reboot().await.expect_err("nonsense");
        assert!(matches!(error, BoardError::HungUp { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn without_a_bus_there_is_no_restart() {
    let error = Logind::new(Path::new("/nowhere/bus"))
        .reboot()
        .await
        .expect_err("no bus");
    assert_eq!(
        error.to_string(),
        "the system bus at /nowhere/bus cannot be reached: is its socket mounted here?"
    );
}
