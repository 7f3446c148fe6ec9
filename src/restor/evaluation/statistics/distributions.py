"""The distributions that tests and intervals need: the normal, Student's t and a fair coin."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

STEPS = 200
"""Most terms of the continued fraction, and most halvings of a bracket."""


def normal_quantile(p: float) -> float:
    """The x with P(Z <= x) = p, for 0 < p < 1."""
    return NormalDist().inv_cdf(p)


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for a, b > 0, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x),
    )
    # the fraction converges quickly on the side of the mean that x is on
    return front * _fraction(x, a, b) / a if x < (a + 1) / (a + b + 2) else 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Lentz's way from the front to the back of the continued fraction; nothing may become zero on the way."""
    tiny = 1e-300
    steps = STEPS + int(math.sqrt(max(a, b)) * 10)
    c, d = 1.0, 1 / _kept(1 - (a + b) * x / (a + 1), tiny)
    fraction = d
    for m in range(1, steps):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _kept(1 + term * d, tiny)
            c = _kept(1 + term / c, tiny)
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return fraction


def _kept(x: float, tiny: float) -> float:
    return x if abs(x) > tiny else tiny


def t_above(x: float, df: float) -> float:
    """P(T > x) for Student's t with `df` degrees of freedom; tails keep their digits."""
    if math.isinf(x):
        return 0.0 if x > 0 else 1.0
    tail = beta_cdf(df / (df + x * x), df / 2, 0.5) / 2
    return tail if x >= 0 else 1 - tail


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: float) -> float:
    """The x with P(T <= x) = p, for 0 < p < 1."""
    if p < 0.5:
        return -t_quantile(1 - p, df)
    if p == 0.5:
        return 0.0
    log_front = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    # The normal quantile lies below, and P(T > x) falls ever slower: Newton's steps from there never go too far.
    x = normal_quantile(p)
    for _ in range(STEPS):
        density = math.exp(log_front - (df + 1) / 2 * math.log1p(x * x / df))
        step = (t_above(x, df) - (1 - p)) / density
        x += step
        if step <= 1e-14 * x:
            break
    return x


def fair_coin_below(k: int, n: int) -> float:
    """P(X <= k) for n tosses of a fair coin, from whole numbers."""
    term = total = 1
    for i in range(1, k + 1):
        term = term * (n - i + 1) // i
        total += term
    return total / 2**n if k >= 0 else 0.0
