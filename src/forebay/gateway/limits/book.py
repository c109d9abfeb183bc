"""Which limits a call meets, what it takes of each, and what it gives back. Pure: clocks are passed in."""

from __future__ import annotations

import msgspec

from forebay.gateway.limits.forgetting import Forgetting
from forebay.gateway.limits.gauges import Clock, Gauge, Level, Rate, Spend, is_recent
from forebay.gateway.limits.lease import Limit
from forebay.gateway.limits.policy import Bounds, LimitsPolicy, Price

_NO_PRICE = Price()


class Plan(msgspec.Struct, frozen=True):
    """The limits of one key and model, and where the caller's own numbers for the answer's headers come from."""

    limits: tuple[Limit, ...]
    price: Price
    own_requests: tuple[Limit, ...]
    own_tokens: tuple[Limit, ...]


class Need(msgspec.Struct, frozen=True):
    """What a call may use at most."""

    input_tokens: int
    output_tokens: int


class Held(msgspec.Struct):
    """What a call has taken: settled once, whatever happens to the call.

    `taken`: of which limit how much, and where its gauge counted it; empty once it is settled.
    """

    plan: Plan
    taken: list[tuple[Limit, int, int]]


class Book:
    """All limits of a worker. `alone`: no authority says what its share is; memory, or a Valkey that is lost."""

    def __init__(self, policy: LimitsPolicy, clock: Clock, wall: Clock) -> None:
        self._clock = clock
        self._wall = wall
        self._plans: dict[tuple[str, str], Plan | None] = {}
        self.limits: dict[tuple[str, str, str], Limit] = {}
        self._forgetting = Forgetting(self._plans, self.limits)
        self._restored: dict[str, dict[int, int]] = {}
        self.policy = policy
        self.alone = policy.valkey is None

    def update(self, policy: LimitsPolicy) -> None:
        """Take a new policy; what is in use stays counted. Calls in flight settle what they hold."""
        self.policy = policy
        self._plans.clear()
        self._forgetting.begin_anew()
        for limit in self.limits.values():
            limit.shares = policy.shares

    def plan(self, key: str, tenant: str, model: str) -> Plan | None:
        """The limits that a call of `key` for `model` meets; None where there are none."""
        try:
            return self._plans[key, model]
        except KeyError:
            plan = self._plans[key, model] = self._plan(key, tenant, model)
            self._forgetting.planned((key, model), plan)
            return plan

    def forget(self, now: float) -> None:
        """Take out some of what nobody uses any more, `now` in monotonic seconds; called a few times a second.

        Nothing while the authority is lost: what was held of it then is what may be used.
        """
        leased = self.policy.valkey is not None
        if not (leased and self.alone):
            self._forgetting.look(now, leased=leased)

    def plan_of_model(self, model: str) -> Plan | None:
        """The model's own limits alone, for work that its caller is not charged for; None where it has none."""
        met = self._limits("model", model, self.policy.models.get(model, Bounds()))
        return Plan(tuple(sorted(met, key=lambda limit: limit.kind)), self.price(model), (), ()) if met else None

    def price(self, model: str) -> Price:
        return self.policy.prices.get(model, _NO_PRICE)

    def take(self, plan: Plan, need: Need) -> Held | list[tuple[Limit, int]]:
        """Take all that `need` says, or nothing: then the limits that are short, and of how much."""
        amounts = _amounts(plan, need.input_tokens, need.output_tokens)
        now = self._clock()
        taken: list[tuple[Limit, int, int]] = []
        for limit in plan.limits:
            units = amounts[limit.kind]
            stamp = limit.gauge.take(units, limit.cap, now) if now < limit.until or not units else None
            if stamp is None:
                for each, taken_units, taken_stamp in taken:
                    each.gauge.settle(taken_stamp, taken_units, 0)
                wanted = [(each, amounts[each.kind]) for each in plan.limits]
                return [short for short in wanted if not short[0].fits(short[1], now)] or [(limit, units)]
            limit.touched = True
            taken.append((limit, units, stamp))
        return Held(plan, taken)

    def settle(self, held: Held, input_tokens: int, output_tokens: int) -> None:
        """Put what was used in the place of what was taken; a second time does nothing."""
        taken, held.taken = held.taken, []
        actual = _amounts(held.plan, input_tokens, output_tokens)
        for limit, units, stamp in taken:
            used = actual[limit.kind]
            if units != used or limit.settles:
                counting = limit if limit.kept else self._again(limit)
                counting.gauge.settle(stamp, units, used)
                counting.touched = True

    def spent(self) -> dict[str, dict[int, int]]:
        """Money by limit and period, for a worker that starts again; also of those who have not come since."""
        return self._restored | {
            ":".join(limit.name): limit.gauge.record()
            for limit in self.limits.values()
            if isinstance(limit.gauge, Spend)
        }

    def restore(self, spent: dict[str, dict[int, int]]) -> None:
        """What an earlier worker of this name had spent, but for periods long over."""
        self._restored = {name: record for name, record in spent.items() if is_recent(name, record, self._wall())}

    def _plan(self, key: str, tenant: str, model: str) -> Plan | None:
        policy = self.policy
        bounds = (
            ("key", key, policy.keys.get(key, policy.key_default)),
            ("tenant", tenant, policy.tenants.get(tenant, policy.tenant_default)),
            ("model", model, policy.models.get(model, Bounds())),
        )
        met = [limit for scope, who, bound in bounds for limit in self._limits(scope, who, bound)]
        if not met:
            return None

        def those(measure: str) -> tuple[Limit, ...]:
            return tuple(each for each in met if each.name[2] == measure and each.name[0] != "model")

        return Plan(
            tuple(sorted(met, key=lambda limit: limit.kind)),
            self.price(model),
            those("requests_per_minute"),
            those("tokens_per_minute"),
        )

    def _limits(self, scope: str, who: str, bounds: Bounds) -> list[Limit]:
        found = []
        for measure in Bounds.__struct_fields__:
            bound = getattr(bounds, measure)
            if bound is None:
                continue
            name = (scope, who, measure)
            limit = self.limits.get(name)
            if limit is None:
                limit = self.limits[name] = Limit(name, bound, self._gauge(name), self.policy.shares)
                self._forgetting.kept(limit)
                if self.alone:
                    limit.alone()
            elif limit.limit != bound:
                limit.limit = bound
                if self.alone:
                    limit.alone()
                else:
                    limit.cap = min(limit.cap, bound)
            found.append(limit)
        return found

    def _gauge(self, name: tuple[str, str, str]) -> Gauge:
        measure = name[2]
        if measure == "concurrency":
            return Level()
        if not measure.startswith("nano_usd"):
            return Rate(self._clock)
        spend = Spend(self._wall, measure.rpartition("_")[2], self._clock())
        spend.restore(self._restored.pop(":".join(name), {}))
        return spend

    def _again(self, limit: Limit) -> Limit:
        """Where a call is counted whose limit was forgotten while it ran: in the present one, or this is it again."""
        present = self.limits.setdefault(limit.name, limit)
        if not present.kept:
            present.kept = True
            self._forgetting.kept(present)
        return present


def _amounts(plan: Plan, input_tokens: int, output_tokens: int) -> tuple[int, int, int]:
    """Calls, tokens and nano-USD, as `Limit.kind` counts them."""
    price = plan.price
    return 1, input_tokens + output_tokens, price.input * input_tokens + price.output * output_tokens
