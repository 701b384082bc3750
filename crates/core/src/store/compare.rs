//! Whether a store may go on under the definition it is opened with.
use std::collections::BTreeMap;
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
    let (old, new) = (Named::of(stored), Named::of(&plan));
    if old.rest != new.rest
        || !old
            .fields
            .iter()
            .all(|(name, field)| new.fields.get(name) == Some(field))
    {
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
    number_fields(stored, &mut plan);
    Ok(plan)
}

/// Fields keep the numbers under which the ledger knows them; those that were added follow.
fn number_fields(stored: &Value, plan: &mut Value) {
    let fields = stored.get("fields").and_then(Value::as_array);
    let numbered = fields.into_iter().flatten().zip(0u64..);
    let known: BTreeMap<&str, u64> = numbered
        .filter_map(|(field, place)| {
            let number = field.get("number").and_then(Value::as_u64);
            Some((field.get("name")?.as_str()?, number.unwrap_or(place)))
        })
        .collect();
    let mut next = known.values().max().map_or(0, |number| number + 1);
    let fields = plan.get_mut("fields").and_then(Value::as_array_mut);
    for (field, place) in fields.into_iter().flatten().zip(0u64..) {
        let name = field.get("name").and_then(Value::as_str).unwrap_or_default();
        let number = known.get(name).copied().unwrap_or_else(|| {
            next += 1;
            next - 1
        });
        if let Some(field) = field.as_object_mut().filter(|_| number != place) {
            field.insert("number".into(), number.into());
        }
    }
}

/// The names of the fields in declared order: what digests are made of.
pub fn field_list(plan: &Value) -> Vec<Option<&Value>> {
    let fields = plan.get("fields").and_then(Value::as_array);
    fields.into_iter().flatten().map(|field| field.get("name")).collect()
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

/// A plan without what may differ, and with names and raw paths in the place of their numbers, which move when a field is
/// added.
struct Named {
    fields: BTreeMap<String, Value>,
    rest: Value,
}

impl Named {
    fn of(plan: &Value) -> Named {
        let list = |key: &str| plan.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let names = list("fields")
            .iter()
            .filter_map(|field| field.get("name").cloned())
            .collect();
        let words = Words {
            paths: list("paths"),
            names,
        };
        let mut rest = plan.clone();
        for key in ["hash", "limits", "paths", "fields", "where_fields", "guard"] {
            rest.as_object_mut().and_then(|map| map.remove(key));
        }
        if let Some(accept) = rest.get_mut("accept").and_then(Value::as_object_mut) {
            accept.retain(|name, _| !RAISABLE.contains(&name.as_str()));
        }
        words.spell(&mut rest);
        let fields = list("fields").into_iter().filter_map(|mut field| {
            words.spell(&mut field);
            field.as_object_mut()?.remove("number");
            Some((field.get("name")?.as_str()?.to_owned(), field))
        });
        Named {
            fields: fields.collect(),
            rest,
        }
    }
}

struct Words {
    paths: Vec<Value>,
    names: Vec<Value>,
}

impl Words {
    /// Put words in the place of numbers, everywhere below.
    fn spell(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match key.as_str() {
                        "path" | "fingerprint" | "uuid" => replace(value, &self.paths),
                        "fields" => replace(value, &self.paths), // of an id
                        "field" | "sets" => replace(value, &self.names),
                        _ => self.spell(value),
                    }
                }
            }
            Value::Array(list) => match list.as_mut_slice() {
                [Value::String(kind), number] if kind == "path" => replace(number, &self.paths),
                [Value::String(kind), number] if kind == "field" => replace(number, &self.names),
                _ => list.iter_mut().for_each(|value| self.spell(value)),
            },
            _ => {}
        }
    }
}

/// Numbers, at any depth of lists, by what they are the places of.
fn replace(value: &mut Value, by: &[Value]) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, by)),
        Value::Number(number) => {
            let word = number.as_u64().and_then(|at| by.get(at as usize));
            *value = word.cloned().unwrap_or(Value::Null);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan() -> Value {
        serde_json::from_str(include_str!("../../tests/store_plan.json")).unwrap()
    }

    /// A field of its own path before the others, so that all numbers move.
    fn with_a_field_more() -> Value {
        let mut plan = plan();
        plan["paths"] = json!([["country"], ["t"]]);
        plan["time"]["path"] = json!(1);
        plan["id"] = json!({"fields": [1]});
        plan["metrics"][0]["sets"] = json!([[1], []]);
        plan["metrics"][0]["measures"][1]["field"] = json!(2);
        for field in plan["fields"].as_array_mut().unwrap() {
            field["expression"] = json!(["path", 1]);
        }
        let country =
            json!({"name": "country", "type": "text", "scale": 0, "expression": ["path", 0], "default": null});
        plan["fields"].as_array_mut().unwrap().insert(0, country);
        plan
    }

    #[test]
    fn a_plan_goes_on_with_a_field_more_and_not_with_one_less() {
        let (fewer, more) = (plan(), with_a_field_more());
        assert_eq!(continued(&fewer, &fewer, Path::new("s")), Ok(fewer.clone()));
        let numbers = |plan: &Value| -> Vec<Value> {
            plan["fields"]
                .as_array()
                .unwrap()
                .iter()
                .map(|field| field["number"].clone())
                .collect()
        };
        assert_eq!(
            numbers(&continued(&fewer, &more, Path::new("s")).unwrap()),
            [json!(2), json!(0), json!(1)]
        );
        assert_ne!(field_list(&fewer), field_list(&more));
        assert!(continued(&more, &fewer, Path::new("s")).is_err());
    }

    #[test]
    fn a_plan_does_not_go_on_when_a_number_means_another_word() {
        for (at, value) in [
            ("/time/path", json!(0)),
            ("/id/fields/0", json!(0)),
            ("/fields/1/expression/1", json!(0)),
            ("/metrics/0/sets/0/0", json!(2)),
            ("/metrics/0/measures/1/field", json!(1)),
        ] {
            let mut changed = with_a_field_more();
            *changed.pointer_mut(at).unwrap() = value;
            assert!(continued(&plan(), &changed, Path::new("s")).is_err(), "{at}");
        }
    }
}
