"""Simple commands and assignments of a script: what they set, what they call, what they start."""

from __future__ import annotations

import re

from tree_sitter import Node

from forebay.lint.foreign.docker import RUNNERS
from forebay.lint.foreign.shell.expand import index_of, source, text_of, words_of
from forebay.lint.foreign.shell.follow import Follower, Handler
from forebay.lint.foreign.shell.world import Command, World, hard
from forebay.lint.foreign.word import GAP, Word

# Programs that say or look for words and start nothing.
_SAYERS = "echo printf grep egrep pgrep pkill killall ps cat sed awk which type log logger tee man curl"
SAYERS = frozenset(_SAYERS.split())
_ENTRY = re.compile(r"\[(.*?)\]=(.*)", re.DOTALL)
_INNER = re.compile(r"\bvllm\s+serve\b|\bvllm\.entrypoints\b|\b(docker|podman|nerdctl)\s+run\b")


def assignment(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    """`X=…`, `X+=…`, `X=(…)`."""
    for world in worlds:
        _assign(node, world)
    return worlds


def assignments(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    """Several on one line."""
    for child in node.named_children:
        worlds = assignment(walk, child, worlds)
    return worlds


def declaration(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    """export, declare, local, readonly; what is exported, programs see."""
    exports = source(node).startswith("export") or bool(re.match(r"(declare|typeset)\s+-\w*x", source(node)))
    keyed = bool(re.match(r"(declare|typeset|local)\s+-\w*A", source(node)))
    for world in worlds:
        for child in node.named_children:
            name = ""
            if keyed and child.type in ("variable_assignment", "variable_name"):
                _keyed(child, world)
                continue
            if child.type == "variable_assignment":
                name = _assign(child, world)
            elif child.type == "variable_name":
                name = source(child)
            if exports and name:
                world.exported |= {name}
    return worlds


def unset(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    for world in worlds:
        for child in node.named_children:
            world.unset(source(child))
    return worlds


def command(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    """A function of the script, a word of the shell's own, or a program."""
    return [after for world in worlds for after in _command(walk, node, world)]


def _command(walk: Follower, node: Node, world: World) -> list[World]:
    name = node.child_by_field_name("name")
    prefix = [child for child in node.named_children if child.type == "variable_assignment"]
    own = world
    if prefix and name is not None and _on_lines_above(prefix[-1], name):
        for child in prefix:  # the grammar takes assignments on the line above as belonging to the command
            _assign(child, world)
    elif prefix:
        own = world.copy()
        for child in prefix:
            own.exported |= {_assign(child, own)}
    if name is None:
        return [world]
    words = [word for child in (name, *node.children_by_field_name("argument")) for word in words_of(child, world)]
    if not words:
        return [world]
    return _run(walk, words, world, own.environment)


def _run(walk: Follower, words: list[Word], world: World, env: dict[str, str]) -> list[World]:
    name = words[0].text
    if name in walk.functions:
        return walk.call(name, tuple(words[1:]), world)
    if name in _BUILTINS:
        _BUILTINS[name](walk, words, world)
        if name not in ("exec", "command"):
            return [world]
        words = [word for word in words[1:] if not word.text.startswith("-")][:1] + words[2:]
    if not words:
        return [world]
    line = words[0].line
    walk.commands.append(Command(tuple(words), env, line))
    # A container's command is read with its container.
    if not any(word.text.rpartition("/")[2] in (*SAYERS, *RUNNERS) for word in words[:2]):
        for word in words[1:]:
            if " " in word.text and _INNER.search(word.text):
                walk.again(word.text, world, line)
    return [world]


def _on_lines_above(assigned: Node, name: Node) -> bool:
    """Whether a line ended between the two: a backslash would not end it."""
    return name.start_point[0] > assigned.end_point[0] and not _continued(assigned)


def _continued(assigned: Node) -> bool:
    parent, after = assigned.parent, assigned.next_sibling
    if parent is None or after is None:
        return False
    between = (parent.text or b"")[assigned.end_byte - parent.start_byte : after.start_byte - parent.start_byte]
    return b"\\\n" in between


def _assign(node: Node, world: World) -> str:
    target, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    if target is None:
        return ""
    add = any(child.type == "+=" for child in node.children)
    if target.type == "subscript":
        _set_keyed(target, value, world, add=add)
        return ""
    name = source(target)
    if value is not None and value.type == "array":
        items = tuple(word for child in value.named_children for word in words_of(child, world))
        world.assign_array(name, items, add=add)
    elif add and name in world.arrays:
        world.assign_array(name, (), add=True)
    else:
        world.assign(name, text_of(value, world), add=add)
    return name


def _keyed(node: Node, world: World) -> None:
    """`declare -A X`, `declare -A X=([a]=1 [b]=2)`."""
    target = node.child_by_field_name("name") if node.type == "variable_assignment" else node
    if target is None:
        return
    entries = world.keyed.setdefault(source(target), {})
    value = node.child_by_field_name("value")
    for child in value.named_children if value is not None else ():
        match = _ENTRY.match(text_of(child, world))
        if match is not None:
            entries[hard(match[1])] = match[2]


def _set_keyed(target: Node, value: Node | None, world: World, *, add: bool) -> None:
    """`X[a]=1` of an associative array; of others, single elements are not followed."""
    named = target.child_by_field_name("name")
    name = source(named) if named is not None else ""
    entries = world.keyed.get(name)
    if entries is None:
        return
    key = hard(index_of(target, world))
    if GAP in key:
        del world.keyed[name]
    else:
        entries[key] = (entries.get(key, "") if add else "") + text_of(value, world)


def _exit(walk: Follower, words: list[Word], world: World) -> None:
    world.state = "exited"


def _return(walk: Follower, words: list[Word], world: World) -> None:
    world.state = "returned"


def _shift(walk: Follower, words: list[Word], world: World) -> None:
    count = int(words[1].text) if len(words) > 1 and words[1].text.isdigit() else 1
    world.arguments = world.arguments[count:] if world.arguments is not None else None


def _set(walk: Follower, words: list[Word], world: World) -> None:
    if len(words) > 1 and words[1].text == "--":
        world.arguments = tuple(words[2:])


def _read(walk: Follower, words: list[Word], world: World) -> None:
    for word in words[1:]:
        if word.text.isidentifier():
            world.assign(word.text, GAP)


def _eval(walk: Follower, words: list[Word], world: World) -> None:
    walk.again(" ".join(word.text for word in words[1:]), world, words[0].line)


def _nothing(walk: Follower, words: list[Word], world: World) -> None:
    pass


_BUILTINS = {
    "exit": _exit,
    "return": _return,
    "shift": _shift,
    "set": _set,
    "read": _read,
    "eval": _eval,
    "exec": _nothing,
    "command": _nothing,
    "trap": _nothing,
    "cd": _nothing,
    ":": _nothing,
}
HANDLERS: dict[str, Handler] = {
    "command": command,
    "variable_assignment": assignment,
    "variable_assignments": assignments,
    "declaration_command": declaration,
    "unset_command": unset,
}
