"""Evidence that may be looked at as often as one likes: a gambler's wealth against a bound on a mean.

Ville's inequality: where the mean never exceeds the bound, the wealth of whoever bets against that reaches 1/alpha at
any time at all with probability alpha at most. So the guard may look after every call, for days, and still raises a
false alarm no more often than it says. (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
betting", 2024.)
"""

from __future__ import annotations

import math

_SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.9)


class Wager:
    """Bets that outcomes between 0 and 1 exceed `bound` in the mean.

    One purse for each share of what may be staked, all of them together the wealth: nobody needs to know beforehand how
    large the effect is, at the price of log(6) in the exponent.
    """

    def __init__(self, bound: float) -> None:
        if not 0 < bound < 1:
            raise ValueError(f"a bound of {bound} leaves nothing to bet against")
        self._bound = bound
        self._stakes = [share / bound for share in _SHARES]
        self._purses = [0.0] * len(_SHARES)
        self.best_log = 0.0
        self.outcomes = 0

    def add(self, outcome: float) -> None:
        """Settle one bet; outcomes of 0 and 1 are certain losses and wins, 0.5 a tie."""
        gain = outcome - self._bound
        for index, stake in enumerate(self._stakes):
            self._purses[index] += math.log1p(stake * gain)
        self.outcomes += 1
        self.best_log = max(self.best_log, self.log_wealth)

    @property
    def log_wealth(self) -> float:
        """Natural logarithm of the mean of the purses."""
        most = max(self._purses)
        return most + math.log(sum(math.exp(purse - most) for purse in self._purses) / len(self._purses))

    @property
    def p_value(self) -> float:
        """Valid at any time: at most this chance of so much wealth, ever, if the bound holds."""
        return math.exp(-max(0.0, self.best_log))
