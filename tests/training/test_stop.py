import signal

import pytest

from training.errors import Interrupted
from training.stop import interruptible, listen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_wish_that_is_remembered(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with listen() as stop:
        assert not stop
        signal.raise_signal(number)
        assert stop
        assert stop.signal_number == number
    assert signal.getsignal(number) is before


@pytest.mark.usefixtures("sigint_is_heard")
def test_pressing_ctrl_c_twice_leaves_at_once() -> None:
    with listen() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_exit_code_says_which_signal_it_was() -> None:
    assert Interrupted("x", signal.SIGTERM).exit_code == 143
    assert Interrupted("x", signal.SIGINT).exit_code == 130


def test_what_is_interruptible_ends_with_an_error_that_says_what_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(Interrupted, match="stopped by SIGTERM while exporting; the same") as caught,
        interruptible("exporting"),
    ):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before
