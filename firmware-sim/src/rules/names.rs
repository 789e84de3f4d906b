//! What the numbers in a rule stand for: a run's ports, and the backends that answered in this run or an earlier one.

use crate::slow_path::SlowPathPlan;
use stack::PortId;

/// Backends of earlier runs that are remembered.
const FOREIGN: usize = 1024;

/// A backend, and the model behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// What reports call it.
    pub name: String,
    /// Which model, as the command line would name it.
    pub model: String,
}

/// Names for the numbers that rules hold.
#[derive(Debug, Clone)]
pub enum Names {
    /// Those of a run.
    Run {
        /// By port.
        ports: Vec<String>,
        /// By number: those of the run's plan, then others that rules name which are older than the run.
        backends: Vec<Backend>,
        /// How many of them are the plan's.
        planned: usize,
    },
    /// The numbers themselves, as text: for recordings, which are replayed without a plan.
    Numbers,
}

impl Names {
    /// Those of a run with these ports, and these backends.
    pub fn of(ports: &[impl AsRef<str>], plan: &SlowPathPlan) -> Self {
        let backends: Vec<_> = plan
            .backends
            .iter()
            .map(|planned| Backend { name: planned.name.clone(), model: planned.spec.to_string() })
            .collect();
        let planned = backends.len();
        Self::Run { ports: ports.iter().map(|port| port.as_ref().into()).collect(), backends, planned }
    }

    /// A port's name.
    pub fn port(&self, port: PortId) -> String {
        match self {
            Self::Run { ports, .. } => ports.get(port.index()).cloned().unwrap_or_else(|| port.0.to_string()),
            Self::Numbers => port.0.to_string(),
        }
    }

    /// The port with this name.
    ///
    /// # Errors
    /// What to write instead.
    pub fn find_port(&self, name: &str) -> Result<PortId, String> {
        let (found, remedy) = match self {
            Self::Run { ports, .. } => {
                let found = ports.iter().position(|known| known == name).map(|index| index as u8);
                (found, format!("write one of: {}", ports.join(", ")))
            }
            Self::Numbers => (name.parse().ok(), "write a number".into()),
        };
        found.map(PortId).ok_or(remedy)
    }

    /// The backend with this number.
    pub fn backend(&self, number: u16) -> Backend {
        let known = match self {
            Self::Run { backends, .. } => backends.get(usize::from(number)).cloned(),
            Self::Numbers => None,
        };
        known.unwrap_or_else(|| Backend { name: number.to_string(), model: String::new() })
    }

    /// The number of a backend, which gets one if it has none yet.
    ///
    /// # Errors
    /// What to do, where there are too many.
    pub fn number_backend(&mut self, wanted: &Backend) -> Result<u16, String> {
        match self {
            Self::Run { backends, planned, .. } => {
                if let Some(number) = backends.iter().position(|known| known == wanted) {
                    return Ok(number as u16);
                }
                if backends.len() >= *planned + FOREIGN {
                    return Err(format!(
                        "import rules of at most {FOREIGN} backends that are not this run's, or restart the router"
                    ));
                }
                backends.push(wanted.clone());
                Ok((backends.len() - 1) as u16)
            }
            Self::Numbers => wanted.name.parse().map_err(|_| "write a number".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_of_another_run_keeps_its_name() {
        let mut names = Names::of(&["a", "b"], &SlowPathPlan::default());
        let embedded = names.backend(0);
        assert_eq!((embedded.name.as_str(), embedded.model.as_str()), ("embedded", "embedded"));
        let other = Backend { name: "big".into(), model: "openai:http://127.0.0.1:1#m".into() };
        let number = names.number_backend(&other).unwrap();
        assert_eq!((number, names.number_backend(&other)), (1, Ok(1)));
        assert_eq!(names.backend(number), other);
        assert_eq!(names.number_backend(&embedded), Ok(0));
        for index in 1..FOREIGN {
            let made = Backend { name: index.to_string(), model: String::new() };
            names.number_backend(&made).unwrap();
        }
        let full = Backend { name: "one more".into(), model: String::new() };
        assert!(names.number_backend(&full).is_err());
        assert!(names.number_backend(&other).is_ok(), "one that is known");
    }
}
