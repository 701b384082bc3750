//! Seeded events of the engagement kind: for trying, demos and benchmarks. Event number k is a pure function of the seed, so
//! a copy is the same event rendered again, and any block can be made by itself as long as blocks are made in order.
use serde::Deserialize;

/// What is generated. Times are microseconds, shares are of all lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Workload {
    pub seed: u64,
    /// Received time of the first event.
    pub start_us: i64,
    /// Events per second of received time.
    pub rate: f64,
    /// Copies of events that came at most 20,000 events before.
    pub copies: f64,
    /// Copies of any earlier event.
    pub old_copies: f64,
    /// Lines that are no events.
    pub garbage: f64,
    /// 7: time-ordered ids; 4: random ones.
    pub uuid_version: u8,
    /// Key order, escapes, white space and missing fields vary from line to line.
    pub shuffled: bool,
    /// Add the received time as a field `received_ms`.
    pub received: bool,
    pub users: u64,
    pub items: u64,
}

impl Default for Workload {
    fn default() -> Self {
        Workload {
            seed: 1,
            start_us: 1_767_225_600_000_000,
            rate: 2_000.0,
            copies: 0.077,
            old_copies: 0.003,
            garbage: 0.0,
            uuid_version: 7,
            shuffled: false,
            received: false,
            users: 300_000_000,
            items: 1_000_000,
        }
    }
}

const KINDS: [&str; 8] = [
    "view",
    "click",
    "like",
    "share",
    "reply",
    "follow",
    "video_play",
    "hide",
];
const COUNTRIES: [&str; 24] = [
    "US", "JP", "BR", "IN", "GB", "ID", "TR", "MX", "SA", "TH", "FR", "ES", "DE", "PH", "CA", "AR", "KR", "EG", "CO",
    "IT", "NG", "PL", "AU", "NL",
];
const CLIENTS: [&str; 5] = ["android", "iphone", "web", "ipad", "tweetdeck"];
const SURFACES: [&str; 6] = [
    "home_timeline",
    "search",
    "profile",
    "detail",
    "notifications",
    "explore",
];

/// The stream of lines.
pub struct Generator {
    workload: Workload,
    line: u64,
    next_event: u64,
}

/// A pure stream of random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn of(seed: u64, number: u64, stream: u64) -> Random {
        Random(mix(seed ^ mix(number ^ mix(stream))))
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n.max(1))) >> 64) as u64
    }
    /// An index below n, small ones more often (log-uniform: Zipf with exponent 1).
    fn zipf(&mut self, n: u64) -> u64 {
        (((n as f64 + 1.0).ln() * self.unit()).exp() as u64).clamp(1, n.max(1)) - 1
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn pick<'a>(list: &[&'a str], at: u64) -> &'a str {
    list.get(at as usize).copied().unwrap_or("")
}

impl Generator {
    pub fn new(workload: Workload) -> Generator {
        Generator {
            workload,
            line: 0,
            next_event: 0,
        }
    }

    /// The next `lines` lines.
    pub fn block(&mut self, lines: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(lines * 240);
        for _ in 0..lines {
            self.push_line(&mut out);
        }
        out
    }

    fn push_line(&mut self, out: &mut Vec<u8>) {
        let w = &self.workload;
        let mut random = Random::of(w.seed, self.line, 1);
        self.line += 1;
        let lot = random.unit();
        let received_us = w.start_us + (self.next_event as f64 / w.rate * 1e6) as i64;
        if lot < w.garbage {
            out.extend_from_slice(format!("garbage {} {{\n", random.next()).as_bytes());
            return;
        }
        let known = self.next_event;
        let event = match lot - w.garbage {
            lot if known > 0 && lot < w.copies => known - 1 - random.below(known.min(20_000)),
            lot if known > 0 && lot < w.copies + w.old_copies => random.below(known),
            _ => {
                self.next_event += 1;
                known
            }
        };
        let fields = self.event(event, received_us);
        match self.workload.shuffled {
            false => plain(&fields, out),
            true => shuffled(fields, &mut random, out),
        }
    }

    /// The fields of event number k as key and JSON text, in their usual order.
    fn event(&self, k: u64, received_us: i64) -> Vec<(&'static str, String)> {
        let w = &self.workload;
        let mut random = Random::of(w.seed, k, 2);
        let happened_ms = (w.start_us + (k as f64 / w.rate * 1e6) as i64 - lateness_us(&mut random)) / 1_000;
        let kind = if random.unit() < 0.8 {
            0
        } else {
            1 + random.below(KINDS.len() as u64 - 1)
        };
        let quoted = |text: &str| format!("\"{text}\"");
        let mut fields = vec![
            ("id", quoted(&uuid(w.uuid_version, happened_ms, &mut random))),
            ("ts", happened_ms.to_string()),
            ("kind", quoted(pick(&KINDS, kind))),
            ("user", random.below(w.users).to_string()),
            ("item", (random.zipf(w.items) + 1).to_string()),
            ("country", quoted(pick(&COUNTRIES, random.zipf(COUNTRIES.len() as u64)))),
            ("client", quoted(pick(&CLIENTS, random.zipf(CLIENTS.len() as u64)))),
            ("surface", quoted(pick(&SURFACES, random.zipf(SURFACES.len() as u64)))),
            ("duration", (random.zipf(60_000) + 1).to_string()),
            ("session", quoted(&format!("{:016x}", random.next()))),
        ];
        if w.received {
            fields.push(("received_ms", (received_us / 1_000).to_string()));
        }
        fields
    }
}

/// 97 % under 2 s, most of the rest up to 60 s, a tail to 24 h.
fn lateness_us(random: &mut Random) -> i64 {
    let (lot, share) = (random.unit(), random.unit());
    let seconds = match lot {
        lot if lot < 0.97 => share * 2.0,
        lot if lot < 0.999 => 2.0 + share * 58.0,
        _ => 60.0 + share * share * 86_340.0,
    };
    (seconds * 1e6) as i64
}

fn uuid(version: u8, ms: i64, random: &mut Random) -> String {
    let (a, b) = (random.next(), random.next());
    let high = match version {
        7 => (ms as u64) << 16 | 0x7000 | (a & 0x0fff),
        _ => (a & !0xf000) | 0x4000,
    };
    let low = (b >> 2) | (1 << 63);
    let hex = format!("{high:016x}{low:016x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

fn plain(fields: &[(&str, String)], out: &mut Vec<u8>) {
    for (number, (key, value)) in fields.iter().enumerate() {
        out.extend_from_slice(if number == 0 { b"{\"" } else { b",\"" });
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(b"}\n");
}

/// The same event in a form that nothing can be learned from.
fn shuffled(mut fields: Vec<(&str, String)>, random: &mut Random, out: &mut Vec<u8>) {
    if random.unit() < 0.2 {
        fields.retain(|(key, _)| *key != "session" && *key != "surface");
    }
    for at in (1..fields.len()).rev() {
        fields.swap(at, random.below(at as u64 + 1) as usize);
    }
    out.push(b'{');
    for (number, (key, value)) in fields.iter().enumerate() {
        if number > 0 {
            out.extend_from_slice(if random.unit() < 0.5 { b", " } else { b"," });
        }
        out.push(b'"');
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(if random.unit() < 0.5 { b"\" : " } else { b"\":" });
        match value.strip_prefix("\"home") {
            Some(rest) => out.extend_from_slice(format!("\"\\u0068ome{rest}").as_bytes()),
            None => out.extend_from_slice(value.as_bytes()),
        }
    }
    if random.unit() < 0.5 {
        out.extend_from_slice(",\"extra\":{\"note\":\"caf\u{e9} \\\"ok\\\"\",\"list\":[1,2.5,null]}".as_bytes());
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_lines_however_they_are_cut_into_blocks() {
        let mut whole = Generator::new(Workload::default());
        let mut parts = Generator::new(Workload::default());
        let joined = [parts.block(300), parts.block(1), parts.block(699)].concat();
        assert_eq!(whole.block(1_000), joined);
    }

    #[test]
    fn the_share_of_copies_is_as_asked_and_every_line_is_json() {
        for shuffled in [false, true] {
            let block = Generator::new(Workload {
                shuffled,
                ..Workload::default()
            })
            .block(20_000);
            let mut ids = std::collections::HashSet::new();
            for line in block.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                let value: serde_json::Value = serde_json::from_slice(line).unwrap();
                ids.insert(value["id"].as_str().unwrap().to_string());
            }
            assert!((18_200..18_600).contains(&ids.len()), "{}", ids.len());
        }
    }

    #[test]
    fn lines_have_the_size_of_the_workload() {
        let block = Generator::new(Workload::default()).block(10_000);
        let mean = block.len() as f64 / 10_000.0;
        assert!((205.0..232.0).contains(&mean), "{mean}");
    }
}
