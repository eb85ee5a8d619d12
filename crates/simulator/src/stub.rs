#![allow(missing_docs, dead_code)]
use serde_json::Value;
use std::borrow::Cow;
#[derive(Debug, Clone)]
pub struct Route;
#[derive(Debug)]
pub struct E;
impl std::fmt::Display for E {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
pub enum Sink {
    Upstream,
    Input { module: String, input: String },
}
pub enum MessageSource<'a> {
    Module {
        module: &'a str,
        output: Option<&'a str>,
    },
    Leaf,
    TwinChange,
}
pub trait RoutedMessage {
    fn system(&self, name: &str) -> Option<Cow<'_, str>>;
    fn property(&self, name: &str) -> Option<Cow<'_, str>>;
    fn body(&self) -> Option<&Value>;
    fn source(&self) -> MessageSource<'_>;
}
impl Route {
    pub fn parse(_: &str) -> Result<Self, Vec<E>> {
        Ok(Self)
    }
    pub fn matches(&self, _: &impl RoutedMessage) -> bool {
        true
    }
    pub fn sink(&self) -> &Sink {
        &Sink::Upstream
    }
    pub fn takes_source(&self, _: &MessageSource<'_>) -> bool {
        false
    }
}
