//! `softrouter rules` as a user runs it, against a lab that learns: rules are listed, explained, pinned, exported, flushed and
//! imported, and are there again after a restart.

mod folder;
mod program;

use folder::Folder;
use program::{shown, softrouter};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a lab may take to begin its load, and to learn a rule from it, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A lab in memory that runs until it is interrupted, with a control socket and a rules file.
struct Lab<'a> {
    child: Child,
    folder: &'a Folder,
}

impl<'a> Lab<'a> {
    fn start(folder: &'a Folder) -> Self {
        let (socket, rules) = (folder.file("control.sock"), folder.file("rules.json"));
        let args = ["lab", "--memory", "--seconds", "600", "--control", &socket, "--rules-file", &rules];
        let child = softrouter(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lab = Self { child, folder };
        let deadline = Instant::now() + PATIENCE;
        while lab.ask(&["list"]).status.code() != Some(0) {
            assert!(Instant::now() < deadline, "no control socket");
            std::thread::sleep(Duration::from_millis(20));
        }
        lab
    }

    fn ask(&self, args: &[&str]) -> Output {
        let socket = self.folder.file("control.sock");
        softrouter(&[&["rules", "--socket", &socket], args].concat()).output().unwrap()
    }

    /// Asks for what must be; what was printed.
    fn told(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", shown(&output));
        shown(&output)
    }

    fn list(&self) -> Vec<Value> {
        let answer: Value = serde_json::from_str(&self.told(&["list", "--json"])).unwrap();
        assert_eq!(answer["ok"], true);
        answer["rules"].as_array().unwrap().clone()
    }

    /// Waits for a rule that was learnt of this reason, and acts.
    fn learnt(&self, reason: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let hit = |rule: &&Value| {
                rule["reason"] == reason
                    && rule["origin"]["by"] == "model"
                    && rule["status"]["hits"].as_u64() > Some(2)
            };
            if let Some(rule) = self.list().iter().find(hit) {
                return rule.clone();
            }
            assert!(Instant::now() < deadline, "no rule about {reason}: {:?}", self.list());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ctrl-C; all that it printed.
    fn interrupt(self) -> String {
        let kill = format!("kill -INT {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let output = self.child.wait_with_output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", shown(&output));
        shown(&output)
    }
}

fn mode(path: &str) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn id(rule: &Value) -> String {
    rule["status"]["id"].to_string()
}

#[test]
fn what_a_lab_learns_is_seen_kept_and_there_after_a_restart() {
    let folder = Folder::new("rules");
    let (socket, file, export) =
        (folder.file("control.sock"), folder.file("rules.json"), folder.file("export.json"));
    let lab = Lab::start(&folder);
    assert_eq!(mode(&socket), 0o600);
    let rule = lab.learnt("vlan_priority_tag");
    assert_eq!(
        (&rule["action"]["edit"], &rule["origin"]["backend"]),
        (&"strip_tag".into(), &"embedded".into())
    );
    let id = id(&rule);

    let table = lab.told(&["list"]);
    assert!(table.starts_with(" id  state   reason") || table.contains("id  state"), "{table}");
    assert!(table.contains("vlan_priority_tag") && table.contains("forward strip_tag"), "{table}");
    let text = lab.told(&["explain", &id]);
    for part in [
        format!("Rule {id} ("),
        "learnt from the backend `embedded`: 3 answers".into(),
        "priority tag".into(),
        "802.1Q".into(),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
    assert_eq!(text.lines().count(), 1, "{text}");
    let one: Value = serde_json::from_str(&lab.told(&["show", &id])).unwrap();
    assert_eq!((&one["reason"], &one["origin"]), (&rule["reason"], &rule["origin"]));
    assert!(lab.told(&["pin", &id]).contains("is pinned"));

    assert!(lab.told(&["export", &export]).contains("written to"));
    assert_eq!(mode(&export), 0o600);
    let flushed = lab.told(&["flush"]);
    assert!(flushed.contains("rules flushed"), "{flushed}");
    assert!(lab.list().iter().any(|rule| rule["pinned"] == true), "the pinned rule stays");
    assert_eq!(lab.ask(&["revoke", "4000000000"]).status.code(), Some(1));

    // What was exported is imported, but for the pinned rule and those that were learnt anew, which are there already.
    let imported: Value = serde_json::from_str(&shown(&lab.ask(&["import", &export, "--json"]))).unwrap();
    let imported = &imported["imported"];
    assert!(!imported["there_already"].as_array().unwrap().is_empty(), "{imported}");
    // The operator's own, from the documentation.
    let documented = folder.file("documented.json");
    fs::write(&documented, example()).unwrap();
    assert!(lab.told(&["import", &documented]).starts_with("2 rules installed, 0 expired, 0 refused"));
    let operators = |rules: &[Value]| rules.iter().filter(|rule| rule["origin"]["by"] == "operator").count();
    assert_eq!(operators(&lab.list()), 2);

    let report = lab.interrupt();
    assert!(report.contains("Received frames by disposition and path"), "{report}");
    assert!(!Path::new(&socket).exists(), "the socket goes with the router");
    assert_eq!(mode(&file), 0o600);

    // Nobody is there.
    let nobody = softrouter(&["rules", "--socket", &socket, "list"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(2));
    assert!(shown(&nobody).contains(&socket) && shown(&nobody).contains("remedy: "), "{}", shown(&nobody));

    // After a restart they are there, and a second router is told that this one is.
    let lab = Lab::start(&folder);
    let rules = lab.list();
    assert_eq!(operators(&rules), 2, "{rules:?}");
    let pinned = rules.iter().find(|rule| rule["pinned"] == true).expect("the pinned rule");
    for field in ["reason", "fields", "subject", "action", "origin"] {
        assert_eq!(pinned[field], one[field], "{field}");
    }
    assert!(pinned["status"]["hits"].as_u64() >= one["status"]["hits"].as_u64());
    let second = softrouter(&["lab", "--memory", "--seconds", "1", "--control", &socket]).output().unwrap();
    assert_eq!(second.status.code(), Some(2), "{}", shown(&second));
    assert!(shown(&second).contains("another router is listening"), "{}", shown(&second));
    lab.interrupt();
}

/// The document that docs/rules.md shows.
fn example() -> String {
    let text = include_str!("../../docs/rules.md");
    let (_, rest) = text.split_once("```json\n").expect("docs/rules.md has an example");
    rest.split_once("```").unwrap().0.into()
}

#[test]
fn a_damaged_rules_file_costs_its_rules_and_nothing_else() {
    let folder = Folder::new("damaged-rules");
    let file = folder.file("rules.json");
    fs::write(&file, "{\"softrouter_rules\": 1, \"rul").unwrap();
    let output = softrouter(&["lab", "--memory", "--seconds", "1", "--rules-file", &file]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", shown(&output));
    let said = shown(&output);
    assert!(
        said.contains("damaged") && said.contains("remedy: ") && said.contains("rules.json.damaged"),
        "{said}"
    );
    assert_eq!(
        fs::read_to_string(folder.file("rules.json.damaged")).unwrap(),
        "{\"softrouter_rules\": 1, \"rul"
    );
    assert!(fs::read_to_string(&file).unwrap().contains("\"checksum\""), "the run's own rules");
}

#[test]
fn what_cannot_be_had_is_an_error_before_the_run() {
    for (option, path) in
        [("--control", "/nonexistent/folder/s"), ("--rules-file", "/nonexistent/folder/rules.json")]
    {
        let output = softrouter(&["lab", "--memory", "--seconds", "1", option, path]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
        assert!(shown(&output).contains(path) && shown(&output).contains("remedy: "), "{}", shown(&output));
    }
}
