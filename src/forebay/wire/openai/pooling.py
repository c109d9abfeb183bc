"""Routes of models that read and do not write: /v1/embeddings, /v1/rerank, /v1/score, /v1/classify."""

from __future__ import annotations

from forebay.wire.openai.bounds import LONG_TEXT, TOKENS, either, flag, items, text, whole, word
from forebay.wire.openai.content import MESSAGES, MESSAGES_EXPECT
from forebay.wire.openai.sampling import FLAG, MODEL
from forebay.wire.openai.shape import Field, Shape

_USER = frozenset({"user"})
_INPUTS = either(LONG_TEXT, items(2048, LONG_TEXT, at_least=1), TOKENS, items(2048, TOKENS, at_least=1))
_TEXTS = either(LONG_TEXT, items(2048, LONG_TEXT, at_least=1))
_TEXTS_EXPECT = "a string or a list of 1 to 2048 strings"
_BOUND = Field(whole(0, 10_000_000), "a whole number from 0", since=(0, 20))
_POOLING: dict[str, Field] = {
    "model": MODEL,
    "truncate_prompt_tokens": Field(whole(-1, 10_000_000), "a whole number from -1"),
}
_SCORING: dict[str, Field] = _POOLING | {
    "use_activation": Field(flag, FLAG, since=(0, 12)),
    "max_tokens_per_query": _BOUND,
    "max_tokens_per_doc": _BOUND,
    "instruction": Field(text(65_536), "a string", since=(0, 22)),
}

EMBEDDINGS = Shape(
    engine_path=b"/v1/embeddings",
    embedded=False,
    fields=_POOLING
    | {
        "input": Field(_INPUTS, "a string, token ids, or a list of 1 to 2048 of either"),
        "messages": Field(MESSAGES, MESSAGES_EXPECT),
        # vLLM also knows `bytes`, whose answer is no JSON.
        "encoding_format": Field(word("float", "base64"), "float or base64"),
        "dimensions": Field(whole(1, 65_536), "a whole number from 1 to 65536"),
    },
    groups=(("input",), ("messages",)),
    dropped=_USER,
)

RERANK = Shape(
    engine_path=b"/v1/rerank",
    embedded=False,
    fields=_SCORING
    | {
        "query": Field(LONG_TEXT, "a string"),
        "documents": Field(_TEXTS, _TEXTS_EXPECT),
        "top_n": Field(whole(0, 1_000_000), "a whole number from 0"),
    },
    required=("model", "query", "documents"),
    dropped=_USER | {"return_documents"},
)

SCORE = Shape(
    engine_path=b"/v1/score",
    embedded=False,
    fields=_SCORING
    | {
        "text_1": Field(_TEXTS, _TEXTS_EXPECT),
        "text_2": Field(_TEXTS, _TEXTS_EXPECT),
        "queries": Field(_TEXTS, _TEXTS_EXPECT, since=(0, 15)),
        "documents": Field(_TEXTS, _TEXTS_EXPECT, since=(0, 15)),
    },
    groups=(("text_1", "text_2"), ("queries", "documents")),
    dropped=_USER,
)

CLASSIFY = Shape(
    engine_path=b"/classify",
    embedded=False,
    fields=_POOLING
    | {
        "input": Field(_TEXTS, _TEXTS_EXPECT),
        "messages": Field(MESSAGES, MESSAGES_EXPECT, since=(0, 12)),
        "use_activation": Field(flag, FLAG, since=(0, 12)),
    },
    groups=(("input",), ("messages",)),
    dropped=_USER,
)
