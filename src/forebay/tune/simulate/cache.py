"""An engine's KV cache in blocks: what running sequences hold, and prefixes that stay until somebody needs the room."""

from __future__ import annotations

from collections import OrderedDict

from forebay.tune.simulate.job import Job
from forebay.tune.simulate.spec import EngineShape


class _Prefix:
    """Blocks of one group's beginning. While `users` run they are in use; afterwards they may be taken."""

    __slots__ = ("blocks", "users")

    def __init__(self, blocks: int, users: int) -> None:
        self.blocks = blocks
        self.users = users


class PrefixCache:
    """`used_blocks` never exceeds `capacity_blocks`; what nobody uses is free, and lost when it is taken."""

    __slots__ = (
        "_block", "_idle", "_idle_blocks", "_on", "_prefixes", "capacity_blocks", "hit_tokens", "peak_blocks",
        "used_blocks",
    )  # fmt: skip

    def __init__(self, shape: EngineShape) -> None:
        self._block = shape.block_tokens
        self._on = shape.prefix_cache
        self.capacity_blocks = shape.cache_tokens // shape.block_tokens
        self.used_blocks = self.peak_blocks = 0
        self.hit_tokens = 0
        self._prefixes: dict[int, _Prefix] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._idle_blocks = 0

    @property
    def free_blocks(self) -> int:
        """Blocks that may be taken."""
        return self.capacity_blocks - self.used_blocks

    def take(self, blocks: int) -> None:
        """Use more blocks; the caller knows that they are there."""
        self.used_blocks += blocks
        self.peak_blocks = max(self.peak_blocks, self.used_blocks)
        if self._idle_blocks and self.used_blocks + self._idle_blocks > self.capacity_blocks:
            self._evict()

    def give_back(self, blocks: int) -> None:
        """Undo a `take` that was not needed after all."""
        self.used_blocks -= blocks

    def admit(self, job: Job) -> bool:
        """Take the blocks of a job's prompt, and what it had of its answer; False where they are not there.

        What lies in the cache of its beginning need not be read: `job.left` is what must be.
        """
        tokens = job.prompt + job.decoded
        found = self._prefixes.get(job.group) if job.group and self._on else None
        hit = 0
        if found is not None:
            # The last token is always read: it gives the first of the answer.
            hit = min(found.blocks, job.shared // self._block, (tokens - 1) // self._block)
        own = -(-tokens // self._block) - hit
        waking = found.blocks if found is not None and hit and not found.users else 0
        if own + waking > self.free_blocks:
            return False
        if found is not None and hit:
            if not found.users:
                del self._idle[job.group]
                self._idle_blocks -= found.blocks
            found.users += 1
            self.hit_tokens += hit * self._block
        self.take(own + waking)
        job.hit = hit
        job.left = tokens - hit * self._block
        return True

    def publish(self, job: Job) -> None:
        """The prompt was read: what its group shares is there for the next."""
        if not job.group or not self._on or job.hit:
            return
        blocks = job.shared // self._block
        if blocks and job.group not in self._prefixes:
            self._prefixes[job.group] = _Prefix(blocks, 1)
            job.hit = blocks

    def release(self, job: Job, tokens: int) -> None:
        """Give back what a job holds while `tokens` of it lie in the cache."""
        self.used_blocks -= -(-tokens // self._block) - job.hit
        if job.hit:
            found = self._prefixes[job.group]
            found.users -= 1
            if not found.users:
                self.used_blocks -= found.blocks
                self._idle_blocks += found.blocks
                self._idle[job.group] = None
            job.hit = 0

    def remember(self, job: Job) -> None:
        """What was said stays as the beginning of its conversation's next call."""
        if not (self._on and job.group):
            return
        found = self._prefixes.get(job.group)
        if found is None:
            found = self._prefixes[job.group] = _Prefix(0, 0)
            self._idle[job.group] = None
        grown = job.context // self._block - found.blocks
        if grown <= 0:
            return
        found.blocks += grown
        if found.users:
            self.take(grown)
        else:
            self._idle_blocks += grown
            self._idle.move_to_end(job.group)
            self._evict()

    def _evict(self) -> None:
        """Lose prefixes, the oldest first, until what is used fits beside them."""
        while self._idle and self.used_blocks + self._idle_blocks > self.capacity_blocks:
            group, _nothing = self._idle.popitem(last=False)
            self._idle_blocks -= self._prefixes.pop(group).blocks
