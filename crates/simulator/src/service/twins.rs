//! Twins: `/twins/{device}` and `/twins/{device}/modules/{module}`.

use axum::http::Method;
use axum::response::Response;
use hub_proto::identity::Identity;

use super::answer::{Fault, tagged};
use super::{Asked, not_allowed, reading};
use crate::hub::Right;

impl Asked<'_> {
    pub(super) fn twin(&self, target: Result<Identity, Fault>) -> Result<Response, Fault> {
        let replace = match *self.method() {
            Method::GET => None,
            Method::PATCH => Some(false),
            Method::PUT => Some(true),
            _ => return not_allowed(),
        };
        self.authorize(Right::ServiceConnect)?;
        let target = target?;
        let twin = match replace {
            None => self.hub.twin(&target)?,
            Some(replace) => {
                let document = reading::json(self.body)?;
                self.hub
                    .update_twin_when(&target, document, replace, self.if_match())?
            }
        };
        Ok(tagged(&twin))
    }
}
