"""The slow link between two hosts: what it costs, and that it is gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.link_delay import slow_link
from benchmarks.link_speed import measure_link
from tests.namespaces import connected_hosts, needs_hosts

DELAY_S = 0.005
BYTES_A_SECOND = 1e9 / 8

pytestmark = [
    pytest.mark.system,
    needs_hosts,
    pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="needs the kernel's TAP devices"),
]


def test_a_slow_link_limits_and_delays_both_directions_while_it_lasts() -> None:
    with connected_hosts(2) as (a, b):
        with slow_link(a, b, rate="1gbit", delay_s=DELAY_S):
            bytes_a_second, way_s = measure_link(a, b)
        assert way_s >= DELAY_S
        assert bytes_a_second <= BYTES_A_SECOND
        _, way_s = measure_link(a, b)
        assert way_s < DELAY_S
