"""Personal data and secrets: what is looked for in requests and answers, and what is done with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import ModelName, Name, Seconds, Section

Action = Literal["allow", "mask", "pseudonymise", "hash", "block"]
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Word = Annotated[str, Field(min_length=1, max_length=120)]


class Direction(Section):
    """What is done with values in requests, or in answers."""

    default: Action = "mask"
    """With every type that `types` does not name. `mask` puts the type's name in the place of a value; `pseudonymise` a
    name that is turned back in this call's answer; `hash` a hash that is the same for the same value of one tenant;
    `block` refuses the call, or ends the answer."""
    types: dict[Kind, Action] = {}
    """By type, such as `email` or one of `patterns`."""


class OwnPattern(Section):
    """A type of your own: words, or an expression, or both."""

    words: list[Word] = []
    """Words that are looked for as they are, in any case; in Chinese or with spaces, too."""
    listed: str = ""
    """More words, one a line; lines that begin with `#` are notes. They may stand in a file of their own, tens of
    thousands: `configs/<environment>/privacy/words/NAME.txt`."""
    expression: Annotated[str, Field(max_length=1000)] = ""
    """What is looked for, in RE2's syntax: without groups, `^` and `$`, and within what no space separates."""
    near: list[Word] = []
    """Counts only shortly behind one of these words. Default: everywhere."""


class PluginOfPrivacy(Section):
    """A program of your own that finds what no pattern does, such as names and addresses, or reads what stands in
    images. It listens on a unix socket or the loopback interface, and is asked for each call; what it does not answer
    in time and in full is refused. A worker asks it 32 questions at once for one tenant; more wait for their turn."""

    url: Annotated[str, Field(pattern=r"^(unix:/[^\s]+|http://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}/?)$")]
    """Where it listens: `unix:/run/names.sock` or `http://127.0.0.1:8400`."""
    finds: list[Kind] = []
    """The types that it may find. `input` and `output` say what is done with them, as with all others."""
    images: bool = False
    """Whether it reads images; `unreadable: read` has them read."""
    answers: bool = False
    """Whether it looks at answers, too. It needs them whole: streams are then refused where something is to be done
    with a type that it finds."""
    timeout: Annotated[Seconds, Field(gt=0, le=60)] = 2.0
    """Longest that a call waits for each of its answers, its turn included."""
    bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    """Longest question, and longest answer."""


class PrivacyOf(Section):
    """What is different for one tenant or one model; what is left out is as for all."""

    input: Direction | None = None
    """What is done with values in requests."""
    output: Direction | None = None
    """What is done with values in answers."""
    unreadable: Literal["block", "allow", "read"] | None = None
    """What becomes of images and token ids."""


class Privacy(Section):
    """Masking. Off, it costs nothing."""

    enabled: bool = False
    """Whether requests and answers are searched."""
    input: Direction = Direction()
    """What is done with values in requests, before the cache and any engine."""
    output: Direction = Direction()
    """What is done with values in answers, whole or streamed."""
    unreadable: Literal["block", "allow", "read"] = "block"
    """What becomes of requests with images or token ids, in which no text can be searched. `read` has plug-ins read the
    images, and refuses those in which something stands that is not allowed; token ids are refused."""
    score: Annotated[float, Field(ge=0.1, le=1)] = 0.6
    """How sure a finding must be to count: 1 is a check digit and a form or word of its own, 0.9 either of them, 0.6 a
    form that other things have, too."""
    candidates: Annotated[int, Field(ge=64, le=1_000_000)] = 4096
    """How many places of one call that look like something may be confirmed, besides eight for each 1,024 characters.
    From there on the text counts as found: its type is `crowded`, which is masked, or blocked where anything is. One
    costs some 20 microseconds of a worker."""
    off: list[Kind] = []
    """Types that are not looked for at all. A value that is of two types is then found as the other."""
    spared: list[Word] = []
    """Values that are nobody's and stay as they are, such as the address of your own support."""
    patterns: dict[Kind, OwnPattern] = {}
    """Types of your own, by name."""
    plugins: dict[Name, PluginOfPrivacy] = {}
    """Programs of your own that find names and addresses, or read images, by name."""
    tenants: dict[Name, PrivacyOf] = {}
    """What is different for a tenant; it wins over `models`."""
    models: dict[ModelName, PrivacyOf] = {}
    """What is different for a model."""
