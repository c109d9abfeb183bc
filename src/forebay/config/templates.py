"""The operator's own files of an environment, `configs/<env>/{engine,edge,monitoring,privacy}/`, as values of keys.

A file that stands for no key is refused: its name, mistyped, would else be ignored in silence. Where the same value is
in forebay.yaml too, the file wins, since it is about one environment alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from forebay.config import document
from forebay.config.arg_names import with_dashes
from forebay.config.provenance import Node, Path, Place, find, merge, replace, step
from forebay.config.schema.includes import EdgeInclude
from forebay.core.errors import Finding
from forebay.messages import _

PARTS = ("engine", "edge", "monitoring", "privacy")
SIZE_LIMIT_BYTES = 1024 * 1024
_KINDS = ("vllm", "embedded")
_EDGE = {
    f"{key.replace('_', '-')}.{'conf' if key.startswith('nginx') else 'cfg'}": key for key in EdgeInclude.model_fields
}
_FOLDERS = {"rules": (".yml", ".yaml"), "scrapes": (".yml", ".yaml"), "dashboards": (".json",)}
_PLACES = (
    "engine/MODEL.yaml",
    *(f"edge/{name}" for name in _EDGE),
    "monitoring/alertmanager.yml",
    *(f"monitoring/{folder}/NAME{endings[0]}" for folder, endings in _FOLDERS.items()),
    "privacy/words/NAME.txt",
)


def files(root: FilePath, environment: str) -> Iterator[tuple[str, FilePath]]:
    """Every file below the three folders, by its path below the environment's; notes called README are nobody's."""
    for part in PARTS:
        for path in sorted((root / environment / part).rglob("*")):
            hidden = path.name.startswith((".", "README"))
            if not hidden and (path.is_symlink() or not path.is_dir()):
                yield path.relative_to(root / environment).as_posix(), path


def laid_over(values: Node, root: FilePath, environment: str) -> tuple[Node, list[Finding]]:
    """The operator's values with the environment's files laid over them."""
    findings: list[Finding] = []
    for name, path in files(root, environment):
        place = Place(layer="file", file=f"{root.name}/{environment}/{name}", line=1, column=1)
        text, problem = _text(path)
        if problem:
            findings.append(_finding(place, problem))
            continue
        part, _slash, rest = name.partition("/")
        if part == "engine" and rest.endswith((".yaml", ".yml")):
            values, found = _engine(values, rest.rpartition(".")[0], text, place)
            findings += found
        elif key := _key(part, rest):
            values = _over(values, _nested(key, Node(value=text, place=place)))
        else:
            fix = _("Rename or remove it; there are {places}").format(places=", ".join(_PLACES))
            findings.append(_finding(place, _("forebay knows no file of this name"), fix))
    return values, findings


def _text(path: FilePath) -> tuple[str, str]:
    """What a file holds, or why it cannot be taken."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > SIZE_LIMIT_BYTES:
            return "", _("a template must be a file of its own, of at most 1 MiB")
        return path.read_text(encoding="utf-8"), ""
    except UnicodeDecodeError:
        return "", _("it is not UTF-8 text")
    except OSError as error:
        return "", _("the file cannot be read: {reason}").format(reason=error.strerror)


def _key(part: str, rest: str) -> Path | None:
    if part == "edge" and rest in _EDGE:
        return ("edge", "include", _EDGE[rest])
    if part == "privacy" and rest.startswith("words/") and rest.count("/") == 1 and rest.endswith(".txt"):
        return ("privacy", "patterns", rest[len("words/") : -len(".txt")], "listed")
    if part != "monitoring":
        return None
    if rest in ("alertmanager.yml", "alertmanager.yaml"):
        return ("observe", "monitoring", "alertmanager")
    folder, _slash, name = rest.partition("/")
    stem, dot, ending = name.rpartition(".")
    if stem and "/" not in name and dot + ending in _FOLDERS.get(folder, ()):
        return ("observe", "monitoring", folder, stem)
    return None


def _engine(values: Node, model: str, text: str, place: Place) -> tuple[Node, list[Finding]]:
    """Keys by kind of engine, laid over every engine of that kind that the model has."""
    root, findings = document.read(text, place.file, "file")
    if findings or root is None:
        return values, findings
    if not isinstance(root.value, dict):
        return values, [_finding(place, _("the file holds no mapping of keys"), _("Start with `vllm:` or `embedded:`"))]
    path: Path = ("models", model, "engines")
    engines = find(values, path)
    if engines is None or not isinstance(engines.value, list):
        return values, [_finding(place, _("there is no model {name}").format(name=model), _("Rename the file"))]
    for kind, node in root.value.items():
        mine = [index for index, each in enumerate(engines.value) if _kind(each) == kind]
        if kind not in _KINDS or not isinstance(node.value, dict) or not mine:
            why = _("{model} has no engine of the kind {kind}").format(model=model, kind=kind)
            fix = _("Write keys below `vllm:` or `embedded:`, as under engine_defaults")
            findings.append(_finding(node.place, why, fix))
            continue
        for index in mine:
            values = replace(values, (*path, index), _over(_dashed(engines.value[index]), _dashed(node)))
    return values, findings


def _over(lower: Node, upper: Node) -> Node:
    """As `merge`, but mappings stay where forebay.yaml has them: that is where a missing key is to be added."""
    if not isinstance(lower.value, dict) or not isinstance(upper.value, dict):
        return merge(lower, upper)
    laid = {key: _over(lower.value[key], node) if key in lower.value else node for key, node in upper.value.items()}
    return Node(value={**lower.value, **laid}, place=lower.place, below=lower.below)


def _dashed(engine: Node) -> Node:
    args = step(engine, "args")
    return engine if args is None else replace(engine, ("args",), with_dashes(args))


def _kind(engine: Node) -> object:
    kind = step(engine, "kind")
    return kind.value if kind is not None else None


def _nested(path: Path, node: Node) -> Node:
    for part in reversed(path):
        node = Node(value={str(part): node}, place=node.place)
    return node


def _finding(place: Place, why: str, fix: str = "") -> Finding:
    return Finding(rule="template", severity="error", where=str(place), why=why, fix=fix)
