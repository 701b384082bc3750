"""What BigQuery's SQL cannot say exactly, as temporary functions of it in JavaScript: JSON, digits, calendars of texts.

A function takes and gives texts only, which every BigQuery has; an answer of several parts is one text, whose parts
`cf_part` reads: `=` and what it says, or nothing. No body holds a backslash, since how one is written differs.
"""

from __future__ import annotations

import re

CUTS = (31, 30, 29)
"""The characters between parts, between rows, and the one that stands for any of them inside of a part."""

_SAID = """
const mark = String.fromCharCode(29), cuts = [29, 30, 31].map(c => String.fromCharCode(c));
const said = text => text === null || text === undefined ? '' : '=' + cuts.reduce(
  (all, cut, at) => all.split(cut).join(mark + 'abc'[at]), String(text));
"""

# A whole JSON text by the grammar, of equal keys the last one, numbers by their digits. A node: [kind, text, children].
# What passes a limit or is half a code point stops it, as a fault of syntax does: what comes first says why.
_PARSE = """
const quote = String.fromCharCode(34), escape = String.fromCharCode(92);
let at = 0, depth = 0, members = 0;
const fail = (why = 'syntax') => { throw new SyntaxError(why); };
const blank = () => { while (at < text.length && [9, 10, 13, 32].includes(text.charCodeAt(at))) at++; };
const hex = () => {
  const digits = text.slice(at, at + 4);
  if (digits.length < 4 || !/^[0-9a-fA-F]+$/.test(digits)) fail();
  at += 4;
  return parseInt(digits, 16);
};
const short = { b: 8, f: 12, n: 10, r: 13, t: 9 };
const string = () => {
  const parts = [];
  let from = ++at;
  for (;;) {
    const code = text.charCodeAt(at);
    if (at >= text.length || code < 32) fail();
    if (code === 34) break;
    if (code !== 92) { at++; continue; }
    parts.push(text.slice(from, at));
    const letter = text[at + 1];
    at += 2;
    if (letter === quote || letter === escape || letter === '/') parts.push(letter);
    else if (letter in short) parts.push(String.fromCharCode(short[letter]));
    else if (letter === 'u') {
      const first = hex();
      if (first < 0xd800 || first > 0xdfff) parts.push(String.fromCharCode(first));
      else {
        const paired = text[at] === escape && /^u[dD][c-fC-F][0-9a-fA-F]{2}/.test(text.slice(at + 1, at + 6));
        if (first > 0xdbff || !paired) fail('utf8');
        at += 2;
        parts.push(String.fromCharCode(first, hex()));
      }
    } else fail();
    from = at;
  }
  parts.push(text.slice(from, at++));
  return parts.join('');
};
const number = /-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const whole = digits => {
  const value = BigInt(digits);
  if (value >= -(2n ** 63n) && value < 2n ** 63n) return ['BIGINT', value.toString()];
  return value > 0n && value < 2n ** 64n ? ['UBIGINT', digits] : ['DOUBLE', digits];
};
const word = (said, kind) => {
  if (!text.startsWith(said, at)) fail();
  at += said.length;
  return [kind, said];
};
const value = () => {
  blank();
  const begins = text[at];
  if (begins === quote) return ['VARCHAR', string()];
  if (begins === 't') return word('true', 'BOOLEAN');
  if (begins === 'f') return word('false', 'BOOLEAN');
  if (begins === 'n') return [word('null', 'NULL')[0], null];
  if (begins !== '{' && begins !== '[') {
    number.lastIndex = at;
    const found = number.exec(text);
    if (found === null) fail();
    at += found[0].length;
    return /[.eE]/.test(found[0]) ? ['DOUBLE', found[0]] : whole(found[0]);
  }
  const node = begins === '{' ? ['OBJECT', null, new Map()] : ['ARRAY', null, []];
  const end = begins === '{' ? '}' : ']';
  if (depth++ === asked.depth) fail('depth');
  at++;
  blank();
  if (text[at] === end) { at++; depth--; return node; }
  for (;;) {
    blank();
    if (begins === '{') {
      if (text[at] !== quote) fail();
      if (members++ === asked.members) fail('members');
      const key = string();
      blank();
      if (text[at++] !== ':') fail();
      node[2].set(key, value());
    } else node[2].push(value());
    blank();
    const next = text[at++];
    if (next === end) { depth--; return node; }
    if (next !== ',') { at--; fail(); }
  }
};
"""

_DECODE = f"""
{_SAID}
const asked = JSON.parse(spec), row = String.fromCharCode(30), part = String.fromCharCode(31);
const refused = reason => said(reason) + part + (asked.explode === null ? '' : row + 'e');
{_PARSE}
let root;
try {{
  root = value();
  blank();
  if (at < text.length) fail();
}} catch (error) {{
  return refused(error instanceof RangeError ? 'depth' : error.message);
}}
if (root[0] !== 'OBJECT') return refused('not_object');
const walk = (node, path) => path.reduce((a, key) => a && a[0] === 'OBJECT' ? a[2].get(key) : undefined, node);
const both = (node, path) => {{
  const found = walk(node, path);
  return found ? said(found[0]) + part + said(found[1]) : part;
}};
const head = [said(null), said(root[0])];
const outer = asked.outer.map(path => both(root, path));
if (asked.explode === null) return [...head, ...outer].join(part);
const list = walk(root, asked.explode);
const elements = list && list[0] === 'ARRAY' && list[2].length ? list[2] : [undefined];
const first = [...head, ...outer, said(list ? list[0] : null)].join(part);
return [first, ...elements.map((element, place) =>
  ['e', said(element ? place : null), ...asked.inner.map(path => both(element, path))].join(part))].join(row);
"""

# The groups of a line that follows a pattern as a whole; one that took no part is missing.
_LINE = f"""
{_SAID}
if (text === null) return null;
const part = String.fromCharCode(31), found = new RegExp('^(?:' + pattern + ')$', 'u').exec(text);
if (found === null) return said('syntax') + part;
const groups = JSON.parse(names).map(name => {{
  const group = found.groups[name];
  return group === undefined ? part : said('VARCHAR') + part + said(group);
}});
return [said(null), said('OBJECT'), ...groups].join(part);
"""

# A number's sign, digits without zeros at either end, and the power of ten of the last of them: beyond a billion only
# its sign matters, but to ids.
_CANONICAL = """
const exact = said => {
  const digits = said.replace(/^[+-]?0*/, ''), size = digits.length > 19 ? 2n ** 63n - 1n : BigInt(digits || '0');
  return said[0] === '-' ? -size : size;
};
const canonical = t => {
  const found = /^(-?)([0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(t);
  if (found === null) return null;
  const fraction = found[3] || '';
  const digits = (found[2] + fraction).replace(/^0+/, ''), short = digits.replace(/0+$/, '');
  if (short === '') return { s: '', d: '0', e: 0, whole: () => 0n };
  const said = found[4] || '0', power = Math.max(-1000000000, Math.min(1000000000, Number(said)));
  const moved = digits.length - short.length - fraction.length;
  return { s: found[1], d: short, e: power + moved, whole: () => exact(said) + BigInt(moved) };
};
"""

_ROUNDED = {
    "half_even": "rest * 2n > unit || (rest * 2n === unit && whole % 2n === 1n)",
    "half_up": "rest * 2n >= unit",
    "truncate": "false",
}
_UNIT = """
const rounded = (value, unit) => {{
  const size = value < 0n ? -value : value, whole = size / unit, rest = size % unit;
  const up = {0} ? 1n : 0n;
  return (value < 0n ? -1n : 1n) * (whole + up);
}};
"""


def _of_number(body: str) -> str:
    return f"{_CANONICAL} if (t === null) return null; const c = canonical(t); if (c === null) return null; {body}"


_DIGITS = "if (c.e < 0 || c.d.length + c.e > 19) return null; return c.s + c.d + '0'.repeat(c.e);"
_NUMBER = "return c.s + (c.e >= 0 && c.d.length + c.e <= 20 ? c.d + '0'.repeat(c.e) : c.d + 'e' + c.whole());"
_FLOOR = """
const shift = c.e + Number(power);
if (c.d === '0') return '0';
if (c.d.length + shift > 19) return null;
if (shift >= 0) return c.s + c.d + '0'.repeat(shift);
const whole = BigInt(c.d.slice(0, Math.max(c.d.length + shift, 0)) || '0');
return (c.s === '-' ? -whole - 1n : whole).toString();
"""
_FRACTION = "if (c.e > 20 || c.e < -18) return null; return c.s + c.d + '0'.repeat(18 + c.e);"
_DECIMAL = """
const shift = c.e + Number(places), kept = c.d.length + shift;
if (c.d === '0' || kept < 0) return '0';
if (kept > 19) return null;
const digits = BigInt(c.s + c.d);
if (shift >= 0) return (digits * 10n ** BigInt(shift)).toString();
return rounded(digits, 10n ** BigInt(-shift)).toString();
"""
# A whole number as BigQuery writes a decimal, which may have zeros behind a point.
_WHOLE = "const whole = t => BigInt(t.split('.')[0]);"
_HALF_EVEN = f"{_WHOLE} return v === null ? null : rounded(whole(v), whole(unit)).toString();"
_TEXT = f"""
{_WHOLE}
if (v === null) return null;
const value = whole(v), many = Number(places), size = (value < 0n ? -value : value).toString().padStart(many + 1, '0');
const cut = size.length - many;
return (value < 0n ? '-' : '') + size.slice(0, cut) + (many ? '.' + size.slice(cut) : '');
"""

# The digits of a date and a clock as microseconds, as if they were UTC; no text where there is no such moment.
_WALL = """
if (text === null) return null;
const found = new RegExp('^(?:' + grammar + ')$', 'u').exec(text);
if (found === null) return null;
const g = found.groups || {};
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const [year, day, hour, minute, second] = [g.year || '1970', g.day || '01', g.hour || '00', g.minute || '00',
  g.second || '00'].map(Number);
const month = g.named ? months.indexOf(g.named) + 1 : Number(g.month || '01');
const date = new Date(0);
date.setUTCFullYear(year, month - 1, day);
if (year < 1 || date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1) return null;
if (date.getUTCDate() !== day) return null;
if (hour > 23 || minute > 59 || second > 59) return null;
const clock = BigInt((hour * 60 + minute) * 60 + second) * 1000000n;
return (BigInt(date.getTime()) * 1000n + clock + BigInt((g.fraction || '0').slice(0, 6).padEnd(6, '0'))).toString();
"""
# What a zone in the text adds to UTC, in microseconds; empty: it has none; no text: there is no such zone.
_SHIFT = """
if (text === null) return null;
const found = new RegExp('^(?:' + grammar + ')$', 'u').exec(text);
if (found === null) return null;
const zone = (found.groups || {}).zone;
if (!zone) return '';
if (zone === 'Z') return '0';
const digits = zone.slice(1).replace(':', '').padEnd(4, '0'), hours = digits.slice(0, 2), minutes = digits.slice(2, 4);
if (hours > '23' || minutes > '59') return null;
return String((zone[0] === '-' ? -60000000 : 60000000) * (Number(hours) * 60 + Number(minutes)));
"""


_SYNTAX = "^$.*+?()[]{}|/" + chr(92)


def scripted(pattern: str) -> str:
    """A regular expression as JavaScript writes it: names of groups, and escapes of what needs none."""
    named = pattern.replace("(?P<", "(?<").replace(r"\x{", r"\u{")
    return re.sub(r"\\(.)", lambda m: m[0] if m[1].isalnum() or m[1] in _SYNTAX else f"\\u{{{ord(m[1]):x}}}", named)


def functions(rounding: str) -> dict[str, tuple[str, str]]:
    """Name -> parameters and body; `rounding` is that of decimals."""
    unit = _UNIT.format(_ROUNDED[rounding])
    return {
        "cf_decode": ("text spec", _DECODE),
        "cf_line": ("text pattern names", _LINE),
        "cf_exponent_said": ("t", _of_number("return String(c.e);")),
        "cf_digits": ("t", _of_number("return c.d;")),
        "cf_number": ("t", _of_number(_NUMBER)),
        "cf_integer_said": ("t", _of_number(_DIGITS)),
        "cf_floor_said": ("t power", _of_number(_FLOOR)),
        "cf_fraction_said": ("t", _of_number(_FRACTION)),
        "cf_decimal_said": ("t places", unit + _of_number(_DECIMAL)),
        "cf_half_even_said": ("v unit", unit + _HALF_EVEN),
        "cf_text_said": ("v places", _TEXT),
        "cf_wall_said": ("text grammar", _WALL),
        "cf_shift_said": ("text grammar", _SHIFT),
    }


__all__ = ["CUTS", "functions", "scripted"]
