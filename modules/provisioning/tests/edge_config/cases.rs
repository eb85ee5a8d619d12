//! Sections in the forms that people and tools write, before and after.

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) old: &'static str,
    pub(crate) new: &'static str,
}
