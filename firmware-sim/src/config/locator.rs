//! Where in the file something is wrong: line, column, and the field's path.

use super::FileError;
use super::ports::Cidr;
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;

/// Finds lines and columns.
pub(super) struct Locator<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl Locator<'_> {
    /// The file in its shape.
    pub(super) fn deserialize<T: DeserializeOwned>(&self) -> Result<T, FileError> {
        toml::Deserializer::parse(self.text)
            .map_err(|error| self.syntax(&error))
            .and_then(|toml| serde_path_to_error::deserialize(toml).map_err(|error| self.structure(&error)))
    }

    pub(super) fn error(
        &self,
        span: Range<usize>,
        field: String,
        problem: impl Into<String>,
        remedy: &str,
    ) -> FileError {
        let before = &self.text[..span.start.min(self.text.len())];
        FileError {
            file: self.name.into(),
            line: before.matches('\n').count() + 1,
            column: before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1,
            field,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// Where a table's header stands, or the file's start.
    pub(super) fn section(&self, header: &str) -> Range<usize> {
        let at = self.text.find(header).unwrap_or(0);
        at..at
    }

    fn syntax(&self, error: &toml::de::Error) -> FileError {
        let span = error.span().unwrap_or(0..0);
        self.error(span, "(syntax)".into(), error.message(), "write TOML: see router.example.toml")
    }

    fn structure(&self, error: &serde_path_to_error::Error<toml::de::Error>) -> FileError {
        let span = error.inner().span().unwrap_or(0..0);
        // The path also names the wrapper that carries the position.
        let field = error.path().to_string().replace(".$__serde_spanned_private_value", "");
        let field = if field == "." { "(the file itself)".into() } else { field };
        self.error(
            span,
            field,
            error.inner().message(),
            "see router.example.toml for every field and its type",
        )
    }

    pub(super) fn cidr(&self, text: &Spanned<String>, field: &str) -> Result<Cidr, FileError> {
        Cidr::parse(text.get_ref()).ok_or_else(|| {
            self.error(
                text.span(),
                field.into(),
                format!("`{}` is not an IP address with its prefix length", text.get_ref()),
                "write it like 10.0.1.1/24 or fd00:1::1/64",
            )
        })
    }
}
