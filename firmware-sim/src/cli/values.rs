//! Values of options: read, and written as a shell takes them.

use llm_slowpath::prompt::tokens::Task;
use std::path::Path;

pub(super) fn task(name: &str) -> Result<Task, String> {
    let names = || Task::ALL.map(Task::name).join(", ");
    Task::ALL.into_iter().find(|task| task.name() == name).ok_or_else(|| format!("name some of {}", names()))
}

/// A finite number above 0.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "name a number above 0".into())
}

pub(super) fn probability(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|p| (0.0..=1.0).contains(p)).ok_or_else(|| "name a number from 0 to 1".into())
}

pub(super) fn price(text: &str) -> Result<f64, String> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "name a number that is not negative".into())
}

/// A path as one word of a shell's command.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_one_word_as_it_was() {
        for text in ["fuzz-cases/a_b-7.json", "two words", "it's", "$HOME", "", "a\nb", "~", "a;b"] {
            let word = shell_word(Path::new(text));
            let read = Command::new("sh").args(["-c", &format!("printf %s {word}")]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&read.stdout), text, "{word}");
        }
        assert_eq!(shell_word(Path::new("cases/a.json")), "cases/a.json");
    }
}
