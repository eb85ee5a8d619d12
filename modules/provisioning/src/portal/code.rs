//! The set-up code: what a QR code for an installer holds.
//!
//! ```text
//! cow:setup?idScope=0ne00112233&registrationId=10000000abcdef01&symmetricKey=MDEy…ZWY%3D&globalEndpoint=dps.example
//! ```
//!
//! The names are those of the method `setup`, in any order. Values are percent-encoded; `+`, `/` and `=` may also stand
//! for themselves (a `+` is a plus, as RFC 3986 has it). `registrationId` may be left out where the device's serial is
//! meant, `globalEndpoint` where it is the public one. Names this version does not know are passed over.
//!
//! The code may also be the fragment of a link to a portal, `http://bay-07.local:8088/#cow:setup?…`: any phone's
//! camera opens that, and a browser keeps a fragment to itself.

use bay::message::{SecretText, SetupRequest};
use hub_proto::percent;
use thiserror::Error;

const SCHEME: &str = "cow:setup?";
/// Longer than any QR code can hold.
const LONGEST: usize = 4296;

const ID_SCOPE: &str = "idScope";
const REGISTRATION_ID: &str = "registrationId";
const SYMMETRIC_KEY: &str = "symmetricKey";
const GLOBAL_ENDPOINT: &str = "globalEndpoint";
const NAMES: [&str; 4] = [ID_SCOPE, REGISTRATION_ID, SYMMETRIC_KEY, GLOBAL_ENDPOINT];

/// Why a text is no set-up code. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CodeError {
    /// It does not begin like one, nor does it hold one after a `#`.
    #[error("that is no set-up code: one begins with {SCHEME}")]
    NotACode,
    /// A field is there twice.
    #[error("that code has two values for {0}: have it made anew")]
    Twice(&'static str),
    /// A value's percent-encoding is not UTF-8.
    #[error("that code's {0} cannot be read: have it made anew")]
    Encoding(&'static str),
}

/// Reads a code as it was printed, typed or linked. Its fields are as unchecked as if they had been typed.
///
/// # Errors
///
/// It is not one.
pub fn read(text: &str) -> Result<SetupRequest, CodeError> {
    let text = text.trim();
    if text.len() > LONGEST {
        return Err(CodeError::NotACode);
    }
    let code = text.split_once('#').map_or(text, |(_, fragment)| fragment);
    let fields = match code.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => &code[SCHEME.len()..],
        _ => return Err(CodeError::NotACode),
    };
    let mut values = [const { None }; NAMES.len()];
    for field in fields.split('&') {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let Some(at) = NAMES.iter().position(|known| *known == name) else {
            continue;
        };
        let value = percent::decode(value).map_err(|_| CodeError::Encoding(NAMES[at]))?;
        if values[at].replace(value.into_owned()).is_some() {
            return Err(CodeError::Twice(NAMES[at]));
        }
    }
    let [id_scope, registration_id, symmetric_key, global_endpoint] = values;
    Ok(SetupRequest {
        id_scope: id_scope.unwrap_or_default(),
        registration_id: registration_id.unwrap_or_default(),
        symmetric_key: symmetric_key.map(SecretText::from).unwrap_or_default(),
        global_endpoint,
    })
}

/// A code in the clear, key and all, to print as a QR code.
#[must_use]
pub fn write(request: &SetupRequest) -> String {
    let mut code = format!("{SCHEME}{ID_SCOPE}=");
    percent::encode_into(&request.id_scope, &mut code);
    let mut add = |name: &str, value: &str| {
        code.extend(["&", name, "="]);
        percent::encode_into(value, &mut code);
    };
    if !request.registration_id.is_empty() {
        add(REGISTRATION_ID, &request.registration_id);
    }
    add(SYMMETRIC_KEY, request.symmetric_key.expose());
    if let Some(endpoint) = &request.global_endpoint {
        add(GLOBAL_ENDPOINT, endpoint);
    }
    code
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "+/EyMzQ1Njc4OWFiY2RlZg==";

    #[test]
    fn a_code_is_read_as_it_is_printed_typed_or_linked() {
        let full = format!(
            "cow:setup?idScope=0ne1&registrationId=a-1&symmetricKey={KEY}&globalEndpoint=dps.example:8443"
        );
        let request = SetupRequest {
            id_scope: "0ne1".into(),
            registration_id: "a-1".into(),
            symmetric_key: KEY.to_owned().into(),
            global_endpoint: Some("dps.example:8443".into()),
        };
        for text in [
            full.clone(),
            write(&request),
            format!("  {full}\n"),
            format!("http://bay-07.local:8088/#{full}"),
            full.replace("cow:setup", "COW:SETUP"),
            full.replace('+', "%2b"),
            format!("{full}&label=Bay%207"),
        ] {
            assert_eq!(read(&text).as_ref(), Ok(&request), "{text}");
        }
        let least = read(&format!("cow:setup?symmetricKey={KEY}&idScope=0ne1")).expect("a code");
        assert_eq!(least.registration_id, "");
        assert_eq!(least.global_endpoint, None);
    }

    #[test]
    fn what_is_no_code_is_told_apart() {
        for text in [
            "",
            "cow:",
            "cow:setup",
            "https://example.org",
            "0ne1",
            "é",
            "cow:setupé?",
            "#",
        ] {
            assert_eq!(read(text), Err(CodeError::NotACode), "{text}");
        }
        assert_eq!(read(&"c".repeat(5000)), Err(CodeError::NotACode));
        let twice = format!("cow:setup?idScope=a&idScope=b&symmetricKey={KEY}");
        assert_eq!(read(&twice), Err(CodeError::Twice("idScope")));
        let broken = read("cow:setup?symmetricKey=%ff");
        assert_eq!(broken, Err(CodeError::Encoding("symmetricKey")));
    }

    proptest! {
        #[test]
        fn nothing_typed_panics(text in "(cow:setup\\?)?\\PC{0,80}") {
            let _ = read(&text);
        }

        #[test]
        fn what_is_written_is_read(
            id_scope in "\\PC{0,12}",
            registration_id in "\\PC{0,12}",
            key in "\\PC{0,12}",
            global_endpoint in proptest::option::of("\\PC{0,12}"),
        ) {
            let symmetric_key = key.into();
            let request = SetupRequest { id_scope, registration_id, symmetric_key, global_endpoint };
            prop_assert_eq!(read(&write(&request)), Ok(request));
        }
    }
}
