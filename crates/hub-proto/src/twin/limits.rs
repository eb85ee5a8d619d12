//! What a twin may hold.

use serde_json::Value;
use thiserror::Error;

use super::Object;

/// The longest name of a property, in bytes (1 KB).
pub const MAX_NAME_BYTES: usize = 1024;
/// The longest text, in bytes (4 KB).
pub const MAX_STRING_BYTES: usize = 4096;
/// How many objects may lie within each other below a section's root.
pub const MAX_DEPTH: usize = 10;
/// Size of the tags: names and values, in bytes (8 KB).
pub const MAX_TAGS_BYTES: usize = 8192;
/// Size of the desired and of the reported section: names and values, in bytes (32 KB).
pub const MAX_SECTION_BYTES: usize = 32_768;
/// The smallest integer.
pub const MIN_INTEGER: i64 = -4_503_599_627_370_496;
/// The largest integer.
pub const MAX_INTEGER: i64 = 4_503_599_627_370_495;

/// Which limit a patch breaks. The service answers 400004 with this text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LimitError {
    /// `$version` and its like belong to the service.
    #[error("Property names must not start with '$'.")]
    Reserved,
    /// A name holds what no name may.
    #[error("Property names must not contain {0:?}.")]
    NameCharacter(char),
    /// A name without characters.
    #[error("Property names must not be empty.")]
    NameEmpty,
    /// A name is too long.
    #[error("Property names must not exceed {MAX_NAME_BYTES} bytes.")]
    NameTooLong,
    /// A text is too long.
    #[error("String values must not exceed {MAX_STRING_BYTES} bytes.")]
    StringTooLong,
    /// An integer out of range.
    #[error("Integer values must be within [{MIN_INTEGER}; {MAX_INTEGER}].")]
    IntegerRange,
    /// Too many objects within each other.
    #[error("Objects must not nest deeper than {MAX_DEPTH} levels.")]
    TooDeep,
    /// Null deletes a property; within an array there is none to delete.
    #[error("Arrays must not contain null.")]
    NullInArray,
    /// The section would become too large.
    #[error("The section would take {bytes} bytes, more than {limit}.")]
    SectionTooLarge {
        /// What it would take.
        bytes: usize,
        /// What it may take.
        limit: usize,
    },
}

/// Checks a patch, whose nulls are deletions.
pub(super) fn validate(patch: &Object) -> Result<(), LimitError> {
    validate_object(patch, 0)
}

/// Checks how much a section holds after a patch.
pub(super) fn validate_size(section: &Object, limit: usize) -> Result<(), LimitError> {
    match size_of(section) {
        bytes if bytes > limit => Err(LimitError::SectionTooLarge { bytes, limit }),
        _ => Ok(()),
    }
}

fn validate_object(object: &Object, depth: usize) -> Result<(), LimitError> {
    if depth > MAX_DEPTH {
        return Err(LimitError::TooDeep);
    }
    for (name, value) in object {
        validate_name(name)?;
        if !value.is_null() {
            validate_value(value, depth)?;
        }
    }
    Ok(())
}

fn validate_name(name: &str) -> Result<(), LimitError> {
    if name.is_empty() {
        return Err(LimitError::NameEmpty);
    }
    if name.starts_with('$') {
        return Err(LimitError::Reserved);
    }
    if let Some(character) = name
        .chars()
        .find(|c| c.is_control() || matches!(c, '.' | '$' | ' '))
    {
        return Err(LimitError::NameCharacter(character));
    }
    if name.len() > MAX_NAME_BYTES {
        Err(LimitError::NameTooLong)
    } else {
        Ok(())
    }
}

fn validate_value(value: &Value, depth: usize) -> Result<(), LimitError> {
    match value {
        Value::Null => Err(LimitError::NullInArray),
        Value::Bool(_) => Ok(()),
        Value::Number(number) => {
            let in_range = number
                .as_i64()
                .is_some_and(|n| (MIN_INTEGER..=MAX_INTEGER).contains(&n));
            if in_range || number.is_f64() {
                Ok(())
            } else {
                Err(LimitError::IntegerRange)
            }
        }
        Value::String(text) if text.len() > MAX_STRING_BYTES => Err(LimitError::StringTooLong),
        Value::String(_) => Ok(()),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| validate_value(item, depth)),
        Value::Object(object) => validate_object(object, depth + 1),
    }
}

fn size_of(object: &Object) -> usize {
    object
        .iter()
        .map(|(name, value)| name.len() + size_of_value(value))
        .sum()
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size_of_value).sum(),
        Value::Object(object) => size_of(object),
    }
}
