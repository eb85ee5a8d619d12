//! Answers that come a page at a time.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::json;
use transport::http::Method;

use super::{Call, Service, ServiceError, accepted};

/// The name of the header, both ways, that says where the next page begins.
const CONTINUATION: &str = "x-ms-continuation";
const MAX_ITEM_COUNT: &str = "x-ms-max-item-count";

/// The pages of a query. Entries that come or go between two pages may be missed or come twice.
#[derive(Debug)]
pub struct Pages<'a, T> {
    service: &'a Service,
    path: String,
    query: &'static str,
    page_size: Option<u32>,
    next: Next,
    kind: PhantomData<T>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    First,
    After(String),
    Nothing,
}

impl<'a, T: DeserializeOwned> Pages<'a, T> {
    pub(super) const fn new(
        service: &'a Service,
        path: String,
        query: &'static str,
        page_size: Option<u32>,
    ) -> Self {
        Self {
            service,
            path,
            query,
            page_size,
            next: Next::First,
            kind: PhantomData,
        }
    }

    /// Begins where another query of the same kind was: behind what its [`Pages::continuation`] said.
    #[must_use]
    pub fn after(mut self, continuation: &str) -> Self {
        self.next = Next::After(continuation.to_owned());
        self
    }

    /// Where the next page begins; `None` before the first page and after the last.
    #[must_use]
    pub fn continuation(&self) -> Option<&str> {
        match &self.next {
            Next::After(continuation) => Some(continuation),
            Next::First | Next::Nothing => None,
        }
    }

    /// The next page, which may be empty; `None` after the last. After an error the same page can be asked for
    /// again.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`] among others; as every request.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, ServiceError> {
        let mut call =
            Call::new(Method::POST, self.path.clone()).json(&json!({"query": self.query}))?;
        match &self.next {
            Next::First => {}
            Next::After(continuation) => call.headers.push((CONTINUATION, continuation.clone())),
            Next::Nothing => return Ok(None),
        }
        if let Some(size) = self.page_size {
            call.headers.push((MAX_ITEM_COUNT, size.to_string()));
        }
        let answer = accepted(self.service.call(call).await?)?;
        let page =
            serde_json::from_slice(answer.body()).map_err(|_| ServiceError::Malformed("page"))?;
        let next = match answer
            .headers()
            .get(CONTINUATION)
            .map(|value| value.to_str())
        {
            None | Some(Ok("")) => Next::Nothing,
            Some(Ok(continuation)) => Next::After(continuation.to_owned()),
            Some(Err(_)) => return Err(ServiceError::Malformed("continuation")),
        };
        // The same again would never end.
        if next == self.next && next != Next::Nothing {
            return Err(ServiceError::Malformed("continuation"));
        }
        self.next = next;
        Ok(Some(page))
    }

    /// Everything that is left, in one list.
    ///
    /// # Errors
    /// As [`Pages::next`]; what was read until then is lost.
    pub async fn all(mut self) -> Result<Vec<T>, ServiceError> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
        }
        Ok(all)
    }
}
