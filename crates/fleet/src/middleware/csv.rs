//! Comma-separated values as RFC 4180 has them: fields may be in quotes, and then hold commas, line breaks and, doubled,
//! quotes. A byte order mark and blank lines are passed over.

/// One line of the table, with the line of the text it begins at, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) line: usize,
    pub(crate) fields: Vec<String>,
}

/// Why a text is no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CsvError {
    /// A quote that never ends.
    #[error("line {0}: a quote is opened and never closed")]
    Open(usize),
    /// Something behind a closing quote, or a quote inside a field without them.
    #[error("line {0}: a quote stands where none may")]
    Quote(usize),
}

/// Reads a table.
pub(crate) fn read(text: &str) -> Result<Vec<Record>, CsvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = Vec::new();
    let mut chars = text.chars().peekable();
    let (mut line, mut begun) = (1, 1);
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut was_quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if field.is_empty() && !was_quoted => {
                let opened = line;
                was_quoted = true;
                loop {
                    match chars.next() {
                        None => return Err(CsvError::Open(opened)),
                        Some('"') if chars.peek() == Some(&'"') => {
                            chars.next();
                            field.push('"');
                        }
                        Some('"') => break,
                        Some(c) => {
                            line += usize::from(c == '\n');
                            field.push(c);
                        }
                    }
                }
            }
            '"' => return Err(CsvError::Quote(line)),
            ',' => {
                fields.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                fields.push(std::mem::take(&mut field));
                was_quoted = false;
                close(&mut records, &mut fields, begun);
                line += 1;
                begun = line;
            }
            _ if was_quoted => return Err(CsvError::Quote(line)),
            c => field.push(c),
        }
    }
    fields.push(field);
    close(&mut records, &mut fields, begun);
    Ok(records)
}

fn close(records: &mut Vec<Record>, fields: &mut Vec<String>, line: usize) {
    let fields = std::mem::take(fields);
    if fields.iter().any(|field| !field.trim().is_empty()) {
        records.push(Record { line, fields });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Vec<(usize, Vec<String>)> {
        let records = read(text).expect("a table");
        records
            .into_iter()
            .map(|record| (record.line, record.fields))
            .collect()
    }

    fn row(line: usize, fields: &[&str]) -> (usize, Vec<String>) {
        (line, fields.iter().map(|&field| field.to_owned()).collect())
    }

    #[test]
    fn tables() {
        assert_eq!(
            table("a,b\n1,2"),
            [row(1, &["a", "b"]), row(2, &["1", "2"])]
        );
        assert_eq!(
            table("\u{feff}a,b\r\n1,2\r\n"),
            [row(1, &["a", "b"]), row(2, &["1", "2"])]
        );
        assert_eq!(
            table("a\n\n\"x, \"\"y\"\"\nz\",\n last "),
            [
                row(1, &["a"]),
                row(3, &["x, \"y\"\nz", ""]),
                row(5, &[" last "])
            ]
        );
        assert_eq!(table(""), []);
        assert_eq!(table("\n,\n"), []);
    }

    #[test]
    fn what_is_none_says_where() {
        assert_eq!(read("a\n\"b"), Err(CsvError::Open(2)));
        assert_eq!(read("a\nb\"c\""), Err(CsvError::Quote(2)));
        assert_eq!(read("\"a\"b"), Err(CsvError::Quote(1)));
        assert_eq!(read("\"a\"\"\" \"b\""), Err(CsvError::Quote(1)));
    }
}
