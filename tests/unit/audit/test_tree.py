"""The tree is RFC 6962's: Certificate Transparency's own vectors hold, and no proof proves anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.audit.tree import (
    EMPTY,
    Frontier,
    consistency_path,
    extends,
    frontier_of,
    includes,
    inclusion_path,
    leaf_hash,
    node_hash,
    range_hash,
)

# The sample tree of google/certificate-transparency.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
L0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
L1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
L4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
N01 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
N23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
N45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
N67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
N03 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
N47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
INCLUSIONS = [
    (0, 1, []),
    (0, 8, [L1, N23, N47]),
    (5, 8, [L4, N67, N03]),
    (2, 3, [N01]),
    (1, 5, [L0, N23, L4]),
]
CONSISTENCIES = [(1, 1, []), (1, 8, [L1, N23, N47]), (6, 8, [N45, N67, N03]), (2, 5, [N23, L4])]


def subtree_of(leaves):
    hashes = [leaf_hash(leaf) for leaf in leaves]

    def subtree(start: int, end: int) -> bytes:
        if end - start == 1:
            return hashes[start]
        middle = (start + end) // 2
        return node_hash(subtree(start, middle), subtree(middle, end))

    return subtree


SAMPLE = subtree_of(LEAVES)


def test_the_roots_are_those_of_the_vectors():
    frontier = Frontier()
    assert frontier.root() == EMPTY
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        frontier.append(leaf_hash(leaf))
        assert frontier.root().hex() == root


@pytest.mark.parametrize(("index", "size", "path"), INCLUSIONS)
def test_inclusion_is_proven_as_in_the_vectors(index, size, path):
    hashes = [bytes.fromhex(each) for each in path]
    root = bytes.fromhex(ROOTS[size - 1])
    assert inclusion_path(index, size, SAMPLE) == hashes
    hashed = leaf_hash(LEAVES[index])
    assert includes(hashed, index, size, hashes, root)
    for wrong in (index - 1, index + 1, index ^ 2):
        assert not includes(hashed, wrong, size, hashes, root)
    assert not includes(hashed, index, size * 2, hashes, root)
    assert not includes(hashed, index, size // 2, hashes, root)
    assert not includes(hashed, index, size, hashes, EMPTY)
    for changed in _changed(hashes, root):
        assert not includes(hashed, index, size, changed, root)


@pytest.mark.parametrize(("old", "size", "path"), CONSISTENCIES)
def test_consistency_is_proven_as_in_the_vectors(old, size, path):
    hashes = [bytes.fromhex(each) for each in path]
    before, after = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[size - 1])
    assert consistency_path(old, size, SAMPLE) == hashes
    assert extends(old, size, before, after, hashes)
    if not hashes:
        return
    for wrong in (old - 1, old + 1, old ^ 2):
        assert not extends(wrong, size, before, after, hashes)
    assert not extends(old, size * 2, before, after, hashes)
    assert not extends(old, size // 2, before, after, hashes)
    assert not extends(old, size, after, before, hashes)
    for changed in (*_changed(hashes, after), [hashes[0], *hashes]):
        assert not extends(old, size, before, after, changed)


def _changed(hashes, root):
    for place in range(len(hashes)):
        yield [*hashes[:place], EMPTY, *hashes[place + 1 :]]
    yield [*hashes, b""]
    yield [*hashes, root]
    yield [b"", *hashes]
    yield [root, *hashes]
    if hashes:
        yield hashes[:-1]


@given(st.integers(1, 600), st.data())
def test_every_leaf_is_included_and_every_tree_extends_those_before(size, data):
    leaves = [number.to_bytes(2, "big") for number in range(size)]
    subtree, frontier, roots = subtree_of(leaves), Frontier(), [EMPTY]
    complete = []
    for leaf in leaves:
        complete += frontier.append(leaf_hash(leaf))
        roots.append(frontier.root())
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    assert includes(leaf_hash(leaves[index]), index, size, inclusion_path(index, size, subtree), roots[size])
    assert extends(old, size, roots[old], roots[size], consistency_path(old, size, subtree))
    assert range_hash(0, size, subtree) == frontier_of(size, subtree).root() == roots[size]
    assert [node.place for node in complete] == list(range(size // 256))
    assert all(node.hash == subtree(256 * node.place, 256 * node.place + 256) for node in complete)


@given(st.integers(2, 200), st.data())
def test_a_tree_with_another_leaf_does_not_extend_the_old_one(size, data):
    leaves = [number.to_bytes(2, "big") for number in range(size)]
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    other = subtree_of([*leaves[:changed], b"other", *leaves[changed + 1 :]])
    path = consistency_path(old, size, other)
    before = range_hash(0, old, subtree_of(leaves))
    assert not extends(old, size, before, range_hash(0, size, other), path)
