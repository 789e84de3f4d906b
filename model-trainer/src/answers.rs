//! What the router's own inference answers, beside what is right: for comparison with another inference.

use crate::samples::Sample;
use clap::Args;
use llm_slowpath::model::{Backend, Model, Precision, Session, Specialist};
use llm_slowpath::prompt::tokens::{Prompt, Task};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

/// What is asked, and of which model.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Which task.
    #[arg(long, value_parser = crate::task)]
    task: Task,
    /// The weights: a model that knows the task.
    #[arg(long)]
    model: PathBuf,
    /// How many prompts.
    #[arg(long, default_value_t = 50)]
    count: usize,
    /// Seed of the prompts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only prompts whose places skip none: llama.cpp's server cannot skip any.
    #[arg(long)]
    contiguous: bool,
}

/// Writes the lines to stdout: tokens of the prompt (`prompt`), of the right answer (`right`) and of the model's
/// answers with 32-bit floats and with 8-bit integers (`float32`, `int8`: `tokens`, `micros` that it took).
///
/// # Errors
/// If the model cannot be loaded or nobody reads.
pub(crate) fn write(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let &Arguments { task, ref model, count, seed, contiguous } = arguments;
    let model = Model::from_file(Specialist::of(task), model)?;
    let mut floats = model.session_on(Backend::Portable, Precision::Float32);
    let mut bytes = model.session();
    let mut out = BufWriter::new(io::stdout().lock());
    let samples = (0..).map(|index| Sample::held_out(task, seed, index));
    for Sample { prompt, answer } in samples.filter(|s| !contiguous || skips_none(&s.prompt)).take(count) {
        let line = json!({
            "prompt": prompt.tokens(),
            "right": &answer[..],
            "float32": timed(&model, &mut floats, &prompt),
            "int8": timed(&model, &mut bytes, &prompt),
        });
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

fn timed(model: &Model, session: &mut Session, prompt: &Prompt) -> Value {
    let start = Instant::now();
    let answer = model.answer(session, prompt);
    let micros = start.elapsed().as_nanos() as f64 / 1e3;
    json!({ "tokens": &answer.tokens[..], "micros": micros })
}

fn skips_none(prompt: &Prompt) -> bool {
    prompt.places().iter().enumerate().all(|(at, &place)| at == usize::from(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tasks_but_by_example_have_prompts_that_skip_no_place() {
        for task in Task::ALL {
            let found =
                (0..100).filter(|&index| skips_none(&Sample::held_out(task, 1, index).prompt)).count();
            match task {
                Task::Example => assert_eq!(found, 0),
                // Half of the frames have the full length.
                Task::PingFull => assert!((25..75).contains(&found), "{found}"),
                _ => assert_eq!(found, 100, "{task:?}"),
            }
        }
    }
}
