//! Attribute names in SQL text: dots without quotes, case as written, near matches.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use crate::error::PredicateError;

/// Splits SQL into tokens and joins names written with dots (`http.response.status_code`) into one
/// quoted identifier each.
///
/// `join` is asked about each dotted name and answers how many of its leading parts stay apart (a
/// table's name or alias); the rest become one name. `None` leaves the name as it is. A name
/// followed by `(` is a function and is left alone.
pub(crate) fn tokens(
    sql: &str,
    join: impl Fn(&[&str]) -> Option<usize>,
) -> Result<Vec<TokenWithSpan>, PredicateError> {
    let tokens =
        Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().map_err(|error| {
            PredicateError {
                message: error.message,
                line: Some(error.location.line),
                column: Some(error.location.column),
                hint: Some("put texts in single quotes, as in 'GET'".to_owned()),
            }
        })?;
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let end = name_end(&tokens, at);
        let parts: Vec<&str> = tokens[at..end].iter().filter_map(word).collect();
        let is_call = matches!(
            tokens[end..].iter().find(|t| !matches!(t.token, Token::Whitespace(_))),
            Some(TokenWithSpan { token: Token::LParen, .. })
        );
        match if end > at && !is_call { join(&parts) } else { None } {
            Some(apart) if apart < parts.len() => {
                out.extend_from_slice(&tokens[at..at + 2 * apart]);
                let mut joined = tokens[at + 2 * apart].clone();
                joined.token = Token::Word(Word {
                    value: parts[apart..].join("."),
                    quote_style: Some('"'),
                    keyword: Keyword::NoKeyword,
                });
                out.push(joined);
            }
            _ => out.extend_from_slice(&tokens[at..end.max(at + 1)]),
        }
        at = end.max(at + 1);
    }
    Ok(out)
}

fn word(token: &TokenWithSpan) -> Option<&str> {
    match &token.token {
        Token::Word(word) => Some(&word.value),
        _ => None,
    }
}

/// Where the dotted name that starts at `at` ends; `at` itself when there is none.
fn name_end(tokens: &[TokenWithSpan], at: usize) -> usize {
    if word(&tokens[at]).is_none() {
        return at;
    }
    let mut end = at + 1;
    while end + 1 < tokens.len()
        && tokens[end].token == Token::Period
        && word(&tokens[end + 1]).is_some()
    {
        end += 2;
    }
    end
}

/// Known names that `name` was probably meant to be, the nearest first; at most three.
pub fn near_matches<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| {
            let mut score = strsim::jaro_winkler(name, candidate);
            // A short name is often the tail of the full one: `status_code`, `path`.
            let tail = |long: &str, short: &str| {
                long.len() > short.len()
                    && long.ends_with(short)
                    && long.as_bytes()[long.len() - short.len() - 1] == b'.'
            };
            if tail(candidate, name) || tail(name, candidate) {
                score = score.max(0.95);
            }
            if candidate.eq_ignore_ascii_case(name) {
                score = 1.0;
            }
            (score, candidate)
        })
        .filter(|(score, _)| *score >= 0.84)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The names for a message, the first twenty of them.
pub fn listed<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    const SHOWN: usize = 20;
    let mut out = String::new();
    for (at, name) in names.into_iter().enumerate() {
        if at == SHOWN {
            return out + ", …";
        }
        if at > 0 {
            out.push_str(", ");
        }
        out.push_str(name.as_ref());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(sql: &str) -> String {
        let join = |parts: &[&str]| (parts.len() > 1).then_some(0);
        tokens(sql, join).unwrap().iter().map(|t| t.token.to_string()).collect()
    }

    #[test]
    fn dotted_names_become_one_name() {
        assert_eq!(
            joined("http.response.status_code < 500 AND lower(user.name) = 'a.b'"),
            "\"http.response.status_code\" < 500 AND lower(\"user.name\") = 'a.b'"
        );
        assert_eq!(joined("my.function (a.\"b c\") + 1.5"), "my.function (\"a.b c\") + 1.5");
    }

    #[test]
    fn leading_parts_can_stay_apart() {
        let joined: String = tokens("e.url.path", |parts| (parts.len() > 1).then_some(1))
            .unwrap()
            .iter()
            .map(|t| t.token.to_string())
            .collect();
        assert_eq!(joined, "e.\"url.path\"");
    }

    #[test]
    fn near_matches_find_tails_and_typos() {
        let known = ["http.response.status_code", "http.request.method", "service.name"];
        assert_eq!(near_matches("status_code", known), ["http.response.status_code"]);
        assert_eq!(near_matches("http.response.status", known)[0], "http.response.status_code");
        assert_eq!(near_matches("Service.Name", known), ["service.name"]);
        assert!(near_matches("zebra", known).is_empty());
    }
}
