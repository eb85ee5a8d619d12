//! Which parenthesis belongs to which.
//!
//! edgeHub's grammar takes a condition with a `)` too many or too few and names the culprit, so that the reader is told
//! "unmatched closing" or "missing closing" and not just "syntax error". Which of several parentheses it names follows
//! from how its parser decides: from left to right, and at each opening one the first of these that lets the rest of
//! the condition parse: closed; closed and followed by one `)` too many; never closed (not for a call).
//! [`pair`] decides in the same order, so the error lands at the same column.

use super::token::{Lexeme, Token};

/// What became of a parenthesis. Tokens that are none have [`Role::Plain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    /// Opens a group or an argument list that is closed.
    Closed,
    /// As `Closed`, and the `)` after the closing one belongs to nothing.
    ClosedTwice,
    /// Opens a group nobody closes.
    Open,
}

/// More opening parentheses than this are not searched, and no search takes more steps: no condition a person wrote
/// comes near either.
const MAX_OPENING: usize = 64;
const MAX_STEPS: usize = 20_000;

/// There is no way of pairing.
#[derive(Debug)]
pub(super) struct Stuck {
    /// The index of the token at which the last way ended.
    pub(super) at: usize,
    /// The roles that lead up to there.
    pub(super) roles: Vec<Role>,
}

/// The role of every token of a condition.
pub(super) fn pair(tokens: &[Lexeme]) -> Result<Vec<Role>, Stuck> {
    let stuck = match balanced(tokens) {
        Ok(roles) => return Ok(roles),
        Err(stuck) => stuck,
    };
    if count(tokens, Token::OpenParen) > MAX_OPENING {
        return Err(stuck);
    }
    let mut search = Search::new(tokens, true);
    if search.run() {
        return Ok(search.roles);
    }
    // Looking ahead for parentheses that are not there hides how far one can read before the condition goes wrong.
    let mut search = Search::new(tokens, false);
    search.run();
    Err(search.furthest)
}

/// The pairing when every parenthesis has its partner, which is nearly always.
fn balanced(tokens: &[Lexeme]) -> Result<Vec<Role>, Stuck> {
    let mut roles = vec![Role::Plain; tokens.len()];
    let mut open = Vec::new();
    for (at, lexeme) in tokens.iter().enumerate() {
        let fits = match lexeme.token {
            Token::OpenParen => {
                roles[at] = Role::Closed;
                open.push(at);
                true
            }
            Token::CloseParen => open.pop().is_some(),
            Token::Comma => open.last().is_some_and(|opener| is_call(tokens, *opener)),
            _ => true,
        };
        if !fits {
            return Err(Stuck { at, roles });
        }
    }
    if open.is_empty() {
        Ok(roles)
    } else {
        let at = tokens.len();
        Err(Stuck { at, roles })
    }
}

struct Search<'a> {
    tokens: &'a [Lexeme],
    look_ahead: bool,
    roles: Vec<Role>,
    /// Where a decision was taken, and what was open before it.
    choices: Vec<(usize, Vec<usize>)>,
    /// The opening parentheses that wait for theirs, innermost last.
    open: Vec<usize>,
    furthest: Stuck,
}

impl<'a> Search<'a> {
    fn new(tokens: &'a [Lexeme], look_ahead: bool) -> Self {
        Self {
            tokens,
            look_ahead,
            roles: vec![Role::Plain; tokens.len()],
            choices: Vec::new(),
            open: Vec::new(),
            furthest: Stuck {
                at: 0,
                roles: vec![Role::Plain; tokens.len()],
            },
        }
    }

    /// Depth first, taking the choices in the grammar's order, so the first pairing found is the one edgeHub takes.
    fn run(&mut self) -> bool {
        let mut at = 0;
        for _ in 0..MAX_STEPS {
            let done = at == self.tokens.len();
            if done && self.open.is_empty() {
                return true;
            }
            if at > self.furthest.at {
                self.furthest.at = at;
                self.furthest.roles.clone_from(&self.roles);
            }
            let next = if done { None } else { self.step(at) };
            match next.or_else(|| self.retry()) {
                Some(next) => at = next,
                None => return false,
            }
        }
        false
    }

    fn step(&mut self, at: usize) -> Option<usize> {
        match self.tokens[at].token {
            Token::OpenParen => {
                self.choices.push((at, self.open.clone()));
                self.roles[at] = Role::Closed;
                self.open.push(at);
                self.is_hopeful(at + 1).then_some(at + 1)
            }
            Token::CloseParen => {
                let opener = self.open.pop()?;
                if self.roles[opener] == Role::Closed {
                    return Some(at + 1);
                }
                // The one too many must follow at once.
                let extra = self.tokens.get(at + 1)?;
                (extra.token == Token::CloseParen).then_some(at + 2)
            }
            Token::Comma => {
                let opener = *self.open.last()?;
                is_call(self.tokens, opener).then_some(at + 1)
            }
            _ => Some(at + 1),
        }
    }

    /// Takes back decisions until one has an alternative left, and takes that.
    fn retry(&mut self) -> Option<usize> {
        while let Some((at, open)) = self.choices.pop() {
            self.open.clone_from(&open);
            let role = match self.roles[at] {
                Role::Closed => Role::ClosedTwice,
                Role::ClosedTwice if !is_call(self.tokens, at) => Role::Open,
                _ => {
                    self.roles[at] = Role::Plain;
                    continue;
                }
            };
            self.roles[at] = role;
            self.choices.push((at, open));
            if role == Role::ClosedTwice {
                self.open.push(at);
            }
            if self.is_hopeful(at + 1) {
                return Some(at + 1);
            }
        }
        None
    }

    /// Whether as many closing parentheses are left as the open ones want, and no more than can be used up.
    fn is_hopeful(&self, from: usize) -> bool {
        if !self.look_ahead {
            return true;
        }
        let rest = &self.tokens[from..];
        let twice = self
            .open
            .iter()
            .filter(|at| self.roles[**at] == Role::ClosedTwice);
        let wanted = self.open.len() + twice.count();
        let left = count(rest, Token::CloseParen);
        wanted <= left && left <= wanted + 2 * count(rest, Token::OpenParen)
    }
}

fn is_call(tokens: &[Lexeme], opener: usize) -> bool {
    let before = opener.checked_sub(1).and_then(|before| tokens.get(before));
    before.is_some_and(|before| before.token == Token::Name)
}

fn count(tokens: &[Lexeme], token: Token) -> usize {
    tokens.iter().filter(|lexeme| lexeme.token == token).count()
}

#[cfg(test)]
mod tests {
    use super::super::token::tokenize;
    use super::*;

    fn roles(text: &str) -> Result<Vec<(usize, Role)>, usize> {
        let mut tokens = tokenize(text);
        tokens.pop();
        let starts: Vec<usize> = tokens.iter().map(|token| token.span.start).collect();
        let end = text.len();
        pair(&tokens)
            .map(|roles| {
                let named = roles
                    .into_iter()
                    .enumerate()
                    .filter(|(_, role)| *role != Role::Plain);
                named.map(|(index, role)| (starts[index], role)).collect()
            })
            .map_err(|stuck| starts.get(stuck.at).copied().unwrap_or(end))
    }

    #[test]
    fn what_balances_is_closed() {
        assert_eq!(
            roles("((a) = f(b, c))"),
            Ok(vec![
                (0, Role::Closed),
                (1, Role::Closed),
                (8, Role::Closed)
            ])
        );
        assert_eq!(roles("a = b"), Ok(vec![]));
    }

    #[test]
    fn one_too_many_belongs_to_the_innermost_group_that_can_take_it() {
        assert_eq!(roles("(a))"), Ok(vec![(0, Role::ClosedTwice)]));
        assert_eq!(
            roles("((a)))"),
            Ok(vec![(0, Role::Closed), (1, Role::ClosedTwice)])
        );
        assert_eq!(
            roles("((a) = b))"),
            Ok(vec![(0, Role::ClosedTwice), (1, Role::Closed)])
        );
        assert_eq!(roles("f(a))"), Ok(vec![(1, Role::ClosedTwice)]));
        assert_eq!(roles("a)"), Err(1));
        assert_eq!(roles("f(a)))"), Err(5));
    }

    #[test]
    fn one_too_few_is_the_last_that_can_do_without() {
        assert_eq!(roles("(a"), Ok(vec![(0, Role::Open)]));
        assert_eq!(roles("((a)"), Ok(vec![(0, Role::Closed), (1, Role::Open)]));
        assert_eq!(roles("f((a)"), Ok(vec![(1, Role::Closed), (2, Role::Open)]));
        assert_eq!(
            roles("f((a, b)"),
            Ok(vec![(1, Role::Closed), (2, Role::Open)])
        );
        assert_eq!(roles("f(a"), Err(3));
    }

    #[test]
    fn a_comma_belongs_into_a_call() {
        assert_eq!(roles("(a, b)"), Err(2));
        assert_eq!(
            roles("f(a, (b))"),
            Ok(vec![(1, Role::Closed), (5, Role::Closed)])
        );
    }

    #[test]
    fn a_search_without_end_is_given_up() {
        assert_eq!(roles(&"(".repeat(60)).map(|roles| roles.len()), Ok(60));
        assert_eq!(roles(&"(".repeat(500)), Err(500));
        assert_eq!(roles(&"f(".repeat(500)), Err(1000));
        assert_eq!(roles(&format!("{}a,,", "((".repeat(30))), Err(61));
    }
}
