"""The words and signs of an expression: what each token may be, before sqlglot gives it a meaning of its own."""

from __future__ import annotations

import re

from sqlglot import Token, TokenType

from crossfoot.definition.findings import nearest
from crossfoot.definition.parse import ExpressionError
from crossfoot.definition.text import KEYWORDS

# Words after which a value may not stop, so a value that follows is no second one.
_ENDS_A_VALUE = frozenset({"NULL", "TRUE", "FALSE", "END"})
FUNCTIONS = frozenset({"COALESCE", "LOWER", "UPPER", "TRIM", "SUBSTR", "SUBSTRING", "CONCAT", "CAST"})
TYPE_WORDS = frozenset(
    "TEXT VARCHAR STRING INTEGER INT BIGINT DECIMAL NUMERIC FLOAT DOUBLE REAL BOOLEAN BOOL".split()  # noqa: SIM905
)
SIGNS = frozenset({"(", ")", ",", ".", "=", "<>", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||"})
PARENTHESES_MAX = 64

_NAME = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)


def checked_tokens(tokens: list[Token], text: str) -> list[Token]:
    """The tokens, every word that is no keyword as a quoted identifier; ExpressionError at the first odd one."""
    if not tokens:
        raise ExpressionError("CF1201", 0, text, what="it is empty")
    checker = _Checker(text)
    return [checker.check(token, following) for token, following in zip(tokens, [*tokens[1:], None], strict=True)]


class _Checker:
    """Walks the tokens, knowing whether a value has just ended, the open parentheses, and a CAST's type."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.after_value = False
        self.after_dot = False
        self.in_type = False
        self.open = 0

    def check(self, token: Token, following: Token | None) -> Token:
        """The token to parse in place of this one."""
        source = self.text[token.start : token.end + 1]
        if token.token_type == TokenType.STRING and source.startswith("'"):
            return self._value(token, source)
        if token.token_type == TokenType.NUMBER:
            return self._number(token, source)
        if token.token_type == TokenType.IDENTIFIER:
            return self._value(token, source)
        if source in SIGNS:
            return self._sign(token, source)
        if _NAME.fullmatch(source) or (self.in_type and source.upper() == "DOUBLE PRECISION"):
            return self._word(token, source, following)
        raise ExpressionError("CF1202", token.start, source, what=source)

    def _value(self, token: Token, source: str) -> Token:
        if self.after_value:
            raise ExpressionError("CF1201", token.start, source, what=f"unexpected {source}")
        self.after_value, self.after_dot = True, False
        return token

    def _number(self, token: Token, source: str) -> Token:
        if self.after_dot or not _NUMBER.fullmatch(source):
            raise ExpressionError("CF1201", token.start, source, what=f"{source} is no number (write 0.5, 1.0, 5e3)")
        return self._value(token, source)

    def _sign(self, token: Token, source: str) -> Token:
        self.open += (source == "(") - (source == ")")
        if self.open > PARENTHESES_MAX:
            raise ExpressionError("CF1207", token.start, source, most=PARENTHESES_MAX)
        if source == ")":
            self.in_type = False
        self.after_dot = source == "."
        self.after_value = source == ")"
        return token

    def _word(self, token: Token, source: str, following: Token | None) -> Token:
        word = source.upper()
        calls = following is not None and following.text == "(" and not self.after_dot
        if self.in_type:
            return self._type_word(token, word)
        if calls and word not in KEYWORDS - {"CAST"}:
            return self._function(token, word)
        if word in KEYWORDS and not self.after_dot:
            self.in_type = word == "AS"
            self.after_value = word in _ENDS_A_VALUE
            return token
        quoted = Token(TokenType.IDENTIFIER, source, token.line, token.col, token.start, token.end)
        return self._value(quoted, source)

    def _function(self, token: Token, word: str) -> Token:
        if word not in FUNCTIONS:
            raise ExpressionError("CF1203", token.start, token.text, nearest(word, FUNCTIONS))
        return self._value(token, token.text)

    def _type_word(self, token: Token, word: str) -> Token:
        if word not in TYPE_WORDS | {"DOUBLE PRECISION"}:
            near = nearest(word, TYPE_WORDS)
            raise ExpressionError("CF1206", token.start, token.text, near.lower() if near else None)
        return token
