//! A headless Chromium that opens pages and says what it saw, through its debugging pipe: JSON messages with a zero byte after each.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A screen, and the reader's preference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// In CSS pixels.
    pub(crate) width: u64,
    dark: bool,
}

impl View {
    pub(crate) const ALL: [Self; 4] = [
        Self { width: 1200, dark: false },
        Self { width: 1200, dark: true },
        Self { width: 390, dark: false },
        Self { width: 390, dark: true },
    ];
}

/// What the browser saw of a page.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Exceptions, console messages and the browser's own log.
    pub(crate) complaints: Vec<String>,
    /// Addresses that were asked for, but the page's own.
    pub(crate) requests: Vec<String>,
    /// Pairs of labels in one plot that lie on one another.
    pub(crate) overlaps: Vec<String>,
    /// Of what can be scrolled to, in CSS pixels.
    pub(crate) width: u64,
    /// Plots, without the swatches of keys.
    pub(crate) plots: u64,
    /// The background's colour.
    pub(crate) paper: String,
    /// Of the text to it, as WCAG counts.
    pub(crate) contrast: f64,
}

/// The browser, one page at a time.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    last: u64,
}

impl Browser {
    /// Starts one with a profile in this folder; `None` where there is none.
    pub(crate) fn start(folder: &Path) -> Option<Self> {
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".into());
        if !Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success()) {
            return None;
        }
        // The pipe is to be the file descriptors 3 and 4, which only a shell can arrange without unsafe code.
        let script = "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
        let mut child = Command::new("sh")
            .args([
                "-c",
                script,
                "sh",
                &program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--remote-debugging-pipe",
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let replies = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in replies.split(0) {
                let Some(value) = message.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) else {
                    return;
                };
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { child, commands, messages, session: String::new(), last: 0 };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }), &mut |_| ());
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", attach, &mut |_| ());
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}), &mut |_| ());
        }
        Some(browser)
    }

    /// The next message; a browser that says nothing for so long has failed.
    fn message(&self, deadline: Instant) -> Value {
        let left = deadline.saturating_duration_since(Instant::now());
        self.messages.recv_timeout(left).expect("the browser answers")
    }

    /// Sends a command and waits for its result; events on the way go to `event`.
    fn ask(&mut self, method: &str, parameters: Value, event: &mut dyn FnMut(&Value)) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.session.is_empty() {
            command["sessionId"] = self.session.clone().into();
        }
        self.commands.write_all(command.to_string().as_bytes()).unwrap();
        self.commands.write_all(&[0]).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.message(deadline);
            if message["id"] == self.last {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            event(&message);
        }
    }

    /// Opens a page and looks at it.
    pub(crate) fn look(&mut self, file: &Path, view: View) -> Seen {
        // What an earlier page still had to say is not this one's.
        self.ask("Page.navigate", json!({ "url": "about:blank" }), &mut |_| ());
        let scheme = if view.dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.ask("Emulation.setEmulatedMedia", media, &mut |_| ());
        let narrow = view.width < 600;
        let screen = json!({ "width": view.width, "height": 800, "deviceScaleFactor": 1, "mobile": narrow });
        self.ask("Emulation.setDeviceMetricsOverride", screen, &mut |_| ());
        let url = format!("file://{}", file.display()).replace(' ', "%20");
        let (mut complaints, mut requests, mut loaded) = (Vec::new(), Vec::new(), false);
        let mut event = |message: &Value| {
            let parameters = &message["params"];
            match message["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                    complaints.push(parameters.to_string());
                }
                "Network.requestWillBeSent" if parameters["request"]["url"] != url.as_str() => {
                    requests.push(parameters["request"]["url"].to_string());
                }
                "Page.loadEventFired" => loaded = true,
                _ => (),
            }
        };
        self.ask("Page.navigate", json!({ "url": url }), &mut event);
        // Runs when the document is there; what comes before its result has been seen.
        let expression = json!({ "expression": LOOK, "awaitPromise": true, "returnByValue": true });
        let result = self.ask("Runtime.evaluate", expression, &mut event);
        assert!(loaded, "{} was not loaded", file.display());
        let value = &result["result"]["value"];
        assert!(value.is_object(), "{result}");
        let list = |name: &str| {
            let texts = value[name].as_array().unwrap().iter();
            texts.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        Seen {
            complaints,
            requests,
            overlaps: list("overlaps"),
            width: value["width"].as_u64().unwrap(),
            plots: value["plots"].as_u64().unwrap(),
            paper: value["paper"].as_str().unwrap().to_owned(),
            contrast: value["contrast"].as_f64().unwrap(),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends by itself when it is told to; one that does not is ended.
        let close = json!({ "id": 0, "method": "Browser.close" }).to_string();
        let _ = self.commands.write_all(close.as_bytes()).and_then(|()| self.commands.write_all(&[0]));
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until all has been loaded, then measures.
const LOOK: &str = r"
(async () => {
  if (document.readyState !== 'complete') await new Promise(done => addEventListener('load', done));
  await new Promise(done => setTimeout(done, 50));
  const overlaps = [];
  const plots = [...document.querySelectorAll('svg')].filter(svg => svg.querySelector('text'));
  for (const svg of plots) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map(text => [text.textContent.trim(), text.getBoundingClientRect()]);
    for (const [text, box] of texts) {
      const out = Math.max(frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom);
      if (out > 2) overlaps.push(`${text} ends outside of its plot`);
    }
    for (let i = 0; i < texts.length; i++) for (let j = 0; j < i; j++) {
      const [a, b] = [texts[i][1], texts[j][1]];
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      // Boxes hold the room above and below letters, too.
      if (across > 0.5 && down > 0.3 * Math.min(a.height, b.height)) overlaps.push(`${texts[i][0]} / ${texts[j][0]}`);
    }
  }
  const channels = color => (color.match(/[\d.]+/g) || []).map(Number);
  const luminance = color => {
    const [r, g, b] = channels(color).map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(document.body);
  const [light, dark] = [luminance(style.color), luminance(style.backgroundColor)].sort((a, b) => b - a);
  return { overlaps, plots: plots.length, width: document.documentElement.scrollWidth, paper: style.backgroundColor,
           contrast: (light + 0.05) / (dark + 0.05) };
})()
";
