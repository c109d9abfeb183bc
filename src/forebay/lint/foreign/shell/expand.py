"""Words of a script as the shell would expand them; a gap stands for what only a run could tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec
from tree_sitter import Node

from forebay.lint.foreign.shell.world import SOFT, World, hard
from forebay.lint.foreign.word import GAP, Word

_BLANK = re.compile(r"[ \t\n]+")
_ESCAPED = re.compile(r"\\(\n|.)", re.DOTALL)
_ESCAPED_IN_QUOTES = re.compile(r'\\([$`"\\\n])')
_PARAMETER = re.compile(r"\$\{(?P<name>[A-Za-z_]\w*|\d+|[@*])(?:\[(?P<index>[^\]]*)\])?(?P<rest>.*)\}", re.DOTALL)
_DEFAULT = re.compile(r":?[-=]")
# Where a program lies is not known, but which one it is.
_PROGRAM = re.compile(r"(?:\$\(|`)\s*(?:which|command\s+-v|type\s+-p)\s+([\w./-]+)[^|;&]*[)`]")
_PLAIN_TYPES = ("word", "number", "variable_name", "extglob_pattern", "test_operator", "file_descriptor", "regex")
_ANSI = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"', "r": "\r"}


class Piece(msgspec.Struct, frozen=True):
    """A part of a word. `splits`: unquoted, so that blanks in it end words. `words`: an array, each a word."""

    text: str = ""
    splits: bool = False
    words: tuple[str, ...] | None = None


def words_of(node: Node, world: World) -> list[Word]:
    """The words that one node of a command becomes: none, one or several."""
    return _joined(list(_pieces(node, world)), node.start_point[0] + 1)


def text_of(node: Node | None, world: World) -> str:
    """The text of a node that is not split: the right side of an assignment, a side of a comparison."""
    if node is None:
        return ""
    parts = (piece.text if piece.words is None else " ".join(piece.words) for piece in _pieces(node, world))
    return "".join(parts)


def source(node: Node) -> str:
    return (node.text or b"").decode(errors="replace")


def _joined(pieces: list[Piece], line: int) -> list[Word]:
    words = _Words(line)
    for piece in pieces:
        if piece.words is not None:
            words.take(piece.words)
        elif not piece.splits:
            words.add(piece.text)
        elif piece.text == GAP:
            words.add(GAP, splits=True)
        else:
            parts = _BLANK.split(hard(piece.text))
            words.take(tuple(parts), keep_empty=False, splits=True)
    words.close()
    return words.done


class _Words:
    """Words as they grow together from pieces."""

    def __init__(self, line: int) -> None:
        self.done: list[Word] = []
        self._line = line
        self._open: str | None = None
        self._splits = False

    def add(self, text: str, *, splits: bool = False) -> None:
        self._open = (self._open or "") + text
        self._splits |= splits

    def take(self, texts: tuple[str, ...], *, keep_empty: bool = True, splits: bool = False) -> None:
        """Several words: the first grows onto what stands before, the last onto what follows."""
        for index, text in enumerate(texts):
            if index:
                self.close()
            if text or keep_empty:
                self.add(text, splits=splits and GAP in text)

    def close(self) -> None:
        if self._open is not None:
            self.done.append(Word(hard(self._open), self._line, self._splits))
        self._open, self._splits = None, False


def _pieces(node: Node, world: World, *, quoted: bool = False) -> Iterator[Piece]:
    kind = node.type
    if kind in _LITERALS:
        yield Piece(_LITERALS[kind](source(node)))
    elif kind in ("string", "translated_string"):
        yield from _string(node, world)
    elif kind in ("concatenation", "command_name"):
        for child in node.children:
            yield from _pieces(child, world)
    elif kind == "simple_expansion":
        yield from _parameter(source(node)[1:], world, quoted=quoted)
    elif kind == "expansion":
        yield from _expansion(node, world, quoted=quoted)
    elif kind == "arithmetic_expansion":
        yield Piece(_arithmetic(source(node), world))
    elif kind == "command_substitution" and (program := _PROGRAM.fullmatch(source(node))) is not None:
        yield Piece(program[1], splits=not quoted)
    else:
        text = source(node)
        yield Piece(GAP, splits=not quoted) if "$" in text or "`" in text or "<(" in text else Piece(text)


def _string(node: Node, world: World) -> Iterator[Piece]:
    """The grammar leaves blanks between two expansions out of its nodes: they are taken from the source."""
    whole = node.text or b""
    at = node.start_byte + 1 + (node.type == "translated_string")
    yield Piece("")  # "" is a word
    for child in node.named_children:
        if child.type == "string_content":
            continue
        yield Piece(_in_quotes(whole[at - node.start_byte : child.start_byte - node.start_byte]))
        yield from _pieces(child, world, quoted=True)
        at = child.end_byte
    yield Piece(_in_quotes(whole[at - node.start_byte : -1]))


def _in_quotes(raw: bytes) -> str:
    return _ESCAPED_IN_QUOTES.sub(lambda match: "" if match[1] == "\n" else match[1], raw.decode(errors="replace"))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: "" if match[1] == "\n" else match[1], text)


_LITERALS: dict[str, Callable[[str], str]] = dict.fromkeys(_PLAIN_TYPES, _unescaped) | {
    "raw_string": lambda text: text[1:-1],
    "ansi_c_string": lambda text: re.sub(r"\\(.)", lambda match: _ANSI.get(match[1], match[0]), text[2:-1]),
}


def _parameter(name: str, world: World, *, quoted: bool) -> Iterator[Piece]:
    if name in ("@", "*") and world.arguments is not None:
        yield _several(tuple(word.text for word in world.arguments), quoted=quoted and name == "@")
    else:
        value = _value(name, world)
        # "$@" may be any number of words, although it is quoted.
        yield Piece(GAP if value is None else value, splits=not quoted or (name == "@" and value is None))


def _several(texts: tuple[str, ...], *, quoted: bool) -> Piece:
    return Piece(words=texts) if quoted else Piece(" ".join(texts), splits=True)


def _value(name: str, world: World) -> str | None:
    """None: not set here, so that whoever starts the script decides."""
    if name.isdigit() and name != "0" and world.arguments is not None:
        index = int(name) - 1
        return world.arguments[index].text if index < len(world.arguments) else ""
    if name in world.arrays:
        return world.arrays[name][0].text if world.arrays[name] else ""
    return world.variables.get(name)


def _expansion(node: Node, world: World, *, quoted: bool) -> Iterator[Piece]:
    match = _PARAMETER.fullmatch(source(node))
    if match is None:
        yield Piece(GAP, splits=not quoted)
        return
    name, index, rest = match["name"], match["index"], match["rest"]
    if index in ("@", "*") and not rest:
        if name in world.arrays:
            yield _several(tuple(word.text for word in world.arrays[name]), quoted=quoted and index == "@")
        elif name in world.variables:
            yield from _parameter(name, world, quoted=quoted)
        else:
            yield Piece(GAP, splits=not quoted or index == "@")
    elif index is not None:
        yield Piece(GAP if rest else _element(node, name, world), splits=not quoted)
    elif name in ("@", "*") and not rest:
        yield from _parameter(name, world, quoted=quoted)
    else:
        yield Piece(_changed(_value(name, world), name, rest, node, world), splits=not quoted or name == "@")


def _element(node: Node, name: str, world: World) -> str:
    """`${A[1]}` of an array, `${A[$ENV]}` of an associative one; what is in neither may have been set elsewhere."""
    subscript = next((child for child in node.named_children if child.type == "subscript"), None)
    index = index_of(subscript, world) if subscript is not None else GAP
    if (keyed := world.keyed.get(name)) is not None and GAP not in index:
        return keyed.get(hard(index), "") + (SOFT if SOFT in index else "")
    words = world.arrays.get(name)
    if words is None or not hard(index).isdigit():
        return GAP
    return words[int(hard(index))].text if int(hard(index)) < len(words) else ""


def index_of(subscript: Node, world: World) -> str:
    """What stands in the brackets of `A[…]`."""
    return "".join(text_of(child, world) for child in subscript.named_children[1:])


def _changed(value: str | None, name: str, rest: str, node: Node, world: World) -> str:
    """`${X}`, `${X:-d}`, `${X:=d}`, `${X:+d}`, `${X:?why}`, `${X%s}`, `${X#p}`; others are gaps."""
    if not rest:
        return GAP if value is None else value
    if match := _DEFAULT.match(rest):
        taken = value if value or (value is not None and not match[0].startswith(":")) else None
        if taken is not None:
            return taken
        default = _operand(node, world) + (SOFT if value is None else "")
        if match[0].endswith("="):
            world.assign(name, default)
        return default
    if rest.startswith((":+", "+")):
        return GAP if value is None else _operand(node, world) if value else ""
    if rest.startswith((":?", "?")):
        return GAP if value is None else value
    return GAP if value is None or GAP in value else _cut(value, rest)


def _operand(node: Node, world: World) -> str:
    """What stands behind the operator, expanded; the operator is the first unnamed child after the name."""
    operator = next((child for child in node.children[1:] if not child.is_named and child.type not in ("}", "[")), None)
    if operator is None:
        return ""
    whole, start = node.text or b"", node.start_byte
    at, text = operator.end_byte, ""
    for child in node.children:
        if child.start_byte < at or not child.is_named:
            continue
        text += whole[at - start : child.start_byte - start].decode(errors="replace") + text_of(child, world)
        at = child.end_byte
    return text + whole[at - start : -1].decode(errors="replace")


def _cut(value: str, rest: str) -> str:
    """A literal suffix or prefix, or the part after the last slash."""
    operator = re.match(r"##?|%%?", rest)
    pattern = rest[operator.end() :] if operator else ""
    if rest == "##*/":
        return value.rpartition("/")[2]
    if operator is None or re.search(r"[*?\[$]", pattern):
        return GAP
    return value.removesuffix(pattern) if rest.startswith("%") else value.removeprefix(pattern)


def _arithmetic(text: str, world: World) -> str:
    """Sums and products of whole numbers, and nothing else: anything more is a gap."""
    inner = re.sub(r"\$?\{?([A-Za-z_]\w*)\}?", lambda match: _value(match[1], world) or GAP, text[3:-2])
    soft = SOFT if SOFT in inner else ""
    total = 0
    for sign, product in re.findall(r"([+-]?)\s*(\d+(?:\s*\*\s*\d+)*)", hard(inner)):
        factors = [int(factor) for factor in product.split("*")]
        value = 1
        for factor in factors[:8]:
            value *= min(factor, 10**9)
        total += -value if sign == "-" else value
    plain = re.fullmatch(r"\s*[+-]?\s*\d{1,9}(\s*[-+*]\s*\d{1,9})*\s*", hard(inner))
    return str(total) + soft if plain else GAP
