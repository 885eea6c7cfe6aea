import signal

import pytest

from training.errors import Interrupted
from training.stop import listen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_wish_that_is_remembered(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with listen() as stop:
        assert not stop
        signal.raise_signal(number)
        assert stop
        assert stop.signal_number == number
    assert signal.getsignal(number) is before


def test_pressing_ctrl_c_twice_leaves_at_once() -> None:
    # A shell has its background jobs ignore SIGINT, and these tests may run in one.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with listen() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_exit_code_says_which_signal_it_was() -> None:
    assert Interrupted("x", signal.SIGTERM).exit_code == 143
    assert Interrupted("x", signal.SIGINT).exit_code == 130
