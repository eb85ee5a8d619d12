//! The WHERE of a route.

use super::check::{Checked, Rules, check};
use super::explain::Explanation;
use super::finding::{Finding, RouteError, RouteWarning};
use super::message::RoutedMessage;
use super::parse;
use super::syntax::Expr;
use super::tree::Node;

/// A condition edgeHub compiles.
#[derive(Clone, Debug)]
pub struct Condition {
    root: Node,
    /// Written one way, whatever way it was written.
    canonical: String,
}

impl Condition {
    /// Compiles a condition that stands alone. It may use `twin_change_includes`, which routes may only
    /// `FROM /twinChangeNotifications`; an empty one is undefined.
    ///
    /// # Errors
    ///
    /// Everything that keeps edgeHub from compiling it: the first syntax error, or else all type errors.
    pub fn parse(text: &str) -> Result<Self, Vec<RouteError>> {
        Self::parse_with_warnings(text).map(|(condition, _)| condition)
    }

    /// As [`Condition::parse`], with what the writer hardly meant.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn parse_with_warnings(text: &str) -> Result<(Self, Vec<RouteWarning>), Vec<RouteError>> {
        let error = |finding: Finding| RouteError::new(text, finding);
        let syntax = parse::condition(text).map_err(|finding| vec![error(finding)])?;
        match Self::compile(text, &syntax, Rules::of_edge(true)) {
            Ok((condition, warnings)) => {
                let warnings = warnings
                    .into_iter()
                    .map(|finding| RouteWarning::new(text, finding));
                Ok((condition, warnings.collect()))
            }
            Err(errors) => Err(errors.into_iter().map(error).collect()),
        }
    }

    /// Compiles the condition of a route of IoT Hub itself, which has the sender's twin besides (`$twin.tags.floor`), and
    /// where a system property goes before an application property of the same name. `about_twins` says whether the route
    /// takes twin change events, which have `twin_change_includes`.
    ///
    /// # Errors
    ///
    /// As [`Condition::parse`].
    pub fn parse_for_hub(text: &str, about_twins: bool) -> Result<Self, Vec<RouteError>> {
        let error = |finding: Finding| RouteError::new(text, finding);
        let syntax = parse::condition(text).map_err(|finding| vec![error(finding)])?;
        match Self::compile(text, &syntax, Rules::of_hub(about_twins)) {
            // What they warn of are slips of edgeHub's.
            Ok((condition, _)) => Ok(condition),
            Err(errors) => Err(errors.into_iter().map(error).collect()),
        }
    }

    /// Whether it holds for a message. None is "undefined", with which no message matches.
    pub fn evaluate<M: RoutedMessage + ?Sized>(&self, message: &M) -> Option<bool> {
        self.root.verdict(message)
    }

    /// What every part of it is worth for a message. `text` is the text it was parsed from: the condition, or the
    /// whole route.
    pub fn explain<M: RoutedMessage + ?Sized>(&self, text: &str, message: &M) -> Explanation {
        Explanation::of(&self.root, text, message)
    }

    /// The condition written one way, so that two texts that mean the same compare equal.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    pub(super) fn compile(
        text: &str,
        syntax: &Expr,
        rules: Rules,
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let Checked { root, warnings } = check(text, syntax, rules)?;
        let canonical = syntax.to_string();
        Ok((Self { root, canonical }, warnings))
    }
}
