//! The engagement workload of the benchmarks: 216 to 230 bytes of JSON per event, nine keys.
use super::random::Random;

pub const PATHS: [&str; 9] = [
    "id", "ts", "kind", "user", "item", "country", "client", "surface", "duration",
];

const KINDS: [&str; 4] = ["click", "like", "share", "follow"];
const COUNTRIES: [&str; 8] = ["US", "JP", "BR", "GB", "IN", "FR", "DE", "MX"];
const CLIENTS: [&str; 4] = [
    "android-phone-10.42.0",
    "iphone-10.41.1-beta",
    "web-desktop-2024.11",
    "ipad-10.41.1-stable",
];
const SURFACES: [&str; 4] = [
    "home_timeline",
    "search_results",
    "profile_timeline",
    "notifications_tab",
];

/// The key and JSON text of each member, in the order in which a client writes them.
pub fn members(random: &mut Random) -> Vec<(&'static str, String)> {
    let ts = 1_700_000_000_000 + random.next() % 100_000_000;
    let (a, b) = (random.next(), random.next());
    let kind = if random.one_in(5) { random.pick(&KINDS) } else { "view" };
    let text = |value: &str| format!("\"{value}\"");
    let id = format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        ts >> 16,
        ts & 0xffff,
        a & 0xfff,
        0x8000 | (b & 0x3fff),
        a >> 16
    );
    let values = [
        text(&id),
        ts.to_string(),
        text(kind),
        (100_000_000 + random.next() % 200_000_000).to_string(),
        text(&format!("item-{:012}", random.next() % 1_000_000)),
        text(random.pick(&COUNTRIES)),
        text(random.pick(&CLIENTS)),
        text(random.pick(&SURFACES)),
        (random.next() % 60_000).to_string(),
    ];
    PATHS.into_iter().zip(values).collect()
}

/// A line without its end.
pub fn line(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

pub fn lines(records: usize, seed: u64) -> String {
    let mut random = Random::new(seed);
    (0..records).map(|_| line(&members(&mut random)) + "\n").collect()
}

/// The same with the keys of each event in a random order: nothing for a layout to hold on to.
pub fn shuffled_lines(records: usize, seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut shuffled = || {
        let mut members = members(&mut random);
        (1..members.len())
            .rev()
            .for_each(|i| members.swap(i, random.below(i + 1)));
        line(&members) + "\n"
    };
    (0..records).map(|_| shuffled()).collect()
}
