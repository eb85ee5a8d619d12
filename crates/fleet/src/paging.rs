//! Lists that come a page at a time: `?limit=&after=` asks, `{"items": […], "next": "…"}` answers.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

/// Items of a page when nobody says how many.
const USUAL: u32 = 50;
/// The most of one page.
const MOST: u32 = 500;

/// Which page is asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// How many items, 1 to 500; 50 unless it is said.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// What the page before gave as `next`.
    pub after: Option<String>,
}

impl Paging {
    /// How many items the page has at most.
    ///
    /// # Errors
    /// 400 when it is not 1 to 500.
    pub fn limit(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(USUAL) {
            limit @ 1..=MOST => Ok(i64::from(limit)),
            other => Err(Problem::field(
                "limit",
                format!("must be 1 to {MOST}, not {other}"),
            )),
        }
    }

    /// Behind what it begins, as text; the empty text is before every key.
    #[must_use]
    pub fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on it, in the order of the list.
    pub items: Vec<T>,
    /// What to send as `after` for the page behind it; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// From up to one item more than the page holds: that one says that there is another page.
    #[must_use]
    pub fn cut(mut items: Vec<T>, limit: i64, key: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(key);
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_whether_there_is_another() {
        let key = |number: &i32| number.to_string();
        let page = Page::cut(vec![1, 2, 3], 2, key);
        assert_eq!((page.items, page.next), (vec![1, 2], Some("2".to_owned())));
        let page = Page::cut(vec![1, 2], 2, key);
        assert_eq!((page.items.len(), page.next), (2, None));
        let asked = Paging {
            limit: Some(501),
            after: None,
        };
        let refused = asked.limit().expect_err("too many");
        assert_eq!(refused.field.as_deref(), Some("limit"));
    }
}
