//! The store under crashes: whatever step a crash hits, the next start continues from a whole epoch and ends the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::path::Path;

use crossfoot_core::batch::{Batch, Row, Value, Verdict};
use crossfoot_core::engine::{Engine, Options};
use crossfoot_core::error::{Kind, Result};
use crossfoot_core::input::{Input, Source};
use crossfoot_core::reader::{Reader, Request};
use crossfoot_core::store::files::{CrashPoint, STEPS};

const PLAN: &str = include_str!("store_plan.json");

const EVENTS: u64 = 60;

fn batch(from: u64, to: u64) -> Batch {
    let mut batch = Batch::default();
    for i in from..to {
        let id = i - i % 7 % 2; // some ids come twice
        batch.rows.push(Row {
            uuid: u128::from(id) + 1,
            event_us: id as i64 * 20_000_000,
            stamp_us: 0,
            metrics: 1,
            start: 0,
            end: 0,
            digest: 0,
            verdict: Verdict::Event,
        });
        batch
            .values
            .extend([Value::Int((id % 3) as i64), Value::Int(id as i64)]);
    }
    batch
}

fn input(batch: &Batch) -> Input<'_> {
    Input {
        partition: 0,
        batch,
        chunk: b"",
        span: (0, 0),
        source: Source::Lines,
        now_us: 0,
    }
}

/// Count what is missing, an epoch per three records; where checkpoints are not made beside counting, one every fourth epoch.
fn count(folder: &Path, options: Options) -> Result<()> {
    count_read_by(&mut None, folder, options)
}

/// As `count`; a reader that stays open is brought to each epoch, and has what one that is opened then has.
fn count_read_by(kept: &mut Option<Reader>, folder: &Path, options: Options) -> Result<()> {
    count_by(folder, options, |engine| {
        let epoch = engine.commit()?;
        assert_eq!(Reader::open(folder)?.epoch, epoch);
        // Several epochs at once, too.
        if let Some(kept) = kept.as_mut().filter(|_| epoch % 5 != 0) {
            reads_as_a_new_one(kept, folder);
        }
        Ok(epoch)
    })
}

/// As `count`, with epochs that are written while the next ones are counted.
fn count_beside(folder: &Path, options: Options) -> Result<()> {
    count_by(folder, options, |engine| {
        engine.commit_beside(1)?;
        let epoch = engine.epoch();
        assert!((epoch..=epoch + 1).contains(&Reader::open(folder)?.epoch));
        Ok(epoch)
    })
}

fn count_by(folder: &Path, options: Options, mut commit: impl FnMut(&mut Engine) -> Result<u64>) -> Result<()> {
    let beside = options.checkpoint_bytes < Options::default().checkpoint_bytes;
    let mut engine = Engine::open(folder, PLAN, options)?;
    engine.register(&[("a".into(), "inode".into())])?;
    let mut at = engine.counter.partitions[0].records;
    while at < EVENTS {
        let batch = batch(at, (at + 3).min(EVENTS));
        engine.apply(&input(&batch))?;
        let epoch = commit(&mut engine)?;
        if !beside && epoch % 4 == 0 {
            engine.checkpoint()?;
        }
        at += 3;
    }
    engine.counter.finish(0, None)?;
    engine.commit()?;
    Ok(())
}

fn reads_as_a_new_one(kept: &mut Reader, folder: &Path) {
    kept.refresh().unwrap();
    let mut new = Reader::open(folder).unwrap();
    assert_eq!(kept.meta(), new.meta());
    assert!(tables(kept) == tables(&mut new), "other answers at epoch {}", new.epoch);
}

fn tables(reader: &mut Reader) -> Vec<Vec<u8>> {
    let mut tables = vec![];
    for (set, dims) in [(0, vec![0]), (1, vec![])] {
        for grain in 0..2 {
            let text = format!(r#"{{"metric": 0, "set": {set}, "grain": {grain}, "dims": {dims:?}}}"#);
            let request: Request = serde_json::from_str(&text).unwrap();
            tables.push(reader.scan(&request).unwrap());
        }
    }
    tables
}

fn answers(folder: &Path) -> (Vec<Vec<u8>>, String, u64) {
    let mut reader = Reader::open(folder).unwrap();
    let tables = tables(&mut reader);
    let mut ledger = String::new();
    for (key, value) in reader.ledger().unwrap().rows {
        ledger += &format!(
            "{:?} {} {} {:x}\n",
            key.account, key.reason, value.records, value.digest
        );
    }
    let verify: serde_json::Value = serde_json::from_str(&reader.verify().unwrap()).unwrap();
    assert_eq!(verify["ok"], true, "{verify}");
    (tables, ledger, reader.partitions[0].records)
}

fn options(crash: Option<CrashPoint>) -> Options {
    Options {
        merge_segments: 2,
        crash,
        ..Options::default()
    }
}

#[test]
fn a_crash_at_any_step_changes_no_answer() {
    crash_everywhere(count, options);
}

#[test]
fn a_crash_at_any_step_of_epochs_beside_counting_changes_no_answer() {
    crash_everywhere(count_beside, options);
}

#[test]
fn a_crash_at_any_step_of_checkpoints_beside_counting_changes_no_answer() {
    crash_everywhere(count, |crash| Options {
        checkpoint_bytes: 1,
        ..options(crash)
    });
}

#[test]
fn a_crash_at_any_step_of_epochs_and_checkpoints_beside_counting_changes_no_answer() {
    crash_everywhere(count_beside, |crash| Options {
        checkpoint_bytes: 9_000, // two epochs, and one more while that is seen
        ..options(crash)
    });
}

/// The manifest that names the next journal is there when the checkpoint is written; until then there are two to read on in.
#[test]
fn a_reader_reads_on_while_a_checkpoint_is_written() {
    let (folder, meanwhile) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = |name: &str| {
        std::fs::copy(folder.path().join(name), meanwhile.path().join(name)).unwrap();
    };
    let mut engine = Engine::open(folder.path(), PLAN, Options::default()).unwrap();
    engine.register(&[("a".into(), "inode".into())]).unwrap();
    for name in ["LOCK", "MANIFEST", "HEAD", "journal-00000001"] {
        copy(name);
    }
    let mut kept = Reader::open(meanwhile.path()).unwrap();
    engine.checkpoint().unwrap();
    let old = std::fs::read(meanwhile.path().join("journal-00000001")).unwrap();
    for at in [0, 3, 6] {
        // Who opened the store anew would find the first journal damaged.
        std::fs::write(meanwhile.path().join("journal-00000001"), vec![0; old.len()]).unwrap();
        engine.apply(&input(&batch(at, at + 3))).unwrap();
        engine.commit().unwrap();
        copy("journal-00000002");
        copy("HEAD");
        kept.refresh().unwrap();
        assert_eq!(kept.epoch, engine.epoch());
    }
    std::fs::write(meanwhile.path().join("journal-00000001"), &old).unwrap();
    reads_as_a_new_one(&mut kept, meanwhile.path());
}

#[test]
fn an_epoch_beside_counting_is_told_of_once_it_exists_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::open(folder.path(), PLAN, options(None)).unwrap();
    engine.register(&[("a".into(), "inode".into())]).unwrap();
    let (first, epochs) = (engine.epoch(), 40);
    for number in 1..=epochs {
        engine.apply(&input(&batch(number - 1, number))).unwrap();
        engine.commit_beside(number).unwrap();
        loop {
            let (told, progress) = engine.told.newest().unwrap();
            let epoch = progress["epoch"].as_u64().unwrap();
            assert!(told <= number && epoch <= Reader::open(folder.path()).unwrap().epoch);
            assert_eq!(epoch, if told == 0 { 0 } else { first + told });
            if told == number {
                assert_eq!(progress["accounts"], engine.progress()["accounts"]);
                break;
            }
        }
    }
    engine.commit_beside(epochs + 1).unwrap();
    let (told, progress) = engine.told.newest().unwrap();
    assert_eq!((told, progress["epoch"].as_u64()), (epochs + 1, Some(first + epochs)));
}

#[test]
fn behind_an_epoch_that_failed_beside_counting_none_is_written() {
    for step in [
        "frame.before",
        "frame.half",
        "frame.written",
        "frame.synced",
        "head.written",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let crash = CrashPoint {
            step: step.into(),
            nth: 4,
            abort: false,
        };
        let mut engine = Engine::open(folder.path(), PLAN, options(Some(crash))).unwrap();
        engine.register(&[("a".into(), "inode".into())]).unwrap();
        let mut at = 0;
        let error = loop {
            engine.apply(&input(&batch(at, at + 3))).unwrap();
            at += 3;
            match engine.commit_beside(1) {
                Ok(()) => assert!(engine.epoch() <= 4),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, Kind::Crash);
        let again = [
            engine.commit().map(|_| ()),
            engine.commit_beside(2),
            engine.checkpoint(),
        ];
        for again in again {
            assert!(again.unwrap_err().message.contains("an earlier write failed"));
        }
        drop(engine);
        let engine = Engine::open(folder.path(), PLAN, options(None)).unwrap();
        let exists = matches!(step, "frame.written" | "frame.synced" | "head.written");
        assert_eq!(engine.epoch(), if exists { 4 } else { 3 }, "{step}");
        assert_eq!(engine.counter.partitions[0].records, (engine.epoch() - 1) * 3);
    }
}

fn crash_everywhere(count: fn(&Path, Options) -> Result<()>, options: impl Fn(Option<CrashPoint>) -> Options) {
    let whole = tempfile::tempdir().unwrap();
    count(whole.path(), options(None)).unwrap();
    let expected = answers(whole.path());
    assert_eq!(expected.2, EVENTS);
    for step in STEPS {
        for nth in [1, 2, 5] {
            let folder = tempfile::tempdir().unwrap();
            let crash = CrashPoint {
                step: step.into(),
                nth,
                abort: false,
            };
            let (mut crashed, mut kept) = (0, None);
            while let Err(error) =
                count_read_by(&mut kept, folder.path(), options((crashed == 0).then(|| crash.clone())))
            {
                assert_eq!(error.kind, Kind::Crash, "{error}");
                crashed += 1;
                let mut reader = Reader::open(folder.path()).unwrap();
                tables(&mut reader);
                kept = Some(reader);
            }
            if let Some(mut kept) = kept {
                reads_as_a_new_one(&mut kept, folder.path());
            }
            assert!(
                answers(folder.path()) == expected,
                "other answers after a crash at {step} number {nth}"
            );
            assert!(crashed == 1 || nth > 2, "{step} was passed less than {nth} times");
        }
    }
}

#[test]
fn a_torn_tail_is_cut_and_damage_before_it_is_named() {
    // The third frame is written, and HEAD does not say so yet. What becomes of the journal; the newest epoch then.
    let epoch_after = |damage: &dyn Fn(&mut Vec<u8>)| {
        let folder = tempfile::tempdir().unwrap();
        let crash = CrashPoint {
            step: "frame.written".into(),
            nth: 3,
            abort: false,
        };
        assert_eq!(
            count(folder.path(), options(Some(crash))).unwrap_err().kind,
            Kind::Crash
        );
        let journal = folder.path().join("journal-00000001");
        let mut bytes = std::fs::read(&journal).unwrap();
        assert!(bytes.len() == 12_288 && bytes[8192..].starts_with(b"CFJ"));
        damage(&mut bytes);
        std::fs::write(&journal, bytes).unwrap();
        Engine::open(folder.path(), PLAN, options(None)).unwrap().epoch()
    };
    assert_eq!(epoch_after(&|_| {}), 3);
    assert_eq!(epoch_after(&|bytes| bytes.truncate(12_283)), 2);
    assert_eq!(epoch_after(&|bytes| bytes[8192 + 200] ^= 1), 2);

    let folder = tempfile::tempdir().unwrap();
    let crash = CrashPoint {
        step: "frame.before".into(),
        nth: 4,
        abort: false,
    };
    assert_eq!(
        count(folder.path(), options(Some(crash))).unwrap_err().kind,
        Kind::Crash
    );
    let journal = folder.path().join("journal-00000001");
    let whole = std::fs::read(&journal).unwrap();
    // Header, index, sections.
    for place in [0, 6, 9, 20, 42, 50, 130, 200, 400] {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        std::fs::write(&journal, bytes).unwrap();
        let error = Engine::open(folder.path(), PLAN, options(None)).err().unwrap();
        assert!(error.message.contains("journal-00000001 at byte 0"), "{place}: {error}");
    }
    std::fs::write(&journal, whole).unwrap();
    assert!(Engine::open(folder.path(), PLAN, options(None)).is_ok());
}

#[test]
fn a_second_writer_is_told_who_holds_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Engine::open(folder.path(), PLAN, options(None)).unwrap();
    let error = Engine::open(folder.path(), PLAN, options(None)).err().unwrap();
    assert!(
        error
            .message
            .contains(&format!("held by process {}", std::process::id())),
        "{error}"
    );
}

#[test]
fn a_stale_writer_that_comes_back_may_not_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut stale = Engine::open(folder.path(), PLAN, options(None)).unwrap();
    std::fs::remove_file(folder.path().join("LOCK")).unwrap(); // as an operator who thinks it is dead
    count(folder.path(), options(None)).unwrap();
    let expected = answers(folder.path());
    let error = stale.register(&[("b".into(), "x".into())]).unwrap_err();
    assert!(error.message.contains("another process has written"), "{error}");
    assert!(answers(folder.path()) == expected);
}

#[test]
fn another_definition_and_another_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    count(folder.path(), options(None)).unwrap();
    let other = PLAN
        .replace("\"1h\"", "\"2h\"")
        .replace("\"unit\": \"h\", \"n\": 1", "\"unit\": \"h\", \"n\": 2");
    let error = Engine::open(folder.path(), &other, options(None)).err().unwrap();
    assert!(error.message.contains("another definition"), "{error}");
    let path = folder.path().join("MANIFEST");
    let text = std::fs::read_to_string(&path).unwrap();
    for other in [1, 9] {
        std::fs::write(&path, text.replace("\"format\":2", &format!("\"format\":{other}"))).unwrap();
        let error = Engine::open(folder.path(), PLAN, options(None)).err().unwrap();
        assert!(error.message.contains(&format!("format {other}")), "{error}");
    }
}
