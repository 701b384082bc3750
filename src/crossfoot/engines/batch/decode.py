"""Raw records -> for each raw path its kind and its text, or why the record is malformed.

The step `decoded` has, beside the columns of a record, `root` (kind of the whole), and for each path ``kN`` (DuckDB's
name of its JSON type, null where it is missing) and ``sN`` (its text). A path inside of an exploded list is read in its
element. `cast` chooses the digits of a fraction where a float would lose them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from crossfoot.definition.model import Definition, RawPath
from crossfoot.definition.patterns import ascii_pattern
from crossfoot.definition.sql_parts import case
from crossfoot.definition.text import quote_text
from crossfoot.engines.batch.sql import plain_regex, texts

RECORD = ("epoch", "step", "source", "partition", "position", "stamp", "received", "t", "clock")
"""What a record brings along."""
_ASCII_SAFE = frozenset('/"\\')


@dataclass(frozen=True, slots=True)
class Paths:
    """The raw paths that a definition reads, and where each is found."""

    paths: tuple[RawPath, ...]
    explode: RawPath | None = None

    def number(self, path: RawPath) -> int:
        return self.paths.index(path)

    def in_element(self, path: RawPath) -> bool:
        return self.explode is not None and path[: len(self.explode)] == self.explode

    def rest(self, path: RawPath) -> RawPath:
        """The path inside of what it is looked up in."""
        return path[len(self.explode or ()) :] if self.in_element(path) else path

    def of(self, element: bool) -> list[RawPath]:
        return [path for path in self.paths if self.in_element(path) == element]


def json_path(path: RawPath) -> str:
    """`$."a"."b"`."""
    return "$" + "".join('."' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in path)


def odd(paths: Paths, definition: Definition) -> str:
    """The regular expression of records that DuckDB's functions might read otherwise than JSON says."""
    parts = sorted({part for path in [*paths.paths, paths.explode or ()] for part in path})
    twice = [f'"{plain_regex(part)}".*"{plain_regex(part)}"' for part in parts]
    escapes = r"\\" if any(_ASCII_SAFE & set(part) or not part.isprintable() for part in parts) else r"\\u"
    limits = definition.limits
    deep = [rf"(?:[\[{{][^\[{{]*){{{limits.depth_max + 1}}}"] if limits.depth_max < 1000 else []
    many = [rf"(?::[^:]*){{{limits.members_max + 1}}}"] if limits.members_max < 1000 else []
    digits = r"[0-9.]{16}|[0-9][eE][-+]?[0-9]{3,}[,}\]\s]"
    return "|".join(["(?s)(?i:nan|inf)", digits, r",\s*[}\]]", escapes, *twice, *deep, *many])


def of_json(paths: Paths, definition: Definition) -> list[tuple[str, str]]:
    """The steps that read JSON."""
    pattern = quote_text(odd(paths, definition))
    bounds = [limit for limit in (definition.limits.depth_max, definition.limits.members_max * 4) if limit >= 1000]
    long = f" OR strlen(text) > {min(bounds)}" if bounds else ""
    limit = definition.limits.record_bytes_max
    read = (
        f"SELECT {', '.join(RECORD)}, length, try(decode(record)) AS text,"
        f" coalesce(length, octet_length(record)) > {limit} AS is_large FROM raw WHERE kind = 'record'"
    )
    looked = f"SELECT *, coalesce(is_large OR regexp_matches(text, {pattern}){long}, TRUE) AS odd FROM ({read})"
    return [("texts", looked), *_looked_up(paths, definition)]


def _looked_up(paths: Paths, definition: Definition) -> list[tuple[str, str]]:
    """Kinds and texts of all paths as two lists; an odd record by the last of equal keys and by its own digits."""
    outer = paths.of(element=False)
    wanted = texts([*map(json_path, outer), "$"])
    walked = [f"json_type(cf_walk(text, {texts(path)}))" for path in outer]
    quoted = [f"json_extract_string(cf_walk(digits, {texts(path)}), '$')" for path in outer]
    # The usual branch comes first: a vector that takes it as a whole is not taken apart.
    kinds = case(
        ("NOT odd", f"try(json_type(text, {wanted}))"),
        ("is_large OR NOT json_valid(text) OR cf_lenient(text)", "NULL"),
        otherwise=f"[{', '.join([*walked, 'json_type(text)'])}]",
    )
    careful = f"list_transform([cf_quoted(text)], lambda digits: [{', '.join([*quoted, 'NULL'])}])[1]"
    plain = f"json_extract_string(text, {wanted})"
    said = case(("NOT odd AND kinds IS NOT NULL", plain), ("kinds IS NOT NULL", careful))
    lists = f"SELECT *, {said} AS said FROM (SELECT *, {kinds} AS kinds FROM texts)"
    columns = [
        f"kinds[{place}] AS k{paths.number(path)}, said[{place}] AS s{paths.number(path)}"
        for place, path in enumerate(outer, 1)
    ]
    root = f"kinds[{len(outer) + 1}]"
    whole = [f"{root} AS root", f"{_wrong(root, definition)} AS wrong"]
    step = f"SELECT {', '.join(['* EXCLUDE (kinds, said)', *whole, *columns])} FROM ({lists})"
    return [("looked", step)] if paths.explode is None else [("looked_outside", step), *_exploded(paths)]


def _wrong(root: str, definition: Definition) -> str:
    """Why a text is malformed; what could be wrong is counted before it is looked for."""
    deep, many = definition.limits.depth_max, definition.limits.members_max
    plain = r"""regexp_replace(text, '"(?:[^"\\]|\\.)*"', '""', 'g')"""
    fault = f"cf_fault(text, {deep}, {many})"
    perhaps = [
        r"regexp_matches(text, '(?i)\\ud[89a-f]')",
        rf"length(regexp_replace(text, '[^\[{{]', '', 'g')) > {deep}",
        f"length(regexp_replace(text, '[^{{,]', '', 'g')) > {many}",
    ]
    beyond = f"cf_depth({plain}) > {deep} OR length(regexp_replace({plain}, '[^:]', '', 'g')) > {many}"
    return case(
        (f"is_large OR text IS NULL OR ({root} IS NOT NULL AND NOT odd)", "NULL"),
        (f"{root} IS NOT NULL", case((beyond, fault))),
        (" OR ".join(perhaps), f"coalesce({fault}, 'syntax')"),
        otherwise="'syntax'",
    )


def _exploded(paths: Paths) -> list[tuple[str, str]]:
    """A row for each element; `place` counts them, and is null where there is no list."""
    assert paths.explode is not None
    inner = paths.of(element=True)
    walked = f"cf_walk(text, {texts(paths.explode)})"
    quoted = f"cf_walk(cf_quoted(text), {texts(paths.explode)})"
    lists = (
        f"SELECT *, CASE WHEN root = 'OBJECT' THEN {walked} END AS listed,"
        f" CASE WHEN root = 'OBJECT' THEN {quoted} END AS digits FROM looked_outside"
    )
    kinds = f"SELECT *, json_type(listed) AS list_kind FROM ({lists})"
    rows = (
        "SELECT *, CASE WHEN list_kind = 'ARRAY' THEN range(CAST(json_array_length(listed) AS BIGINT)) END AS places"
        f" FROM ({kinds})"
    )
    one = (
        "SELECT * EXCLUDE (places), unnest(CASE WHEN len(places) > 0 THEN places ELSE [CAST(NULL AS BIGINT)] END)"
        f" AS place FROM ({rows})"
    )
    cut = (
        "SELECT * EXCLUDE (listed, digits), json_extract(listed, '$[' || place || ']') AS element,"
        f" json_extract(digits, '$[' || place || ']') AS element_digits FROM ({one})"
    )
    columns = [column for path in inner for column in _inner(paths.number(path), paths.rest(path))]
    step = f"SELECT *{''.join(', ' + c for c in columns)} FROM ({cut})"
    return [("looked", step)]


def _inner(number: int, path: RawPath) -> list[str]:
    walked, digits = f"cf_walk(element, {texts(path)})", f"cf_walk(element_digits, {texts(path)})"
    return [f"json_type({walked}) AS k{number}", f"json_extract_string({digits}, '$') AS s{number}"]


def of_lines(paths: Paths, definition: Definition, pattern: str) -> list[tuple[str, str]]:
    """The steps that read lines by a regular expression; a group that took no part is missing."""
    limit = definition.limits.record_bytes_max
    read = (
        f"SELECT {', '.join(RECORD)}, length, try(decode(record)) AS text,"
        f" coalesce(length, octet_length(record)) > {limit} AS is_large FROM raw WHERE kind = 'record'"
    )
    pattern = ascii_pattern(pattern)
    groups = [path[0] for path in paths.paths]
    matched = f"regexp_full_match(text, {quote_text(pattern)})"
    columns = [column for number, group in enumerate(groups) for column in _group(number, group, pattern)]
    compiled = re.compile(pattern)
    places = texts([f"g{number + 1}" for number in range(compiled.groups)])
    whole = rf"\A(?:{pattern})\z"
    said = f"regexp_extract(text, {quote_text(whole)}, {places})" if groups else "NULL"
    step = (
        f"SELECT * EXCLUDE (said), CASE WHEN is_match THEN 'OBJECT' END AS root{''.join(', ' + c for c in columns)}"
        f" FROM (SELECT *, CASE WHEN is_match THEN {said} END AS said"
        f" FROM (SELECT *, NOT is_large AND {matched} AS is_match FROM texts))"
    )
    return [("texts", read), ("looked", step)]


def _group(number: int, group: str, pattern: str) -> list[str]:
    """SQL gives an empty text for a group without part; what never matches an empty text was missing then."""
    text = f"said.g{re.compile(pattern).groupindex[group]}"
    may_be_empty = re.fullmatch(re.sub(r"\\[bB]", "", _inside(pattern, group)), "")
    said = text if may_be_empty else f"nullif({text}, '')"
    return [f"{said} AS s{number}", f"CASE WHEN {said} IS NOT NULL THEN 'VARCHAR' END AS k{number}"]


def _inside(pattern: str, group: str) -> str:
    """What stands between the brackets of a named group."""
    start = pattern.index(f"(?P<{group}>") + len(group) + 5
    open_brackets, place = 1, start
    while open_brackets:
        step = pattern[place]
        if step == "[":
            place = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]").match(pattern, place).end()  # type: ignore[union-attr]
            continue
        open_brackets += {"(": 1, ")": -1}.get(step, 0)
        place += 2 if step == "\\" else 1
    return pattern[start : place - 1]


def malformed(definition: Definition) -> list[tuple[str, str]]:
    """Conditions and reasons, in their order."""
    found = [("is_large", "malformed size"), ("text IS NULL", "malformed utf8")]
    if definition.format.regex is not None:
        return [*found, ("root IS NULL", "malformed syntax")]
    reasons = ("utf8", "syntax", "depth", "members")
    found += [(f"wrong = '{reason}'", f"malformed {reason}") for reason in reasons]
    return [*found, ("root <> 'OBJECT'", "malformed not_object")]
