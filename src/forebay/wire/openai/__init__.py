"""OpenAI's request shapes, a route a file: which body fields an engine may see, and within what bounds.

An allow-list per route, because an engine acts on fields that no client should hold (`cache_salt`, `priority`,
`kv_transfer_params`, `chat_template` …). Fields of OpenAI's own platform are taken and dropped, so that unmodified
clients work.
"""

from forebay.wire.openai.chat import CHAT
from forebay.wire.openai.completions import COMPLETIONS
from forebay.wire.openai.pooling import CLASSIFY, EMBEDDINGS, RERANK, SCORE
from forebay.wire.openai.responses import RESPONSES
from forebay.wire.openai.shape import OLDEST, BadField, Field, Shape, check_fields
from forebay.wire.openai.tokens import DETOKENIZE, TOKENIZE

__all__ = [
    "CHAT",
    "CLASSIFY",
    "COMPLETIONS",
    "DETOKENIZE",
    "EMBEDDINGS",
    "OLDEST",
    "RERANK",
    "RESPONSES",
    "SCORE",
    "TOKENIZE",
    "BadField",
    "Field",
    "Shape",
    "check_fields",
]
