"""How the benchmark reads answers and draws conclusions. Nothing here is timed."""

from __future__ import annotations

import pytest
from bench.comparison import Comparison, Target
from bench.cores import parse_list
from bench.load import BadAnswer, split_answer, token_in
from bench.machine import cpu_flags, cpu_model, short_cpu
from bench.report import remarks, rows, verdict
from bench.rounds import settle
from bench.samples import Sample, added_us, percentile, summarize

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n"
BODY = b'{"access_token":"a.b"}'
CPUINFO = "model name\t: AMD EPYC 7B13 64-Core Processor\nflags\t\t: fpu avx2 adx sha_ni\n"


def samples(*rates: int) -> list[Sample]:
    return [Sample(count=rate, seconds=1.0) for rate in rates]


def comparison(**rates: int) -> Comparison:
    return Comparison.of(
        "minting",
        "Tokens",
        {name: samples(rate) for name, rate in rates.items()},
        floor="bare",
        targets=[Target(text="at most node's", ours="mintgate", peer="node", limit=1.0)],
        left_out={},
        versions={},
        notes={"connections": 16},
    )


def test_an_answer_is_whole_when_its_length_is_there() -> None:
    assert split_answer(HEAD[:30]) is None
    assert split_answer(HEAD + BODY[:-1]) is None
    assert split_answer(HEAD.lower().replace(b"http", b"HTTP") + BODY) == BODY
    assert token_in(BODY) == b"a.b"


@pytest.mark.parametrize(
    "answer",
    [
        HEAD.replace(b"200", b"503") + BODY,
        HEAD.replace(b"Content-Length: 22", b"Transfer-Encoding: chunked") + BODY,
        HEAD + BODY + b"x",
    ],
)
def test_an_answer_that_cannot_be_counted_is_an_error(answer: bytes) -> None:
    with pytest.raises(BadAnswer):
        split_answer(answer)


def test_an_answer_without_a_token_is_an_error() -> None:
    with pytest.raises(BadAnswer):
        token_in(b'{"error":"invalid_client"}')


def test_added_time_is_taken_within_each_round() -> None:
    # The second round ran on a machine of half the speed; the medians of the rates would mislead.
    assert added_us(samples(1000, 500), samples(2000, 1000)) == pytest.approx([500, 1000])
    summary = summarize(samples(1000, 500, 1000), samples(2000, 1000, 2000))
    assert summary.added_us == pytest.approx(500)
    assert (summary.rate, summary.rate_min, summary.rate_max) == (1000, 500, 1000)


def test_percentiles_are_values_that_occurred() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert percentile(ordered, 0.50) == 50
    assert percentile(ordered, 0.99) == 99
    assert percentile([7.0], 0.99) == 7


@pytest.mark.parametrize(("mintgate", "met"), [(900, True), (700, False)])
def test_a_target_compares_added_times(mintgate: int, met: bool) -> None:
    (target,) = comparison(bare=1000, mintgate=mintgate, node=800).targets
    assert target.met is met
    assert verdict(target).startswith("met" if met else "NOT MET")


def test_a_target_without_its_peer_is_not_measured() -> None:
    made = comparison(bare=1000, mintgate=900)
    assert made.targets[0].met is None
    assert "not measured" in next(remarks(made))


def test_rows_are_ranked_and_the_floor_adds_nothing() -> None:
    first, second, _ = rows(comparison(mintgate=800, bare=1000, node=500))
    assert first[0] == "bare (the floor)"
    assert second[:5] == ("mintgate", "800", "800 to 800", "80%", "250.0")


class Improving:
    """A contender that becomes faster for a while."""

    name = "improving"

    def __init__(self, *rates: int) -> None:
        self.rates = list(rates)
        self.measured = 0

    def measure(self, seconds: float) -> Sample:
        rate = self.rates[min(self.measured, len(self.rates) - 1)]
        self.measured += 1
        return Sample(count=rate, seconds=1.0)


@pytest.mark.parametrize(
    ("rates", "measured"), [((100,), 4), ((100, 90, 200, 300), 7), (tuple(range(1, 99)), 24)]
)
def test_warming_up_ends_when_it_helps_no_more(rates: tuple[int, ...], measured: int) -> None:
    contender = Improving(*rates)
    settle(contender, seconds=1.0, patience=3.0)
    assert contender.measured == measured


def test_the_machine_is_named() -> None:
    assert cpu_flags(CPUINFO) == ["adx", "avx2", "sha_ni"]
    assert short_cpu(cpu_model(CPUINFO)) == "amd-epyc-7b13"
    assert short_cpu("Intel(R) Xeon(R) Processor @ 2.20GHz") == "intel-xeon"
    assert parse_list("0-1,8\n") == {0, 1, 8}
