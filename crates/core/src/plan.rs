//! The definition as the core reads it: made by `crossfoot.definition.compile`, with names already resolved to indices.
use serde::Deserialize;

use crate::batch::part;
use crate::expression::Node;

#[derive(Clone, Debug, Deserialize)]
pub struct Plan {
    pub format: u32,
    /// The canonical definition text's hash, hex.
    pub hash: String,
    /// 32 hex digits: the namespace's key for every keyed hash.
    pub key: String,
    pub input: Input,
    /// Wanted raw paths; a slot each.
    pub paths: Vec<Vec<String>>,
    pub time: Time,
    /// None: the input has no stamps.
    pub received: Option<Received>,
    /// Which stamps the input has; as `received` says where the plan does not.
    #[serde(default)]
    pub stamps: Option<Stamps>,
    /// None: a record is one event.
    #[serde(default)]
    pub explode: Option<Explode>,
    pub id: Id,
    /// Texts that a record must hold at these paths to be of this definition (prepared events).
    #[serde(default)]
    pub guard: Vec<(usize, String)>,
    pub fields: Vec<Field>,
    #[serde(rename = "where")]
    pub filter: Option<Node>,
    /// Indices of the fields that `where` names, in declared order.
    pub where_fields: Vec<usize>,
    pub accept: Accept,
    pub metrics: Vec<Metric>,
    pub limits: Limits,
    /// Zone name -> TZif file, base64.
    pub zones: std::collections::BTreeMap<String, String>,
    pub tzdata: String,
}

/// The list whose elements are events.
#[derive(Clone, Debug, Deserialize)]
pub struct Explode {
    pub path: Vec<String>,
    /// The id names something inside of an element.
    pub own_id: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Input {
    pub kind: InputKind,
    /// Texts that follow JSON's grammar of a declared type are taken as that type (CSV, regex).
    pub untyped: bool,
    pub regex: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    Json,
    Regex,
    Prepared,
}

/// Where the received time is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Received {
    Field(Time),
    Given(Given),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// It stands beside the record.
    Given,
}

/// The stamps of the input (semantics section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamps {
    /// There are none: no a, no t.
    None,
    /// a = t, from a field of the record.
    Field,
    /// a = t, from the stamp beside the record.
    Ordered,
    /// a was stamped by an earlier hop; t is from the stamp beside the record.
    Carried,
}

impl Plan {
    pub fn stamps(&self) -> Stamps {
        let of_received = match self.received {
            None => Stamps::None,
            Some(Received::Field(_)) => Stamps::Field,
            Some(Received::Given(_)) => Stamps::Ordered,
        };
        self.stamps.unwrap_or(of_received)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Time {
    /// Index into `paths`.
    pub path: usize,
    pub unit: Unit,
    /// For `unit: pattern`: strptime-like, the directives %Y %m %d %b %H %M %S %f %z and literal text.
    pub pattern: Option<String>,
    /// The zone of local times without an offset.
    pub zone: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    S,
    Ms,
    Us,
    Ns,
    Iso,
    Pattern,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Id {
    Fields(Vec<usize>),
    Fingerprint(Vec<usize>),
    /// It was made already.
    Uuid([usize; 1]),
    Position,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Type,
    pub scale: u32,
    /// Over raw paths.
    pub expression: Node,
    /// A literal node, or null.
    pub default: Option<Node>,
    /// Under which the ledger knows it, if that is not its place.
    pub number: Option<u16>,
}

impl Plan {
    /// What the ledger calls each field as a part of an event, by its place.
    pub fn field_parts(&self) -> Vec<u16> {
        let fields = self.fields.iter().zip(0..);
        fields
            .map(|(field, place)| part::FIELD + field.number.unwrap_or(place))
            .collect()
    }

    /// The name of the part of an event that an `invalid` speaks of.
    pub fn part_name(&self, number: u16) -> &str {
        match number {
            part::TIME => "time",
            part::RECEIVED => "received",
            part::ID => "id",
            part::WHERE => "where",
            part::EXPLODE => "explode",
            part::DEFINITION => "definition",
            field => {
                let place = self.field_parts().iter().position(|part| *part == field);
                place
                    .and_then(|place| self.fields.get(place))
                    .map_or("", |field| &field.name)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// No declared type: text, integer, boolean as found.
    Any,
    Text,
    Integer,
    Decimal,
    Float,
    Boolean,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Accept {
    /// None: unbounded.
    pub lateness_us: Option<i64>,
    pub future_us: i64,
    pub transport_us: i64,
    /// None: ids are kept for the life of the store.
    pub horizon_us: Option<i64>,
    pub bucket_us: i64,
    pub out_of_order_us: i64,
    pub not_before_us: Option<i64>,
    pub not_after_us: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Metric {
    pub name: String,
    #[serde(rename = "where")]
    pub filter: Option<Node>,
    /// Each a list of field indices, in the order in which they were written.
    pub sets: Vec<Vec<usize>>,
    pub measures: Vec<Measure>,
    pub grains: Vec<Grain>,
    /// So many different dimension values of each set have rows of their own; None: all.
    #[serde(default)]
    pub values_max: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Measure {
    pub name: String,
    pub kind: MeasureKind,
    /// None: `count` of events.
    pub field: Option<usize>,
    /// quantile: the rank, 0..=1.
    pub rank: f64,
    /// distinct: exact up to this many members.
    pub exact: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureKind {
    Count,
    Sum,
    Min,
    Max,
    Mean,
    Distinct,
    Quantile,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Grain {
    /// As written: `15m`, `1d Europe/Paris`.
    pub name: String,
    pub unit: GrainUnit,
    /// Of minutes and hours: their number. Else 1.
    pub n: i64,
    /// None: UTC.
    pub zone: Option<String>,
    /// None: kept for ever.
    pub retain_us: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum GrainUnit {
    #[serde(rename = "m")]
    Minute,
    #[serde(rename = "h")]
    Hour,
    #[serde(rename = "d")]
    Day,
    #[serde(rename = "w")]
    Week,
    #[serde(rename = "mo")]
    Month,
    #[serde(rename = "all")]
    All,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Limits {
    pub record_bytes_max: usize,
    pub depth_max: u32,
    pub members_max: u32,
    pub cells_max: u64,
    pub ids_max: u64,
    pub memory_bytes_max: u64,
}
