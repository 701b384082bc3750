//! Real event lines, where `CROSSFOOT_TEST_DATA` names their folder.
use std::io::Read;
use std::path::Path;

pub const WIKIPEDIA: &str = "wikipedia-edits/wikiticker-2015-09-12-sampled.json.gz";
pub const GITHUB: &str = "github-events-pinot/2021-07-21-few-hours.json.gz";
pub const GIT_HISTORY: &str = "git-history/pinot-file-events.jsonl.gz";
pub const ACCESS_LOG: &str = "apache-access-log/apache_logs.gz";

/// The unpacked file; None without the folder. A folder without the file is an error.
pub fn bytes(file: &str) -> Option<Vec<u8>> {
    let path = Path::new(&std::env::var_os("CROSSFOOT_TEST_DATA")?).join(file);
    let mut bytes = vec![];
    let packed = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    flate2::read::MultiGzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .unwrap();
    Some(bytes)
}

/// At most `count` lines of it, evenly taken.
pub fn lines(file: &str, count: usize) -> Vec<Vec<u8>> {
    let Some(bytes) = bytes(file) else { return vec![] };
    let all: Vec<&[u8]> = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect();
    all.iter()
        .step_by(all.len().div_ceil(count).max(1))
        .map(|line| line.to_vec())
        .collect()
}
