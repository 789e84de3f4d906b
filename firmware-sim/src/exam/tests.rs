//! Tests of the whole exam with examinees whose results are known beforehand.

use super::examinee::{About, Examinee, NoAnswer};
use super::items::{self, Part, Question, Source};
use super::{Exam, ExamPlan, Report};
use llm_slowpath::prompt::tokens::Task;
use llm_slowpath::{Question as Asked, Said, Spoken};
use pcap_file::pcap::{PcapPacket, PcapWriter};
use pktgen::echo::EchoRequest;
use pktgen::tasks::Right;
use pktgen::{Generator, World};
use stack::answer::Lifetime;
use stack::{ActionKind, Anomaly};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

type Script = Box<dyn FnMut(usize) -> Result<Spoken, NoAnswer>>;

/// Says what a script says to question number so many.
struct Scripted {
    asked: usize,
    script: Script,
}

impl Examinee for Scripted {
    fn about(&self) -> About {
        let text = |text: &str| text.to_owned();
        let (name, hints, training, details) =
            (text("scripted <1>"), text("all"), text("none"), text("a & b"));
        About { name, parameters: Some(1_234), hints, training, details, in_process: true }
    }

    fn ask(&mut self, _: &Asked<'_>) -> Result<Spoken, NoAnswer> {
        self.asked += 1;
        (self.script)(self.asked - 1)
    }
}

fn plan() -> ExamPlan {
    ExamPlan {
        backends: Vec::new(),
        quick: true,
        seed: 1,
        tasks: Vec::new(),
        captures: None,
        prices: None,
        show_wrong: 3,
    }
}

fn questions(plan: &ExamPlan) -> Vec<Question> {
    Exam::of(Vec::new(), plan.clone()).unwrap().questions
}

/// The report about an examinee that makes its answers from the right ones.
fn exam(plan: ExamPlan, answer: impl Fn(&Right) -> Result<Said, NoAnswer> + 'static) -> Report {
    let questions = questions(&plan);
    let script = move |at: usize| {
        let spoken = |said| Spoken { said, probability: Some(0.75), prompt_tokens: 10, answer_tokens: 2 };
        answer(&questions[at].item.right).map(spoken)
    };
    let scripted = Scripted { asked: 0, script: Box::new(script) };
    Exam::of(vec![Box::new(scripted)], plan).unwrap().run(&AtomicBool::new(false))
}

/// What a perfect examinee says.
fn perfect(right: &Right) -> Said {
    match right.clone() {
        Right::Triage(kind, advice) => Said::Triage(kind, Some(advice)),
        Right::Repair(fixes) => Said::Repair(fixes),
        Right::PingDelta(delta) => Said::PingDelta(delta),
        Right::PingFull(reply) => Said::PingFull(reply),
        Right::Example { reply, .. } => Said::Example(Some(reply)),
    }
}

/// What is wrong, but as close to the right answer as can be.
fn nearly(right: &Right) -> Said {
    let flipped = |mut bytes: Vec<u8>| {
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        bytes
    };
    match perfect(right) {
        Said::Triage(kind, Some(mut advice)) => {
            let other = Lifetime::ALL.iter().find(|&&lifetime| lifetime != advice.lifetime);
            advice.lifetime = *other.unwrap();
            Said::Triage(kind, Some(advice))
        }
        Said::Repair(Some(_)) => Said::Repair(None),
        Said::Repair(None) => Said::Repair(Some(stack::answer::Fixes::from_bits(1))),
        Said::PingDelta(Some(mut delta)) => {
            delta.icmp_checksum ^= 1;
            Said::PingDelta(Some(delta))
        }
        Said::PingFull(reply) => Said::PingFull(flipped(reply)),
        Said::Example(Some(reply)) if !reply.is_empty() => Said::Example(Some(flipped(reply))),
        Said::Example(Some(_)) => Said::Example(Some(vec![0])),
        Said::PingDelta(None) => Said::PingDelta(Some(stack::EchoDelta {
            ttl: 64,
            ip_checksum: 0,
            icmp_type: 0,
            icmp_checksum: 0,
        })),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_perfect_examinee_scores_100_percent_in_every_part() {
    let report = exam(plan(), |right| Ok(perfect(right)));
    let sitting = &report.sittings[0];
    assert_eq!((report.questions, sitting.asked, sitting.scores.len()), (500, 500, 12));
    assert_eq!(report.tasks.len(), Task::ALL.len());
    assert!(sitting.cut_short.is_none() && sitting.wrong.is_empty());
    for score in &sitting.scores {
        assert_eq!((score.right, score.accuracy.share, score.first_attempt_error), (score.asked, 1.0, 0.0));
        assert!(score.accuracy.low > 0.8 && score.accuracy.low < 1.0 && score.cpu_ms.is_some());
        assert_eq!((score.tokens_in, score.tokens_out, score.price), (10.0, 2.0, Some(0.0)));
        for beside in &score.baselines {
            assert!((beside.gain_points - 100.0 * (1.0 - beside.accuracy.share)).abs() < 1e-9);
        }
    }
    // Three quarters sure, always right; sanity checks do not count.
    let all = &sitting.calibration[0];
    assert_eq!((all.answers, all.bins.len()), (480, 1));
    assert!((all.expected_error - 0.25).abs() < 1e-6);
    assert!(report.to_string().contains("MISSING: questions from captures"));
}

#[test]
fn an_examinee_that_is_always_nearly_right_scores_nothing() {
    let report = exam(plan(), |right| Ok(nearly(right)));
    let sitting = &report.sittings[0];
    for score in &sitting.scores {
        assert_eq!((score.right, score.accuracy.share, score.first_attempt_error), (0, 0.0, 1.0));
        // The action was right all the same.
        assert_eq!(score.action_accuracy.map(|action| action.share), (score.task == "triage").then_some(1.0));
    }
    assert_eq!(sitting.wrong.len(), 3);
    assert!(sitting.wrong[0].question.contains("<triage>") && sitting.wrong[0].said.contains("lifetime"));
    let line = sitting.article_line().unwrap();
    assert!(line.contains("first-attempt error 100.00 %") && line.contains("5-10 % and 5-10 s"), "{line}");
}

#[test]
fn who_says_nothing_is_wrong_and_who_fails_is_given_up() {
    let report = exam(plan(), |_| Err(NoAnswer::Unasked));
    assert!(
        report.sittings[0].scores.iter().all(|score| score.unanswered == score.asked && score.right == 0)
    );
    assert!(report.sittings[0].calibration.is_empty());
    let report = exam(plan(), |_| Err(NoAnswer::Failed("nobody is there".into())));
    let sitting = &report.sittings[0];
    assert_eq!(sitting.asked, 10);
    assert!(sitting.cut_short.as_ref().unwrap().contains("nobody is there") && report.has_given_up());
    assert!(report.to_string().contains("PARTIAL RESULT"));
}

#[test]
fn an_interrupted_exam_has_a_labelled_result() {
    let plan = plan();
    let scripted = Scripted { asked: 0, script: Box::new(|_| Err(NoAnswer::Unasked)) };
    let exam = Exam::of(vec![Box::new(scripted)], plan).unwrap();
    let report = exam.run(&AtomicBool::new(true));
    assert_eq!((report.sittings[0].asked, report.has_given_up()), (0, false));
    assert!(report.to_string().contains("PARTIAL RESULT: interrupted"));
    assert!(report.html().contains("Partial result: interrupted"));
}

#[test]
fn what_is_cut_short_has_asked_something_of_every_part() {
    let questions = questions(&plan());
    let reached: std::collections::BTreeSet<Part> =
        questions[..12].iter().map(|question| question.part).collect();
    assert_eq!(reached.len(), 12);
}

#[test]
fn the_same_seed_asks_the_same_questions_and_the_whole_exam_has_27000() {
    assert_eq!(format!("{:016x}", items::hash(&questions(&plan()))), "da14e608390078e2");
    assert_ne!(items::hash(&questions(&ExamPlan { seed: 2, ..plan() })), items::hash(&questions(&plan())));
    let whole = questions(&ExamPlan { quick: false, ..plan() });
    assert_eq!(whole.len(), 27_000);
    assert_eq!(format!("{:016x}", items::hash(&whole)), "d33414d36d945176");
    let repair = questions(&ExamPlan { tasks: vec![Task::Repair], ..plan() });
    assert!(repair.len() == 60 && repair.iter().all(|question| question.part.task == Task::Repair));
}

#[test]
fn the_default_table_knows_all_fixed_reasons_and_half_of_the_others() {
    let report =
        exam(ExamPlan { quick: false, tasks: vec![Task::Triage], ..plan() }, |_| Err(NoAnswer::Unasked));
    for score in &report.sittings[0].scores {
        let [table, drop] = [0, 1].map(|at| score.baselines[at].accuracy.share);
        if score.sanity_check {
            assert_eq!(table, 1.0);
            assert!(drop < 1.0);
        } else if score.source != Source::Double.name() {
            assert!((0.4..0.6).contains(&table) && (0.4..0.6).contains(&drop), "{score:?}");
        }
    }
}

#[test]
fn an_unknown_price_is_unknown_and_a_known_one_is_a_price_a_packet() {
    let prices = super::Prices { input: 3.0, output: 15.0 };
    let part = Part { task: Task::Repair, source: Source::HeldOut };
    let questions = questions(&ExamPlan { tasks: vec![Task::Repair], ..plan() });
    let scripted = |_| {
        let said = Said::Repair(None);
        Ok(Spoken { said, probability: None, prompt_tokens: 100, answer_tokens: 10 })
    };
    let mut scripted = Scripted { asked: 0, script: Box::new(scripted) };
    let sat = super::sitting::sit(&mut scripted, &questions[..1], 0, &AtomicBool::new(false));
    let pairs = [(&sat.records[0], &questions[0])];
    let of = |prices| super::score::Score::of(part, &pairs, false, prices).price;
    assert_eq!(of(None), None);
    assert!((of(Some(prices)).unwrap() - 450e-6).abs() < 1e-12);
}

#[test]
fn the_page_is_well_formed_and_loads_nothing() {
    for report in
        [exam(plan(), |right| Ok(nearly(right))), exam(plan(), |_| Err(NoAnswer::Unusable("<gone>".into())))]
    {
        let page = report.html();
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let document = roxmltree::Document::parse_with_options(&page, options).unwrap();
        let names: Vec<&str> = document.descendants().map(|node| node.tag_name().name()).collect();
        assert!(
            !names
                .iter()
                .any(|name| ["script", "link", "img", "iframe", "object", "image", "use"].contains(name))
        );
        let plots = names.iter().filter(|name| **name == "svg").count();
        assert_eq!(plots, 2 + usize::from(!report.sittings[0].calibration.is_empty()));
        for outside in ["://", "url(", "@import", "src="] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("scripted &lt;1&gt;") && page.contains("prefers-color-scheme: dark"));
        assert!(page.contains("ping_full, held out"));
    }
    let json = serde_json::to_value(exam(plan(), |right| Ok(perfect(right)))).unwrap();
    assert_eq!(json["sittings"][0]["scores"][0]["accuracy"]["share"], 1.0);
    assert_eq!(json["captures"], "missing");
}

/// A folder with one capture of these frames.
fn folder(name: &str, frames: &[Vec<u8>]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("softrouter-exam-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut writer = PcapWriter::new(std::fs::File::create(folder.join("a.pcap")).unwrap()).unwrap();
    for frame in frames {
        let packet = PcapPacket::new(Duration::ZERO, frame.len() as u32, frame);
        writer.write_packet(&packet).unwrap();
    }
    folder
}

#[test]
fn captures_become_questions_none_of_them_twice() {
    let request = EchoRequest {
        payload: vec![7; 9],
        tos: 0,
        code: 0,
        faults: Default::default(),
        ..EchoRequest::sample(1, 2)
    };
    let long = EchoRequest { payload: vec![7; 100], ..request.clone() };
    let generator = Generator::new(World::lab(), 3);
    let tagged = generator.of(Anomaly::VlanPriorityTag, 1).unwrap().bytes;
    let land = generator.of(Anomaly::Ipv4Land, 1).unwrap().bytes;
    let frames =
        [request.frame(), request.frame(), long.frame(), tagged.clone(), tagged, land, vec![1, 2, 3]];
    let folder = folder("questions", &frames);
    let plan = ExamPlan { captures: Some(folder.clone()), ..plan() };
    let all = questions(&plan);
    let of = |task, source| {
        all.iter().filter(|question| question.part == Part { task, source }).collect::<Vec<_>>()
    };
    assert_eq!(of(Task::PingDelta, Source::Captures).len(), 2);
    let full = of(Task::PingFull, Source::Captures);
    assert_eq!(full.len(), 1);
    let Right::PingFull(reply) = &full[0].item.right else { panic!("{full:?}") };
    assert_eq!((reply.len(), reply[34]), (request.frame().len(), 0));
    // One for each posture.
    let kinds: Vec<ActionKind> = of(Task::Triage, Source::Captures)
        .iter()
        .map(|question| match question.item.right {
            Right::Triage(kind, _) => kind,
            _ => panic!("{question:?}"),
        })
        .collect();
    assert_eq!(kinds.len(), 3);
    assert_eq!(kinds[0], ActionKind::Drop);
    let fixed = of(Task::Triage, Source::CapturedFixed);
    assert!(fixed.iter().all(|question| format!("{question:?}").contains("Ipv4Land")) && fixed.len() == 3);
    let report = exam(plan, |right| Ok(perfect(right)));
    assert!(report.headline().contains("9 of them from 7 frames in 1 captures"), "{}", report.headline());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_folder_without_captures_or_with_a_broken_one_is_refused() {
    let refused = |folder: &PathBuf| {
        let plan = ExamPlan { captures: Some(folder.clone()), ..plan() };
        Exam::of(Vec::new(), plan).err().unwrap().to_string()
    };
    let missing = PathBuf::from("/nonexistent/captures");
    assert!(refused(&missing).contains("/nonexistent/captures"), "{}", refused(&missing));
    let folder = folder("broken", &[]);
    std::fs::write(folder.join("a.pcap"), b"no capture").unwrap();
    assert!(refused(&folder).contains("a.pcap"), "{}", refused(&folder));
    std::fs::remove_file(folder.join("a.pcap")).unwrap();
    assert!(refused(&folder).contains("no pcap file"), "{}", refused(&folder));
    std::fs::remove_dir_all(folder).unwrap();
}
