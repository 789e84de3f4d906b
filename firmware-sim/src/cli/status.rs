//! The exit statuses, which are the same for all commands, and what the help says of them.

/// It ran, and found something wrong.
pub const FAILED: u8 = 1;
/// It could not run, or could not write what it was asked to.
pub const UNUSABLE: u8 = 2;

/// What `softrouter --help` ends with.
pub(super) const HELP: &str = "\
Exit status:
  0  all is well; also when Ctrl-C ended it, if all was well until then
  1  it ran, and found something wrong:
       lab               healthy traffic was lost, or an invariant is broken
       exam              a backend did not answer to the end
       replay            a capture could not be read to its end, or an invariant is broken
       measure           a check failed, or a part was not measured; with --compare: a figure became worse
       replay-recording  the router does not do the same again
       fuzz              a law was broken, a device stopped answering, or a reason is missing (--until)
       rules             the router refused
       run, prompt and anomalies never end with 1
  2  it could not run (a wrong option or file, a missing privilege), was broken off by such an error, or could not write
     what it was asked to write; a report is printed all the same, if there is one";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_help_says_of_every_command_what_1_means() {
        let help = Cli::command().render_long_help().to_string();
        let (_, statuses) = help.split_once("Exit status:").unwrap();
        for command in Cli::command().get_subcommands() {
            // The first word of its line, or one of those that never end so.
            let name = command.get_name();
            let mut firsts = statuses.lines().filter_map(|line| line.split_whitespace().next());
            let never = statuses.lines().find(|line| line.ends_with("never end with 1")).unwrap();
            let never: Vec<&str> = never.split([' ', ',']).collect();
            assert!(
                firsts.any(|first| first == name) || never.contains(&name),
                "{name} is not in\n{statuses}"
            );
        }
        assert!([FAILED, UNUSABLE].iter().all(|status| statuses.contains(&format!("\n  {status}  it "))));
        assert!(HELP.lines().all(|line| line.len() <= 120), "it fits a screen");
    }
}
