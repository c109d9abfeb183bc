"""One engine: vLLM's scheduler as far as time and memory can tell it from the real one.

Each step serves every decoding sequence one token and fills what is left of the token budget with prompts, in their
order. While no prompt is there, steps differ in nothing but the length of what is read, so the engine leaps over all
of them to the next end, arrival or lack of memory at once: what costs time here is a call, not a token.
"""

from __future__ import annotations

import math
from collections import deque
from heapq import heapify, heappop, heappush

from forebay.tune.simulate.cache import PrefixCache
from forebay.tune.simulate.job import Job
from forebay.tune.simulate.spec import EngineShape

IDLE = math.inf


class SimEngine:
    """`due`: when the step or leap under way ends. `version` changes with it: what was scheduled before is stale.

    The caller submits, and at `due` completes and then begins.
    """

    __slots__ = (
        "_chunks", "_decoding", "_leap", "_next_ordinal", "_phases", "_prefilling", "began_at", "busy_s", "cache",
        "context_tokens", "due", "leaping", "preemptions", "sequence_s", "shape", "steps", "version", "waiting",
    )  # fmt: skip

    def __init__(self, shape: EngineShape) -> None:
        self.shape = shape
        self.due = IDLE
        self.version = 0
        self.waiting: deque[Job] = deque()
        self.steps = 0
        self.busy_s = 0.0
        self.began_at = 0.0
        self.sequence_s = 0.0
        self.preemptions = 0
        self.context_tokens = 0
        self.cache = PrefixCache(shape)
        self.leaping = False
        self._leap = 0
        # (step at which it ends, order of admission, job): a sequence that decodes gains one token a step, so its end
        # is known in steps from the start, and in seconds only when that step comes.
        self._decoding: list[tuple[int, int, Job]] = []
        self._prefilling: list[Job] = []
        self._chunks: list[tuple[Job, int]] = []
        # How many sequences take a new block at steps that are equal modulo the block's length.
        self._phases = [0] * shape.block_tokens
        self._next_ordinal = 0

    @property
    def running(self) -> int:
        """Sequences that it decodes or whose prompts it reads."""
        return len(self._decoding) + len(self._prefilling)

    @property
    def held(self) -> int:
        """All calls it has."""
        return self.running + len(self.waiting)

    def fits(self, job: Job) -> bool:
        """Whether the job could run here at all."""
        return job.context <= self.cache.capacity_blocks * self.shape.block_tokens

    def submit(self, job: Job, now: float) -> None:
        """Take a job. One that arrives within a leap ends it at the next step; within a step it waits for its end."""
        self.waiting.append(job)
        if self.due == IDLE:
            self.begin(now)
        elif self.leaping and len(self.waiting) == 1 and self.running < self.shape.max_sequences:
            self._shorten(now)

    def begin(self, now: float) -> None:
        """Start the next step, or leap."""
        self.version += 1
        self.began_at = now
        self.leaping = False
        preempted = self._make_room()
        # Decoding sequences come first: their blocks of this step are taken before a prompt may ask for any.
        next_blocks = self._phases[self.steps % self.shape.block_tokens]
        self.cache.take(next_blocks)
        prompt_tokens, pairs = self._fill(preempted)
        decoding = len(self._decoding)
        if prompt_tokens:
            step = self.shape.step
            self.due = now + (
                step.fixed_s
                + step.prompt_token_s * prompt_tokens
                + step.sequence_s * decoding
                + step.cached_token_s * self.context_tokens
                + step.attention_s * pairs
            )
            return
        self.cache.give_back(next_blocks)
        if decoding:
            self.leaping = True
            self._leap = self._leap_steps()
            self.due = now + self._leap_s(self._leap)
        else:
            self.due = IDLE

    def complete(self) -> list[Job]:
        """End what is under way at `due`; the jobs that are done by it. `begin` must follow."""
        now = self.due
        spent_s = now - self.began_at
        self.busy_s += spent_s
        self.sequence_s += spent_s * self.running
        done: list[Job] = []
        if self.leaping:
            count = self._leap
            self.cache.take(self._crossings(count))
            self.context_tokens += len(self._decoding) * count
            self.steps += count
        else:
            self.context_tokens += len(self._decoding)
            self.steps += 1
        decoding, steps = self._decoding, self.steps
        while decoding and decoding[0][0] <= steps:
            job = heappop(decoding)[2]
            self._forget(job, job.context)
            done.append(job)
        if self._chunks:
            self._read(now, done)
        self.leaping = False
        for job in done:
            if job.keeps:
                self.cache.remember(job)
        return done

    def lose(self) -> list[Job]:
        """Everything it holds, as when its process dies; it is empty afterwards."""
        lost = [job for _end, _order, job in self._decoding] + self._prefilling + list(self.waiting)
        peak = self.cache.peak_blocks
        self.cache = PrefixCache(self.shape)
        self.cache.peak_blocks = peak
        self._decoding, self._prefilling, self._chunks = [], [], []
        self.waiting.clear()
        self._phases = [0] * self.shape.block_tokens
        self.context_tokens = 0
        self.leaping, self.due = False, IDLE
        self.version += 1
        for job in lost:
            job.left, job.decoded, job.hit = job.prompt, 0, 0
        return lost

    def _read(self, now: float, done: list[Job]) -> None:
        """Count what was read of prompts; a prompt that is read to its end gives its first token."""
        self._prefilling = []
        for job, tokens in self._chunks:
            job.left -= tokens
            if job.left:
                self._prefilling.append(job)
                continue
            if job.first_at < 0:
                job.first_at = now
            self.cache.publish(job)
            if job.decoded + 1 >= job.answer:
                self.cache.release(job, job.context)
                done.append(job)
            else:
                self._decode(job)
        self._chunks = []

    def _decode(self, job: Job) -> None:
        end = self.steps + job.answer - 1 - job.decoded
        heappush(self._decoding, (end, job.ordinal, job))
        self.context_tokens += job.prompt + job.decoded
        self._phases[(end - job.context) % self.shape.block_tokens] += 1
        job.end_step = end

    def _forget(self, job: Job, tokens: int) -> None:
        """Take a decoding job out of what is counted; `tokens` is what of it lies in the cache."""
        self.context_tokens -= tokens
        self._phases[(job.end_step - job.context) % self.shape.block_tokens] -= 1
        self.cache.release(job, tokens)

    def _fill(self, preempted: bool) -> tuple[int, int]:
        """Give prompts what the decoding sequences leave of the budget: their tokens, and pairs of attention."""
        if not self._prefilling and not self.waiting:
            return 0, 0
        budget = total = self.shape.max_batched_tokens - len(self._decoding)
        pairs = 0
        chunks = self._chunks
        for job in self._prefilling:
            budget -= self._chunk(job, min(job.left, budget))
        if not preempted:
            while budget > 0 and self.waiting and len(self._decoding) + len(chunks) < self.shape.max_sequences:
                job = self.waiting[0]
                if not self.cache.admit(job):
                    break
                self.waiting.popleft()
                job.ordinal = self._next_ordinal
                self._next_ordinal += 1
                budget -= self._chunk(job, min(job.left, budget))
        for job, tokens in chunks:
            pairs += tokens * (job.prompt + job.decoded - job.left + tokens // 2)
        self._prefilling = [job for job, _tokens in chunks]
        return total - budget, pairs

    def _chunk(self, job: Job, tokens: int) -> int:
        # A prompt that finds no budget stays, with no tokens, before those that came later.
        self._chunks.append((job, tokens))
        return tokens

    def _make_room(self) -> bool:
        """Preempt the latest until every decoding sequence finds a block for its next token; whether any was."""
        preempted = False
        self._chunks = []
        while self._phases[self.steps % self.shape.block_tokens] > self.cache.free_blocks and self.running > 1:
            self._preempt()
            preempted = True
        return preempted

    def _preempt(self) -> None:
        """The latest goes back to the head of the line, and all it had in the cache is lost."""
        self.preemptions += 1
        last = max((entry[1] for entry in self._decoding), default=-1)
        if self._prefilling and self._prefilling[-1].ordinal > last:
            job = self._prefilling.pop()
            self.cache.release(job, job.prompt + job.decoded)
        else:
            index = next(n for n, entry in enumerate(self._decoding) if entry[1] == last)
            job = self._decoding[index][2]
            self._decoding[index] = self._decoding[-1]
            self._decoding.pop()
            heapify(self._decoding)
            left = job.end_step - self.steps
            self._forget(job, job.context - left)
            job.decoded = job.answer - left
        job.preemptions += 1
        self.waiting.appendleft(job)

    def _leap_steps(self) -> int:
        """Steps until the first end, or until memory runs out."""
        steps = self._decoding[0][0] - self.steps
        free, count = self.cache.free_blocks, len(self._decoding)
        if (steps // self.shape.block_tokens + 1) * count <= free or self._crossings(steps) <= free:
            return steps
        low, high = 1, steps
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._crossings(middle) <= free else (low, middle)
        return low

    def _crossings(self, steps: int) -> int:
        """New blocks that so many steps of all decoding sequences need."""
        block = self.shape.block_tokens
        whole, rest = divmod(steps, block)
        first = self.steps % block
        found = whole * len(self._decoding)
        for each in range(first, first + rest):
            found += self._phases[each % block]
        return found

    def _leap_s(self, steps: int) -> float:
        """The sum of the steps' times; what is read grows by one token a sequence and step."""
        step, count = self.shape.step, len(self._decoding)
        each_s = step.fixed_s + step.sequence_s * count + step.cached_token_s * self.context_tokens
        return steps * each_s + step.cached_token_s * count * steps * (steps - 1) / 2

    def _shorten(self, now: float) -> None:
        """End the leap with the step that is under way now."""
        passed_s = now - self.began_at
        step, count = self.shape.step, len(self._decoding)
        half = step.cached_token_s * count / 2
        each_s = step.fixed_s + step.sequence_s * count + step.cached_token_s * self.context_tokens - half
        if half:
            steps = math.ceil((math.sqrt(each_s * each_s + 4 * half * passed_s) - each_s) / (2 * half))
        else:
            steps = math.ceil(passed_s / each_s)
        steps = max(1, steps)
        if steps < self._leap:
            self._leap = steps
            self.due = max(now, self.began_at + self._leap_s(steps))
            self.version += 1
