//! What became of the frame, for people.

use super::{Asked, ServerPrompt, Told};
use std::fmt;

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "frame      {} bytes, in by port {}", self.frame_bytes, self.port)?;
        writeln!(f, "fast path  {}", self.fast_path)?;
        for (port, len) in &self.sends {
            writeln!(f, "sends      {len} bytes out of port {port}")?;
        }
        if self.fast_path.ends_with(": foreign") {
            writeln!(
                f,
                "           its destination is another station: the lab's ports are 02:00:00:00:01:01 and 02:00:00:00:02:01"
            )?;
        }
        match &self.asked {
            Some(asked) => asked.fmt(f),
            None => writeln!(f, "slow path  no model is asked about it"),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.mode {
            "observe" => "observe: a sampled copy is shown, the frame does not wait",
            _ => "enforce: the frame is held",
        };
        writeln!(f, "slow path  {}, {what}, for at most {} ms", self.reason, self.deadline_ms)?;
        if let Some(problem) = self.no_prompt {
            writeln!(f, "           no prompt for a model server: {problem}")?;
        }
        if let Some(prompt) = &self.prompt {
            prompt.fmt(f)?;
        }
        if let Some((task, tokens)) = &self.embedded {
            writeln!(f, "\n--- embedded model: task {task}, {} tokens", tokens.len())?;
            writeln!(f, "{}", tokens.join(" "))?;
        }
        Ok(())
    }
}

impl fmt::Display for ServerPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cached =
            if self.kind == "class" { "its answer may be cached" } else { "its answer is never cached" };
        writeln!(f, "prompt     a {} prompt: {cached}; canonical hash {}", self.kind, self.hash)?;
        writeln!(f, "           nonce and boundary differ from frame to frame and from run to run")?;
        let ((system, user), (system_tokens, user_tokens)) = (self.bytes, self.tokens_at_most);
        writeln!(f, "\n--- system: {system} bytes, at most {system_tokens} tokens")?;
        writeln!(f, "{}", self.system.trim_end())?;
        writeln!(f, "\n--- user: {user} bytes, at most {user_tokens} tokens")?;
        writeln!(f, "{}", self.user)?;
        for (name, description) in &self.tools {
            writeln!(f, "\n--- tool {name}: {description}")?;
        }
        writeln!(f, "\n--- JSON schema `{}`", self.schema_name)?;
        writeln!(f, "{}", self.schema)
    }
}
