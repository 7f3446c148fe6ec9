"""Student's t and the fair coin against values from printed tables and exact sums."""

from __future__ import annotations

import math

import pytest

from representatives import one_for_each
from restor.evaluation.statistics.distributions import beta_cdf, fair_coin_below, t_above, t_quantile


@pytest.mark.parametrize(
    ("df", "p", "x"),
    [(1, 0.975, 12.7062), (2, 0.975, 4.30265), (4, 0.95, 2.13185), (15, 0.975, 2.13145), (120, 0.995, 2.61742)],
)
def test_quantiles_of_printed_tables(df, p, x):
    assert t_quantile(p, df) == pytest.approx(x, rel=1e-5)
    assert t_quantile(1 - p, df) == pytest.approx(-x, rel=1e-5)
    assert t_above(x, df) == pytest.approx(1 - p, rel=1e-4)


@pytest.mark.parametrize("x", [-50.0, -2.0, 0.0, 0.3, 2.0, 1e3, 1e6])
def test_one_and_two_degrees_of_freedom_have_closed_forms(x):
    assert t_above(x, 1) == pytest.approx(0.5 - math.atan(x) / math.pi, rel=1e-9, abs=1e-12)
    assert t_above(x, 2) == pytest.approx(0.5 - x / (2 * math.sqrt(2 + x * x)), rel=1e-9, abs=1e-12)


def test_many_degrees_of_freedom_are_the_normal():
    assert t_quantile(0.975, 1e7) == pytest.approx(1.959964, rel=1e-5)
    assert t_above(6.0, 1e7) == pytest.approx(9.8659e-10, rel=1e-3)


def test_the_tail_keeps_its_digits_and_ends_at_infinity():
    assert 0 < t_above(1e5, 15) < 1e-60
    assert t_above(math.inf, 3) == 0
    assert t_above(-math.inf, 3) == 1


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 5), (30, 4), (7, 7)])
@pytest.mark.parametrize("x", [0.0, 0.05, 0.5, 0.9, 1.0])
def test_the_beta_function_is_a_binomial_tail(a, b, x):
    n = a + b - 1
    tail = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert beta_cdf(x, a, b) == pytest.approx(tail, abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(-1, 4), (0, 0), (0, 5), (2, 5), (5, 5), (400, 1051)])
def test_the_fair_coin(k, n):
    assert fair_coin_below(k, n) == pytest.approx(sum(math.comb(n, i) for i in range(k + 1)) / 2**n, rel=1e-14)


@one_for_each("df", "p")
@pytest.mark.parametrize("df", [0.3, 1, 2.5, 15.4, 49, 1e4])
@pytest.mark.parametrize("p", [0.5, 0.6, 0.975, 0.9999])
def test_a_quantile_has_its_tail(df, p):
    assert t_above(t_quantile(p, df), df) == pytest.approx(1 - p, rel=1e-10)
