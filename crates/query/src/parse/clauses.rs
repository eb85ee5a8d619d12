//! `SELECT … FROM … WHERE … GROUP BY … ORDER BY …`, and how they fit together.

use std::ops::Range;

use super::Parser;
use crate::advice;
use crate::aggregate::Aggregate;
use crate::error::Mistake;
use crate::path::Path;
use crate::query::{Collection, Column, Content, Query, Selection, SortBy, SortKey};
use crate::token::Token;

const SELECT_HELP: &str =
    "`*`, a property as `tags.site`, or an aggregate as `COUNT() AS n`, belongs here";
const CLAUSE_HELP: &str = "what may follow is, in this order: WHERE, GROUP BY, ORDER BY";

/// What stands between SELECT and FROM: nothing for `*`.
type Columns = Option<Vec<(Column, Range<usize>)>>;

impl Parser<'_> {
    pub(super) fn query(mut self, collections: &[Collection]) -> Result<Query, Mistake> {
        if !self.take_keyword("SELECT") {
            return Err(self.unexpected("a query begins with `SELECT`: `SELECT * FROM devices`"));
        }
        self.find_prefix();
        let top = self.top()?;
        let selected = self.span();
        let columns = self.columns()?;
        if !self.take_keyword("FROM") {
            let help = if columns.is_none() {
                "`FROM` and a collection follow: `SELECT * FROM devices`"
            } else {
                "`,` and a further property, `AS` and a name, or `FROM` and a collection, follows"
            };
            return Err(self.unexpected(help));
        }
        let collection = self.collection(collections)?;
        let condition = if self.take_keyword("WHERE") {
            Some(self.condition()?)
        } else {
            None
        };
        let (groups, grouped) = self.group_by()?;
        let selection = selection(columns, &groups, grouped.as_ref(), &selected)?;
        let order = self.order_by(&selection, &groups)?;
        if self.peek() != Token::End {
            let help = if condition.is_some() && groups.is_empty() && order.is_empty() {
                "an operator, as AND, or GROUP BY or ORDER BY may follow"
            } else {
                CLAUSE_HELP
            };
            return Err(self.unexpected(help));
        }
        if collection.whole && !matches!(selection, Selection::Documents) {
            let name = collection.name;
            return Err(Mistake::new(
                selected,
                format!("`{name}` gives whole documents only"),
                format!("write `SELECT * FROM {name} …`"),
            ));
        }
        Ok(Query {
            collection,
            selection,
            top,
            condition,
            groups,
            order,
        })
    }

    /// Reads ahead what the collection is called, because paths before FROM may begin with its name too.
    fn find_prefix(&mut self) {
        let start = self.at;
        while self.peek() != Token::End {
            let before = &self.tokens[self.at - 1];
            let is_name = before.token == Token::Dot
                || self.text[before.span.clone()].eq_ignore_ascii_case("AS");
            let is_from = self.is_keyword("FROM") && !is_name;
            self.at += 1;
            if is_from {
                self.prefix = self.collection_name().1;
                break;
            }
        }
        self.at = start;
    }

    fn top(&mut self) -> Result<Option<usize>, Mistake> {
        const HELP: &str = "a whole number above 0 follows: `SELECT TOP 10 *`";
        if !self.is_keyword("TOP") {
            return Ok(None);
        }
        self.advance();
        let in_parentheses = self.take(Token::OpenParen);
        let count = self.word().parse().ok().filter(|count| *count > 0);
        if count.is_none() {
            return Err(self.unexpected(HELP));
        }
        self.advance();
        if in_parentheses {
            self.expect(Token::CloseParen, "`)` follows")?;
        }
        Ok(count)
    }

    fn columns(&mut self) -> Result<Columns, Mistake> {
        if self.take(Token::Star) {
            return Ok(None);
        }
        let mut columns: Vec<(Column, Range<usize>)> = Vec::new();
        let mut unnamed = 0;
        loop {
            let start = self.span();
            let column = self.column(&mut unnamed)?;
            if columns.iter().any(|(other, _)| other.name == column.name) {
                return Err(Mistake::new(
                    start,
                    format!("two results are called `{}`", column.name),
                    "give one of them another name: `… AS other`",
                ));
            }
            columns.push((column, start));
            if !self.take(Token::Comma) {
                return Ok(Some(columns));
            }
        }
    }

    fn column(&mut self, unnamed: &mut usize) -> Result<Column, Mistake> {
        let start = self.span();
        let content = if self.peek() == Token::Word && self.peek_after(1) == Token::OpenParen {
            self.aggregate()?
        } else {
            Content::Path(self.path(SELECT_HELP)?)
        };
        if self.take_keyword("AS") {
            let name = self.name()?;
            return Ok(Column { name, content });
        }
        let name = match &content {
            Content::Path(path) => path.last_name().map(str::to_owned),
            Content::Aggregate(..) => {
                // As the hub calls them: by number, those that have a name left out.
                *unnamed += 1;
                Some(format!("${unnamed}"))
            }
        };
        match name {
            Some(name) => Ok(Column { name, content }),
            None => Err(Mistake::new(
                start,
                "the result has no name",
                "write `… AS name`",
            )),
        }
    }

    fn aggregate(&mut self) -> Result<Content, Mistake> {
        let name = self.word();
        let place = self.advance();
        let Some(aggregate) = Aggregate::find(name) else {
            return Err(Mistake::new(
                place,
                format!("`{name}` cannot be selected"),
                advice::on(name)
                    .unwrap_or("select properties, COUNT(), AVG(…), SUM(…), MIN(…) and MAX(…)"),
            ));
        };
        self.advance();
        let of = match aggregate {
            Aggregate::Count => None,
            _ => Some(self.path("a property belongs here, as `properties.reported.level`")?),
        };
        let help = match aggregate {
            Aggregate::Count => {
                "write `COUNT()`; to count what has a property, add `WHERE IS_DEFINED(…)`"
            }
            _ => "`)` follows: one property, and no computation",
        };
        self.expect(Token::CloseParen, help)?;
        Ok(Content::Aggregate(aggregate, of))
    }

    fn collection(&mut self, collections: &[Collection]) -> Result<Collection, Mistake> {
        let names = || {
            let names = collections.iter().map(|known| format!("`{}`", known.name));
            format!(
                "what can be asked is {}",
                names.collect::<Vec<_>>().join(", ")
            )
        };
        if self.peek() != Token::Word {
            return Err(self.unexpected(&names()));
        }
        let (span, name) = self.collection_name();
        let name = name.join(".");
        let known = collections
            .iter()
            .find(|known| known.name.eq_ignore_ascii_case(&name));
        let Some(known) = known else {
            let help = manifest::closest(&name, collections.iter().map(|known| known.name))
                .map_or_else(names, |known| format!("write `{known}`"));
            let message = format!("there is no collection `{name}`");
            return Err(Mistake::new(span, message, help));
        };
        let clause = ["WHERE", "GROUP", "ORDER"]
            .iter()
            .any(|keyword| self.is_keyword(keyword));
        if self.peek() == Token::Word && !clause {
            return Err(self.unexpected(
                "a collection has no other name here: what may follow is WHERE, GROUP BY, ORDER BY",
            ));
        }
        Ok(*known)
    }

    /// Words joined by dots, as far as they go.
    fn collection_name(&mut self) -> (Range<usize>, Vec<String>) {
        let mut span = self.span();
        let mut names = Vec::new();
        while self.peek() == Token::Word {
            names.push(self.word().to_owned());
            span.end = self.advance().end;
            if self.peek_after(1) != Token::Word || !self.take(Token::Dot) {
                break;
            }
        }
        (span, names)
    }

    fn group_by(&mut self) -> Result<(Vec<Path>, Option<Range<usize>>), Mistake> {
        if !self.is_keyword("GROUP") {
            return Ok((Vec::new(), None));
        }
        let start = self.advance();
        if !self.take_keyword("BY") {
            return Err(self.unexpected("`BY` follows: `GROUP BY tags.site`"));
        }
        let mut groups = Vec::new();
        loop {
            groups.push(self.path("a property belongs here, as `tags.site`")?);
            if !self.take(Token::Comma) {
                return Ok((groups, Some(start)));
            }
        }
    }

    fn order_by(
        &mut self,
        selection: &Selection,
        groups: &[Path],
    ) -> Result<Vec<SortKey>, Mistake> {
        if !self.take_keyword("ORDER") {
            return Ok(Vec::new());
        }
        if !self.take_keyword("BY") {
            return Err(self.unexpected("`BY` follows: `ORDER BY deviceId`"));
        }
        let mut order = Vec::new();
        loop {
            let start = self.span();
            let path = self.path("a property belongs here, as `deviceId`")?;
            let by = sort_by(path, selection, groups).ok_or_else(|| {
                Mistake::new(
                    start,
                    "the groups have no such value to sort by",
                    "sort by a name that is selected: `SELECT tags.site AS site, COUNT() AS n … ORDER BY n`",
                )
            })?;
            let descending = self.take_keyword("DESC");
            if !descending {
                self.take_keyword("ASC");
            }
            order.push(SortKey { by, descending });
            if !self.take(Token::Comma) {
                return Ok(order);
            }
        }
    }
}

/// What is selected, once it is known what is grouped.
fn selection(
    columns: Columns,
    groups: &[Path],
    grouped: Option<&Range<usize>>,
    selected: &Range<usize>,
) -> Result<Selection, Mistake> {
    let Some(columns) = columns else {
        return match grouped {
            None => Ok(Selection::Documents),
            Some(_) => Err(Mistake::new(
                selected.clone(),
                "a group is no document",
                "select what is grouped, and aggregates: `SELECT tags.site, COUNT() AS n … GROUP BY tags.site`",
            )),
        };
    };
    let has_aggregates = columns
        .iter()
        .any(|(column, _)| matches!(column.content, Content::Aggregate(..)));
    if groups.is_empty() && !has_aggregates {
        let columns = columns.into_iter().map(|(column, _)| column);
        return Ok(Selection::Columns(columns.collect()));
    }
    let stray = columns.iter().find(|(column, _)| match &column.content {
        Content::Path(path) => !groups.contains(path),
        Content::Aggregate(..) => false,
    });
    if let Some((column, span)) = stray {
        return Err(Mistake::new(
            span.clone(),
            format!("`{}` differs within a group", column.name),
            "add it behind GROUP BY, or select an aggregate of it",
        ));
    }
    let columns = columns.into_iter().map(|(column, _)| column);
    Ok(Selection::Groups(columns.collect()))
}

/// A name given by AS goes before a field of the document.
fn sort_by(path: Path, selection: &Selection, groups: &[Path]) -> Option<SortBy> {
    let (columns, is_grouped) = match selection {
        Selection::Documents => return Some(SortBy::Path(path)),
        Selection::Columns(columns) => (columns, false),
        Selection::Groups(columns) => (columns, true),
    };
    let named = columns
        .iter()
        .find(|column| path.field() == Some(column.name.as_str()));
    match named.map(|column| &column.content) {
        Some(Content::Path(path)) if !is_grouped => Some(SortBy::Path(path.clone())),
        Some(_) => named.map(|column| SortBy::Column(column.name.clone())),
        None if !is_grouped => Some(SortBy::Path(path)),
        None => columns
            .iter()
            .find(|column| match &column.content {
                Content::Path(selected) => *selected == path && groups.contains(&path),
                Content::Aggregate(..) => false,
            })
            .map(|column| SortBy::Column(column.name.clone())),
    }
}
