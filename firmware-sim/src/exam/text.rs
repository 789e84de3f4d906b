//! The report as text for a terminal.

use super::calibration::Calibration;
use super::report::{Report, Sitting, time};
use super::score::Score;
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nSoftrouter exam: {}", self.headline())?;
        for sitting in &self.sittings {
            write!(f, "{sitting}")?;
        }
        writeln!(f)?;
        for note in &self.notes {
            writeln!(f, "* {note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Sitting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = &self.about;
        writeln!(f, "\nBackend {}: {} questions in {:.1} s", about.name, self.asked, self.seconds)?;
        if let Some(why) = &self.cut_short {
            writeln!(f, "  PARTIAL RESULT: {why}")?;
        }
        writeln!(f, "  parameters: {}", about.parameters.map_or("unknown".into(), grouped))?;
        writeln!(f, "  hints in the prompt: {}", about.hints)?;
        writeln!(f, "  training: {}", about.training)?;
        writeln!(f, "  {}", about.details)?;
        write_accuracy(f, &self.scores)?;
        write_cost(f, &self.scores)?;
        if let Some(line) = self.article_line() {
            writeln!(f, "\n  {line}")?;
        }
        write_calibration(f, &self.calibration)?;
        if !self.wrong.is_empty() {
            writeln!(f, "\n  Wrong answers (the first {})", self.wrong.len())?;
        }
        for wrong in &self.wrong {
            let sure = wrong.probability.map_or(String::new(), |p| format!(" (probability {p:.3})"));
            writeln!(
                f,
                "  {}{sure}\n    {}\n    said:  {}\n    right: {}",
                wrong.part, wrong.question, wrong.said, wrong.right
            )?;
        }
        Ok(())
    }
}

/// The first two columns: task and source.
fn part(score: &Score) -> String {
    format!("  {:<11}{:<28}", score.task, score.source)
}

fn write_accuracy(f: &mut fmt::Formatter<'_>, scores: &[Score]) -> fmt::Result {
    writeln!(
        f,
        "\n  {:<39}{:>7}{:>9}{:>10}{:>19}{:>10}{:>10}{:>22}{:>20}",
        "Accuracy",
        "asked",
        "distinct",
        "right",
        "95 % interval",
        "1st error",
        "action",
        "gain on default-table",
        "on always-drop"
    )?;
    for score in scores {
        let [low, share, high] =
            [score.accuracy.low, score.accuracy.share, score.accuracy.high].map(|share| 100.0 * share);
        let interval = format!("{low:.2} to {high:.2}");
        let action =
            score.action_accuracy.map_or(String::new(), |action| format!("{:.2} %", 100.0 * action.share));
        write!(f, "{}{:>7}{:>9}{share:>8.2} %{interval:>19}", part(score), score.asked, score.distinct)?;
        write!(f, "{:>8.2} %{action:>10}", 100.0 * score.first_attempt_error)?;
        for (beside, width) in score.baselines.iter().zip([22, 20]) {
            let gain = format!("{:+.1} ({:.1} %)", beside.gain_points, 100.0 * beside.accuracy.share);
            write!(f, "{gain:>width$}")?;
        }
        if score.sanity_check {
            write!(f, "  sanity check, not a score")?;
        }
        if score.unanswered + score.failed > 0 {
            write!(f, "  {} without an answer, {} failures", score.unanswered, score.failed)?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn write_cost(f: &mut fmt::Formatter<'_>, scores: &[Score]) -> fmt::Result {
    writeln!(
        f,
        "\n  {:<39}{:>11}{:>11}{:>11}{:>11}{:>10}{:>10}{:>17}",
        "Cost of an answer", "p50", "p99", "answers/s", "CPU ms", "read", "written", "price a packet"
    )?;
    for score in scores {
        let cpu = score.cpu_ms.map_or("unknown".into(), |ms| format!("{ms:.3}"));
        let price = match score.price {
            None => "unknown".into(),
            Some(0.0) => "0 (CPU only)".into(),
            Some(price) => format!("{price:.3e}"),
        };
        writeln!(
            f,
            "{}{:>11}{:>11}{:>11.1}{cpu:>11}{:>10.1}{:>10.1}{price:>17}",
            part(score),
            time(score.latency_us.p50),
            time(score.latency_us.p99),
            score.answers_a_second,
            score.tokens_in,
            score.tokens_out
        )?;
    }
    Ok(())
}

fn write_calibration(f: &mut fmt::Formatter<'_>, calibration: &[Calibration]) -> fmt::Result {
    let Some(all) = calibration.first() else {
        return writeln!(f, "\n  Calibration: the backend gives no probabilities");
    };
    writeln!(
        f,
        "\n  {:<22}{:>9}{:>12}{:>11}{:>20}",
        "Reliability, all", "answers", "mean", "accuracy", "95 % interval"
    )?;
    for bin in &all.bins {
        let range = format!("{} to {}", bin.from, bin.to);
        let interval = format!("{:.4} to {:.4}", bin.accuracy.low, bin.accuracy.high);
        let (mean, accuracy) = (bin.mean_probability, bin.accuracy.share);
        writeln!(f, "  {range:<22}{:>9}{mean:>12.4}{accuracy:>11.4}{interval:>20}", bin.count)?;
    }
    write!(f, "\n  {:<12}{:>9}{:>13}", "Calibration", "answers", "exp. error")?;
    for coverage in &all.coverage {
        write!(f, "{:>22}", format!("p >= {}", coverage.threshold))?;
    }
    writeln!(f)?;
    for one in calibration {
        write!(f, "  {:<12}{:>9}{:>13.4}", one.task, one.answers, one.expected_error)?;
        for coverage in &one.coverage {
            let share = if coverage.covered == 0.0 {
                "0 %".into()
            } else {
                format!("{:.1} % at {:.2} %", 100.0 * coverage.covered, 100.0 * coverage.accuracy.share)
            };
            write!(f, "{share:>22}")?;
        }
        writeln!(f)?;
    }
    writeln!(
        f,
        "  (of a threshold: how many answers reach it, and how many of those are right; the rest would be escalated)"
    )
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
