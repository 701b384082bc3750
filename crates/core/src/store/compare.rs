//! Whether a store may go on under the definition it is opened with.
use std::path::Path;

use serde_json::Value;

use crate::error::{CoreError, Result};

/// Times that may be raised in the running generation (semantics section 9).
const RAISABLE: [&str; 3] = ["lateness_us", "transport_us", "horizon_us"];

/// The plan to go on with: the given one, with the settings that belong to the data taken from the store.
pub fn continued(stored: &Value, given: &Value, folder: &Path) -> Result<Value> {
    let mut plan = given.clone();
    for key in ["zones", "tzdata"] {
        copy(stored, &mut plan, &[key]);
    }
    copy(stored, &mut plan, &["accept", "bucket_us"]);
    if bare(stored) != bare(&plan) {
        return Err(CoreError::store(
            format!("the store {} was made with another definition", folder.display()),
            "use the definition that made it, or name a new folder with --store (`crossfoot plan` shows what differs)",
        ));
    }
    for name in RAISABLE {
        let (old, new) = (time(stored, name), time(&plan, name));
        if new < old {
            return Err(CoreError::store(
                format!(
                    "accept.{} is lower than the store {} was counted with",
                    name.trim_end_matches("_us"),
                    folder.display()
                ),
                "raise it again, or name a new folder with --store",
            ));
        }
    }
    Ok(plan)
}

fn copy(from: &Value, to: &mut Value, path: &[&str]) {
    let source = path.iter().try_fold(from, |v, key| v.get(key));
    let target = path.iter().try_fold(to, |v, key| v.get_mut(key));
    if let (Some(source), Some(target)) = (source, target) {
        *target = source.clone();
    }
}

/// A time of the acceptance rule; unbounded is larger than any.
fn time(plan: &Value, name: &str) -> i64 {
    plan.get("accept")
        .and_then(|a| a.get(name))
        .and_then(Value::as_i64)
        .unwrap_or(i64::MAX)
}

/// The plan without what may differ.
fn bare(plan: &Value) -> Value {
    let mut bare = plan.clone();
    if let Some(map) = bare.as_object_mut() {
        map.remove("hash");
        map.remove("limits");
        if let Some(accept) = map.get_mut("accept").and_then(Value::as_object_mut) {
            RAISABLE.iter().for_each(|name| {
                accept.remove(*name);
            });
        }
    }
    bare
}
