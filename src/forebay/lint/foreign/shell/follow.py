"""Follows a parsed script through every branch that it may take and keeps the commands that it would run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import tree_sitter_bash
from tree_sitter import Language, Node, Parser, Tree

from forebay.core.errors import Finding
from forebay.lint.foreign.shell.conditions import Answer, condition, matches, variable
from forebay.lint.foreign.shell.expand import source, text_of, words_of
from forebay.lint.foreign.shell.world import Command, World, hard
from forebay.lint.foreign.word import GAP, Word
from forebay.messages import _

_WAYS_LIMIT = 48
_DEPTH_LIMIT = 60
_STEPS_LIMIT = 60_000
_LOOP_LIMIT = 32
_SEQUENCES = ("program", "compound_statement", "do_group", "else_clause", "if_body")
# A shell, here or on another machine, that reads its commands from what follows.
_READS_COMMANDS = re.compile(r"(^|[\s/])(ba|da|z)?sh(\s+-\w+)*\s*$|(^|\s)ssh(\s+-\w(\s+[^-\s]\S*)?)*\s+[^-\s]\S*\s*$")
_HEAD_LIMIT = 500
_FRESH = ("subshell", "command_substitution")


class Follower:
    """One script's functions, commands and findings."""

    def __init__(self, place: str, simple: Mapping[str, Handler]) -> None:
        self.place = place
        self._simple = simple
        self.commands: list[Command] = []
        self.findings: list[Finding] = []
        self.functions: dict[str, Node] = {}
        self._called: set[str] = set()
        self._depth = 0
        self._steps = 0

    def statements(self, nodes: Iterable[Node], worlds: list[World]) -> list[World]:
        """The worlds after the statements, one by one."""
        for node in nodes:
            worlds = self.statement(node, worlds)
        return worlds

    def statement(self, node: Node, worlds: list[World]) -> list[World]:
        """The worlds after one statement; those that have left stay as they are."""
        if not node.is_named or node.type in ("comment", "heredoc_redirect", "ERROR"):
            return worlds
        self._steps += 1
        if self._depth >= _DEPTH_LIMIT or self._steps > _STEPS_LIMIT:
            self._note(node, "script_deep", _("the script goes too deep to be followed from here"))
            return worlds
        running = [world for world in worlds if world.state == "runs"]
        left = [world for world in worlds if world.state != "runs"]
        if not running:
            return left
        self._depth += 1
        try:
            after = self._one(node, running)
        finally:
            self._depth -= 1
        return self._bounded(node, [*after, *left])

    def uncalled(self, world: World) -> None:
        """Functions that nothing calls may be called by whoever sources the script."""
        for name in [name for name in self.functions if name not in self._called]:
            self.statement(self.functions[name], [World(dict(world.variables), dict(world.arrays), world.exported)])

    def broken(self, root: Node) -> None:
        """Where the grammar gave up."""
        bad = _first_error(root)
        why = _("the shell would not understand this, or forebay does not")
        fix = _("Check quotes and brackets; `bash -n` says more")
        severity = "warning" if self.commands else "error"
        where = f"{self.place}:{bad.start_point[0] + 1}"
        self.findings.append(Finding(rule="script_syntax", severity=severity, where=where, why=why, fix=fix))  # type: ignore[arg-type]

    def call(self, name: str, words: tuple[Word, ...], world: World) -> list[World]:
        """A function of the script, with its own arguments."""
        self._called.add(name)
        outer = world.arguments
        world.arguments = words
        after = self.statement(self.functions[name], [world])
        for each in after:
            each.arguments = outer
            each.state = "runs" if each.state == "returned" else each.state
        return after

    def again(self, text: str, world: World, line: int | None) -> None:
        """A text that is itself a command: eval, `bash -c`. Without `line`, the text's own lines are the script's."""
        inner = Follower(self.place, self._simple)
        inner.functions, inner._depth = self.functions, self._depth + 10  # it costs more than a statement
        if inner._depth < _DEPTH_LIMIT and "\0" not in text:
            tree = parsed(text)
            inner.statements(tree.root_node.children, [world.copy()])
        for command in inner.commands:
            words = tuple(Word(word.text, line or word.line, word.splits) for word in command.words)
            self.commands.append(Command(words, command.env, line or command.line))

    def _one(self, node: Node, worlds: list[World]) -> list[World]:
        kind = node.type
        if kind in _SEQUENCES:
            return self.statements(node.children, worlds)
        if kind in _FRESH or kind == "pipeline":
            self.statements(node.children, [world.copy() for world in worlds])
            return worlds
        handler = _HANDLERS.get(kind) or self._simple.get(kind)
        return handler(self, node, worlds) if handler is not None else worlds

    def _bounded(self, node: Node, worlds: list[World]) -> list[World]:
        if len(worlds) <= _WAYS_LIMIT:
            return worlds
        self._note(node, "script_branches", _("the script has more branches than are followed"))
        return worlds[:_WAYS_LIMIT]

    def _note(self, node: Node, rule: str, why: str) -> None:
        where = f"{self.place}:{node.start_point[0] + 1}"
        fix = _("Check the commands that it ends in one by one, with --command")
        if not any(finding.rule == rule for finding in self.findings):
            self.findings.append(Finding(rule=rule, severity="warning", where=where, why=why, fix=fix))

    def branch(self, node: Node, worlds: list[World]) -> tuple[list[World], list[World]]:
        """The worlds in which a condition holds, and those in which it does not."""
        yes: list[World] = []
        no: list[World] = []
        for world in worlds:
            answer = condition(node, world)
            self._in_condition(node, world)
            if answer.holds is not False:
                yes.append(_narrowed(world, answer, holds=True))
            if answer.holds is not True:
                no.append(_narrowed(world, answer, holds=False))
        return yes, no

    def _in_condition(self, node: Node, world: World) -> None:
        """`if vllm serve …; then`: what stands in a condition is run as well."""
        if node.type in ("command", "redirected_statement", "negated_command", "pipeline"):
            self.statement(node, [world.copy()])


def parsed(text: str) -> Tree:
    """The script as the grammar reads it; what it cannot read stands in it as an error."""
    return Parser(Language(tree_sitter_bash.language())).parse(text.encode())


def _narrowed(world: World, answer: Answer, *, holds: bool) -> World:
    new = world.copy()
    if answer.holds is None:
        for name, text in answer.then if holds else answer.otherwise:
            new.assign(name, text)
    return new


def _if(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    """if, elif and else: each with the worlds in which nothing before it held."""
    head = [child for child in node.children_by_field_name("condition") if child.is_named]
    rest = [child for child in node.children if child.type in ("elif_clause", "else_clause")]
    ids = {child.id for child in (*head, *rest)}
    body = [child for child in node.children if child.is_named and child.id not in ids]
    if node.type == "elif_clause":
        head, body = body[:1], body[1:]
    if not head:
        return worlds
    walk.statements(head[:-1], worlds)
    yes, no = walk.branch(head[-1], worlds)
    after = walk.statements(body, yes)
    for clause in rest:
        if clause.type == "else_clause":
            return after + walk.statements(clause.children, no)
        inner = [child for child in clause.children if child.is_named]
        yes, no = walk.branch(inner[0], no) if inner else ([], no)
        after += walk.statements(inner[1:], yes)
    return after + no


def _case(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    subject = node.child_by_field_name("value")
    items = [child for child in node.children if child.type == "case_item"]
    name = variable(subject)
    after: list[World] = []
    for world in worlds:
        text, open_ = text_of(subject, world), True
        for item in items:
            values = item.children_by_field_name("value")
            patterns = [text_of(value, world) for value in values]
            taken = matches(text, patterns) if "*" not in patterns else True
            if not open_ or taken is False:
                continue
            ids = {value.id for value in values}
            body = [child for child in item.children if child.is_named and child.id not in ids]
            chosen = world.copy()
            if name and taken is None and not any(sign in patterns[0] for sign in "*?["):
                chosen.assign(name, hard(patterns[0]))
            after += walk.statements(body, [chosen])
            open_ = taken is None
        if open_:
            after.append(world)
    return after


def _for(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    variable_node, body = node.child_by_field_name("variable"), node.child_by_field_name("body")
    if body is None:
        return worlds
    values = node.children_by_field_name("value")
    for world in worlds:
        each = [word for value in values for word in words_of(value, world)] or [Word(GAP)]
        for word in each[:_LOOP_LIMIT]:
            if variable_node is not None:
                world.assign(source(variable_node), word.text)
            walk.statement(body, [world])
    return worlds


def _loop(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    """Once, and what it assigned is forgotten: such loops wait, or read arguments whose defaults are what counts."""
    walk.statements(node.children, [world.copy() for world in worlds])
    return worlds


def _list(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    """`a && b` and `a || b`; an ordinary command is taken to succeed."""
    done, failed = _outcomes(walk, node, worlds)
    return done + failed


def _outcomes(walk: Follower, node: Node, worlds: list[World]) -> tuple[list[World], list[World]]:
    """The worlds in which a command succeeded, and those in which it failed."""
    parts = node.named_children
    if node.type != "list" or len(parts) != 2:
        if node.type in ("test_command", "negated_command") or source(node) in ("true", "false"):
            return walk.branch(node, worlds)
        return walk.statement(node, worlds), []
    done, failed = _outcomes(walk, parts[0], worlds)
    if any(child.type == "&&" for child in node.children):
        done, later = _outcomes(walk, parts[1], done)
        return done, failed + later
    if not failed:
        # What would follow a failure is read as well, and forgotten.
        walk.statement(parts[1], [world.copy() for world in worlds if world.state == "runs"])
        return done, []
    rescued, failed = _outcomes(walk, parts[1], failed)
    return done + rescued, failed


def _redirected(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    body = node.child_by_field_name("body")
    if body is None:
        return worlds
    if _READS_COMMANDS.search(source(body)[:_HEAD_LIMIT]):
        for text in (part for child in node.named_children for part in child.named_children):
            if text.type == "heredoc_body":
                # As many empty lines before it as stand before it in the script.
                walk.again("\n" * text.start_point[0] + source(text), worlds[0].copy(), None)
    return walk.statement(body, worlds)


def _function(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is not None and body is not None:
        walk.functions[source(name)] = body
    return worlds


def _negated(walk: Follower, node: Node, worlds: list[World]) -> list[World]:
    return walk.statements(node.children, worlds)


def _first_error(root: Node) -> Node:
    queue = [root]
    while queue:
        node = queue.pop(0)
        if node.is_error or node.is_missing:
            return node
        queue += [child for child in node.children if child.has_error or child.is_missing]
    return root


Handler = Callable[[Follower, Node, list[World]], list[World]]
_HANDLERS: dict[str, Handler] = {
    "if_statement": _if,
    "case_statement": _case,
    "for_statement": _for,
    "while_statement": _loop,
    "c_style_for_statement": _loop,
    "list": _list,
    "redirected_statement": _redirected,
    "function_definition": _function,
    "negated_command": _negated,
}
