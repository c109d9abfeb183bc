"""The vLLM engines of a configuration, as rules see engines."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.arg_names import canonical, table
from forebay.config.load import Loaded
from forebay.config.provenance import Node, Path, find, read_path
from forebay.config.schema import VllmEngine
from forebay.core.errors import Finding
from forebay.lint.edits import Edit, Repairable
from forebay.lint.served import Served

_KEYS = ("weights", "release", "gpus", "adapters", "adapter_slots")


def vllm_engines(loaded: Loaded) -> Iterator[Served]:
    """Every vLLM engine of the configuration."""
    for path, engine in written_engines(loaded):
        yield as_served(loaded, path, engine)


def written_engines(loaded: Loaded) -> Iterator[tuple[Path, VllmEngine]]:
    """The same as the file holds them, with their paths."""
    for name, model in loaded.config.models.items():
        for index, engine in enumerate(model.engines):
            if isinstance(engine, VllmEngine):
                yield ("models", name, "engines", index), engine


def written_names(engine: VllmEngine) -> dict[str, str]:
    """The engine's flags by their own names, each with the spelling of the file."""
    flags = table(engine.release)
    return {canonical(key, flags): key for key in engine.args}


def release_at(loaded: Loaded, path: Path) -> str:
    """The release of the engine that a path leads into; empty where it leads into none."""
    return next((engine.release for whole, engine in written_engines(loaded) if path[: len(whole)] == whole), "")


def limited(loaded: Loaded, note: Finding) -> Finding:
    """A value of the file that the hardware's limit takes back: writing what runs anyway is safe."""
    if note.rule != "hardware_limit" or note.severity != "warning":
        return note
    path = read_path(note.where.partition(": ")[2])
    node = find(loaded.tree, path)
    edits = edits_at(loaded, path, "value", node.value) if node is not None else ()
    return Repairable(**{name: getattr(note, name) for name in Finding.__struct_fields__}, edits=edits)


def edits_at(loaded: Loaded, path: Path, change: str, to: object) -> tuple[Edit, ...]:
    """One change of a value that the operator's own file holds; none where a profile or a default set it."""
    node = _in_file(find(loaded.tree, path), loaded)
    if node is None:
        return ()
    return (Edit(line=node.place.line, column=node.place.column, change=change, to=to),)  # type: ignore[arg-type]


def as_served(loaded: Loaded, path: Path, engine: VllmEngine) -> Served:
    """One engine as rules see it."""
    written = written_names(engine)

    def place(key: str) -> Path:
        if key in written:
            return (*path, "args", written[key])
        if key.startswith("env."):
            return (*path, "env", key.removeprefix("env."))
        return (*path, key if key in _KEYS else "args")

    def edit(flag: str, value: object) -> tuple[Edit, ...]:
        change = "remove" if value is None else "value"
        return edits_at(loaded, place(flag), change, value) if flag in written else ()

    return Served(
        model=engine.weights,
        release=engine.release,
        flags=table(engine.release),
        args={flag: engine.args[key] for flag, key in written.items()},
        locate=lambda key: loaded.where(place(key)),
        env=dict(engine.env),
        facts=loaded.facts,
        hardware=loaded.config.hardware,
        gpus=len(engine.gpus) // engine.count,
        weights=loaded.weights.get(engine.weights),
        scenario=loaded.config.scenario,
        edit=edit,
    )


def _in_file(node: Node | None, loaded: Loaded) -> Node | None:
    """The node as the operator wrote it, also where the hardware's limit lies over it."""
    while node is not None and node.place.layer == "limit":
        node = node.below[0] if node.below else None
    own = node is not None and node.place.layer == "file" and node.place.file == loaded.path.name
    return node if own else None
