"""English words by what they do to a question. Pure lists: a word that stands in none of them is never ignored."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that hold a sentence together and may differ between two that ask for the same. Few: `you` is not `I`, `in` the
# box is not `on` it, `my` flight is not the flight, what a dog `has` is not what it `is`; and negations, quantities
# and tenses are no glue at all.
GLUE = _words("a an the there i is are am be being of what which please kindly hi hello hey thanks ok")
# These ask, and say nothing of what is asked about: a text that has nothing else carries nothing to compare.
ASKS = _words(
    "who whom whose when where why how much many long can could should would will may might must it this that me you "
    "do does did was were not whether whether-before"
)
# What marks a text as English. Words that are common in German, French, Spanish or Italian too are left out.
ENGLISH = _words(
    "the this that these those there it its my your our we us you i is are be do does did have has had of for to with "
    "and what which who whose when where why how can could should would will if than from please does not it's what's "
    "without between tell give explain define write find list name show make get many much"
)
# Who asks politely asks the same. Longest first; each is cut from the front, as often as one is there.
OPENINGS = (
    ("can", "you", "please"),
    ("could", "you", "please"),
    ("can", "you", "tell", "me"),
    ("could", "you", "tell", "me"),
    ("i", "want", "to", "know"),
    ("i", "would", "like", "to", "know"),
    ("do", "you", "know"),
    ("please", "tell", "me"),
    ("tell", "me", "about"),
    ("tell", "me"),
    ("can", "you", "explain"),
    ("could", "you", "explain"),
    ("please", "explain"),
    ("explain", "to", "me"),
    ("explain",),
    ("define",),
    ("describe",),
    ("please",),
    ("hi",),
    ("hello",),
)
# Turns of phrase that say the same in other words, as they are rewritten before words are compared.
TURNS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("what", "is", "the", "best", "way", "to"), ("how", "best")),
    (("what", "is", "the", "way", "to"), ("how",)),
    (("what", "are", "the", "steps", "to"), ("how",)),
    (("what", "do", "i", "need", "to", "do", "to"), ("how",)),
    (("what", "can", "i", "do", "to"), ("how",)),
    (("how", "do", "i"), ("how",)),
    (("how", "can", "i"), ("how",)),
    (("how", "should", "i"), ("how",)),
    (("how", "could", "i"), ("how",)),
    (("how", "do", "you"), ("how",)),
    (("how", "can", "you"), ("how",)),
    (("how", "does", "one"), ("how",)),
    (("how", "to"), ("how",)),
    (("is", "it", "possible", "to"), ("can", "i")),
    (("am", "i", "allowed", "to"), ("can", "i")),
    (("am", "i", "allowed"), ("can", "i")),
    (("where", "do", "i"), ("where",)),
    (("where", "can", "i"), ("where",)),
    (("give", "me"), ("give",)),
    (("show", "me"), ("show",)),
    (("what", "is", "the", "reason"), ("why",)),
    (("for", "what", "reason"), ("why",)),
    (("in", "what", "year"), ("when",)),
    (("in", "which", "year"), ("when",)),
    (("in", "simple", "terms"), ("simply",)),
    (("get", "in", "touch", "with"), ("contact",)),
    (("turn", "on"), ("enable",)),
    (("switch", "on"), ("enable",)),
    (("turn", "off"), ("disable",)),
    (("switch", "off"), ("disable",)),
    (("sign", "in"), ("log", "inward")),
    (("log", "in"), ("log", "inward")),
    (("sign", "out"), ("log", "outward")),
    (("log", "out"), ("log", "outward")),
    (("zoom", "in"), ("zoom", "inward")),
    (("have", "to"), ("must",)),
    (("has", "to"), ("must",)),
    (("no", "longer"), ("not", "longer")),
)
# Groups in which every word may stand for the first. Only where no context is likely to tell them apart.
_SYNONYMS = """
parcel package
product item
delivery shipping
purchase buy
change modify alter
mobile smartphone
cellphone smartphone
assistance help support
begin start
beginning starting
finish end
telephone phone
automobile car
photo picture
error fault
film movie
physician doctor
quick fast
rapid fast
big large
small little
required need needed require
cost price
repair fix
erase delete
terminate cancel
obtain get
provide offer
allowed permitted
kid child kids children
detail information info
"""
SYNONYMS = tuple(tuple(group.split()) for group in _SYNONYMS.strip().splitlines())
# A sentence that begins with one of these is answered by yes or no; those of one value may stand for one another.
DECIDES = {
    **dict.fromkeys(("is", "are", "am", "do", "does"), "whether"),
    **dict.fromkeys(("did", "was", "were", "has", "had", "have"), "whether-before"),
    **{
        word: f"whether-{word}" for word in ("can", "could", "should", "would", "will", "may", "might", "must", "shall")
    },
}
