//! What keeps a module's part of the board from working, as the hub is to have it.

use serde_json::Value;

/// The reported property `fault`: the reason, or null, and then it is not in the twin.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    /// As the module has it; nothing before it tried.
    known: Option<Value>,
    /// What the hub has of it, or is being told.
    at_hub: Value,
}

impl Fault {
    /// The module knows now; returns what the hub is to be told.
    pub(crate) fn handle_known(&mut self, why: Option<&str>) -> Option<Value> {
        self.known = Some(why.into());
        self.news()
    }

    /// The hub has this now, maybe from an earlier process; returns what it is to be told.
    pub(crate) fn handle_at_hub(&mut self, fault: Option<&Value>) -> Option<Value> {
        self.at_hub = fault.cloned().unwrap_or_default();
        self.news()
    }

    fn news(&mut self) -> Option<Value> {
        let known = self.known.clone()?;
        let is_news = known != self.at_hub;
        self.at_hub.clone_from(&known);
        is_news.then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hub_is_told_what_it_has_not() {
        let mut fault = Fault::default();
        let old = json!("from an earlier process");
        assert_eq!(fault.handle_at_hub(Some(&old)), None, "nobody knows yet");
        assert_eq!(fault.handle_known(None), Some(Value::Null));
        assert_eq!(fault.handle_known(None), None);
        assert_eq!(fault.handle_known(Some("cut")), Some(json!("cut")));
        assert_eq!(fault.handle_at_hub(Some(&json!("cut"))), None);
        assert_eq!(fault.handle_at_hub(None), Some(json!("cut")), "it was lost");
        assert_eq!(Fault::default().handle_known(None), None, "all was well");
    }
}
