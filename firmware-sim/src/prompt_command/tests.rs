//! Tests of the command's function: frames that are diverted, frames that are not, and what is wrong with input.

use super::*;
use llm_slowpath::prompt::Detail;
use pcap_file::pcap::{PcapPacket, PcapWriter};
use pktgen::{World, build};
use std::net::Ipv4Addr;
use std::time::Duration;

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

fn plan(frame: &str) -> PromptPlan {
    PromptPlan {
        frame: frame.into(),
        config: None,
        posture: None,
        port: 0,
        ping: false,
        options: None,
        tools: false,
        embedded: false,
    }
}

fn told(plan: &PromptPlan) -> Told {
    run(plan, &mut io::empty()).unwrap()
}

fn refused(plan: &PromptPlan) -> String {
    let error = run(plan, &mut io::empty()).unwrap_err().to_string();
    assert!(error.contains("remedy: "), "{error}");
    error
}

/// A UDP datagram from the client to the server, as an IPv4 packet.
fn datagram() -> Vec<u8> {
    let server = Ipv4Addr::new(10, 0, 2, 2);
    let udp = build::udp(CLIENT, server, 40_000, 7007, b"sesame");
    build::Ipv4 { protocol: build::protocol::UDP, ..build::Ipv4::new(CLIENT, server) }.packet(&udp)
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    let world = World::lab();
    build::ethernet(world.ports[0].mac, world.ports[0].hosts[0].mac, build::ethertype::IPV4, packet)
}

fn spelt(bytes: &[u8], between: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(between)
}

fn tagged() -> String {
    spelt(&build::tag(&ethernet(&datagram()), build::ethertype::VLAN, 0), ":")
}

fn echo() -> String {
    let message = build::icmp(8, 0, [0, 7, 0, 1], b"sesame");
    let header = build::Ipv4 { protocol: build::protocol::ICMP, ..build::Ipv4::new(CLIENT, ROUTER) };
    spelt(&ethernet(&header.packet(&message)), " ")
}

#[test]
fn a_held_frame_is_shown_as_the_model_server_gets_it() {
    let told = told(&PromptPlan { embedded: true, posture: Some(Posture::Open), ..plan(&tagged()) });
    assert_eq!(told.fast_path, "divert: vlan_priority_tag");
    let asked = told.asked.as_ref().unwrap();
    assert_eq!((asked.reason, asked.mode, asked.deadline_ms), ("vlan_priority_tag", "enforce", 50));
    let prompt = asked.prompt.as_ref().unwrap();
    assert_eq!((prompt.kind, prompt.schema_name, prompt.hash.len()), ("class", "triage", 32));
    assert!(prompt.user.contains(r#""posture":"open""#) && prompt.user.contains(r#""inner":"healthy IP""#));
    assert_eq!(prompt.bytes, (prompt.system.len(), prompt.user.len()));
    let (task, tokens) = asked.embedded.as_ref().unwrap();
    assert_eq!((*task, &tokens[..2]), ("triage", &["<begin>".to_owned(), "<triage>".to_owned()][..]));
    assert!(tokens.contains(&"<vlan_priority_tag>".to_owned()), "{tokens:?}");
    let text = told.to_string();
    for part in [prompt.system.trim_end(), &prompt.user, &prompt.hash, &prompt.schema.to_string(), "<triage>"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(json["asked"]["prompt"]["user"], prompt.user);
    // The same command prints the same text.
    let again = run(
        &PromptPlan { embedded: true, posture: Some(Posture::Open), ..plan(&tagged()) },
        &mut io::empty(),
    );
    assert_eq!(again.unwrap().to_string(), text);
}

#[test]
fn frame_prompts_tell_what_the_operator_allows() {
    let options = PromptOptions { detail: Detail::Frame, ..PromptOptions::default() };
    let user = |options| {
        let told = told(&PromptPlan { options: Some(options), ..plan(&tagged()) });
        let prompt = told.asked.unwrap().prompt.unwrap();
        assert_eq!(prompt.kind, "frame");
        prompt.user
    };
    let shy = user(options);
    assert!(shy.contains(r#""udp":{"#) && shy.contains(r#""flow":{"#) && shy.contains("198.1"), "{shy}");
    assert!(!shy.contains("10.0.") && !shy.contains("hex"), "{shy}");
    let open = user(PromptOptions { real_addresses: true, payload: 6, ..options });
    assert!(open.contains("10.0.1.2") && open.contains(r#""hex":"7365 7361 6d65""#), "{open}");
}

#[test]
fn the_ping_experiment_holds_echo_requests() {
    let told_of = |ping| told(&PromptPlan { ping, embedded: true, ..plan(&echo()) });
    let held = told_of(true);
    let asked = held.asked.as_ref().unwrap();
    let prompt = asked.prompt.as_ref().unwrap();
    assert_eq!((asked.reason, prompt.kind, prompt.schema_name), ("echo_request", "frame", "ping"));
    assert!(prompt.user.contains("ip_header_hex") && asked.embedded.as_ref().unwrap().0 == "ping_delta");
    let answered = told_of(false);
    assert!(answered.asked.is_none() && answered.to_string().contains("no model is asked"));
    assert_eq!(answered.fast_path, "deliver to the router's own host");
}

#[test]
fn frames_of_the_fast_path_are_told_with_their_verdict() {
    let healthy = told(&plan(&spelt(&ethernet(&datagram()), "")));
    // The next hop is not known yet: the router asks for it.
    assert!(healthy.fast_path.starts_with("consume") && healthy.asked.is_none());
    assert_eq!(healthy.sends.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [1]);
    let mut foreign = ethernet(&datagram());
    foreign[5] ^= 1;
    let foreign = told(&plan(&spelt(&foreign, "")));
    assert_eq!(foreign.fast_path, "drop: foreign");
    assert!(foreign.to_string().contains("another station"));
    // An oddity goes on, and a copy is shown.
    let mut odd = datagram();
    odd[6] |= 0x80;
    let sum = (u32::from(u16::from_be_bytes([odd[10], odd[11]])) + 0xffff - 0x8000) as u16;
    odd[10..12].copy_from_slice(&sum.to_be_bytes());
    let odd = told(&plan(&spelt(&ethernet(&odd), "")));
    assert_eq!(
        odd.asked.as_ref().map(|asked| (asked.reason, asked.mode)),
        Some(("ipv4_reserved_flag", "observe"))
    );
    assert!(odd.to_string().contains("does not wait"), "{odd}");
    assert_eq!(told(&plan("")).fast_path, "divert: ethernet_truncated");
}

#[test]
fn frames_come_from_standard_input_and_from_captures_too() {
    let text = tagged();
    let of = run(&plan("-"), &mut format!("{}\n", text.replace(':', "\n")).as_bytes()).unwrap();
    assert_eq!(of.fast_path, "divert: vlan_priority_tag");
    let path = std::env::temp_dir().join(format!("softrouter-prompt-{}.pcap", std::process::id()));
    let mut writer = PcapWriter::new(std::fs::File::create(&path).unwrap()).unwrap();
    for frame in [ethernet(&datagram()), build::tag(&ethernet(&datagram()), build::ethertype::VLAN, 0)] {
        writer.write_packet(&PcapPacket::new(Duration::ZERO, frame.len() as u32, &frame)).unwrap();
    }
    drop(writer);
    let name = format!("@{}", path.display());
    assert!(told(&plan(&name)).fast_path.starts_with("consume"));
    assert_eq!(told(&plan(&format!("{name}:2"))).fast_path, "divert: vlan_priority_tag");
    assert!(refused(&plan(&format!("{name}:3"))).contains("it has 2 frames, and no frame 3"));
    assert!(refused(&plan(&format!("{name}:0"))).contains("no frame 0"));
    std::fs::write(&path, "no capture").unwrap();
    assert!(refused(&plan(&name)).contains("softrouter-prompt"));
    std::fs::remove_file(&path).unwrap();
    assert!(refused(&plan(&name)).contains("No such file"));
}

#[test]
fn bad_input_is_explained() {
    assert!(refused(&plan("02 0g")).contains("`g` is no hex digit"));
    assert!(refused(&plan("020")).contains("3 hex digits"));
    assert!(refused(&plan(&"00".repeat(1537))).contains("1537 bytes"));
    assert!(refused(&PromptPlan { port: 2, ..plan("00") }).contains("no port 2"));
    let missing = PromptPlan { config: Some("/nonexistent/router.toml".into()), ..plan("00") };
    assert!(refused(&missing).contains("/nonexistent/router.toml"));
}

#[test]
fn the_router_may_be_that_of_a_configuration() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../router.example.toml");
    let told = told(&PromptPlan { config: Some(example.into()), ..plan("ffff") });
    assert_eq!(told.fast_path, "divert: ethernet_truncated");
}

#[test]
fn with_tools_the_words_change_and_nothing_is_cached() {
    let shown = told(&PromptPlan { tools: true, ..plan(&tagged()) }).to_string();
    for part in ["a frame prompt", "You have three tools", "--- tool checksum: ", "--- tool propose: "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("You have no tools"), "{shown}");
}
