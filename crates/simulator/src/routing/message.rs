//! A message or event as the hub's own routes look at it.

use std::borrow::Cow;
use std::cell::OnceCell;

use hub_proto::message::{Properties, SystemProperty};
use hub_proto::twin::Twin;
use jiff::Timestamp;
use manifest::route::{MessageSource, RoutedMessage, read_body};
use serde_json::{Value, json};

use super::property;
use crate::events::Event;

/// An event with what is known of its sender. Body and twin are made ready when a condition first asks for them.
#[derive(Debug)]
pub(crate) struct HubMessage<'a> {
    event: &'a Event<'a>,
    properties: &'a Properties,
    twin: Option<&'a Twin>,
    model_id: &'a str,
    parsed: OnceCell<Option<Value>>,
    twin_document: OnceCell<Option<Value>>,
}

impl<'a> HubMessage<'a> {
    pub(crate) fn new(
        event: &'a Event<'a>,
        properties: &'a Properties,
        twin: Option<&'a Twin>,
        model_id: &'a str,
    ) -> Self {
        Self {
            event,
            properties,
            twin,
            model_id,
            parsed: OnceCell::new(),
            twin_document: OnceCell::new(),
        }
    }
}

impl RoutedMessage for HubMessage<'_> {
    fn system(&self, name: &str) -> Option<Cow<'_, str>> {
        let some = |text: &'static str| Some(Cow::Borrowed(text));
        if name.eq_ignore_ascii_case("dt-dataschema") {
            return (!self.model_id.is_empty()).then_some(Cow::Borrowed(self.model_id));
        }
        if name.eq_ignore_ascii_case("iothub-message-source") {
            return some(self.event.source.name());
        }
        let text = match SystemProperty::from_name(name)? {
            SystemProperty::ConnectionDeviceId => Some(self.event.device),
            SystemProperty::ConnectionModuleId => {
                Some(self.event.module).filter(|id| !id.is_empty())
            }
            SystemProperty::EnqueuedTime => {
                let moment = Timestamp::from_millisecond(self.event.enqueued_ms).ok()?;
                return Some(Cow::Owned(hub_proto::time::format(moment)));
            }
            known => self.properties.get(known),
        };
        text.map(Cow::Borrowed)
    }

    fn property(&self, name: &str) -> Option<Cow<'_, str>> {
        property(self.properties, name).map(Cow::Borrowed)
    }

    /// Unlike at the edge, the content type may have a charset behind it.
    fn body(&self) -> Option<&Value> {
        let read = || {
            let encoding = self.properties.get(SystemProperty::ContentEncoding);
            let readable = self.properties.has_queryable_body();
            let kind = readable.then_some("application/json");
            read_body(kind, encoding, self.event.body)
        };
        self.parsed.get_or_init(read).as_ref()
    }

    fn twin(&self) -> Option<&Value> {
        let document = || {
            let twin = self.twin?;
            Some(json!({
                "tags": twin.tags(),
                "properties": {"desired": twin.desired().value(), "reported": twin.reported().value()},
            }))
        };
        self.twin_document.get_or_init(document).as_ref()
    }

    fn source(&self) -> MessageSource<'_> {
        MessageSource::derive(
            None,
            Some(self.event.module).filter(|id| !id.is_empty()),
            self.properties.get(SystemProperty::OutputName),
        )
    }

    fn is_null_property(&self, name: &str) -> bool {
        let mut application = self.properties.application.iter();
        application.any(|(known, value)| value.is_none() && known.eq_ignore_ascii_case(name))
    }
}
