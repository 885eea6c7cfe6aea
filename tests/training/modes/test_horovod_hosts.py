"""Hosts from the command line, and settings that make no sense together."""

from __future__ import annotations

import pytest

from training.errors import UsageError
from training.modes.choose import check_mode
from training.modes.horovod_hosts import (
    HostSlots,
    address_of,
    address_towards,
    hosts_of,
    interface_towards,
    is_here,
    parse_hosts,
)
from training.settings import Job, Recipe


def test_hosts_are_read_in_the_order_of_their_ranks() -> None:
    assert parse_hosts("b:2, 10.0.0.1:4") == [HostSlots("b", 2), HostSlots("10.0.0.1", 4)]
    assert str(HostSlots("b", 2)) == "b:2"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a", "'a' isn't HOST:PROCESSES"),
        ("a:2,b", "'b' isn't HOST:PROCESSES"),
        ("a:0", "'a:0' isn't"),
        ("a:2,", "'' isn't"),
        ("-oProxyCommand=x:1", "isn't HOST:PROCESSES"),
        ("a:2;rm:1", "isn't HOST:PROCESSES"),
        ("a:2,a:1", "a is named twice"),
    ],
)
def test_hosts_that_cant_be_read_are_named(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match="--hosts") as caught:
        parse_hosts(text)
    assert complaint in str(caught.value)


def test_one_machine_has_as_many_ranks_as_processes() -> None:
    assert hosts_of(Job(mode="horovod", processes=3)) == [HostSlots("localhost", 3)]


def test_a_mode_says_what_it_misses() -> None:
    with pytest.raises(UsageError, match="--mode horovod needs --processes N"):
        hosts_of(Job(mode="horovod"))
    with pytest.raises(UsageError, match="--mode horovod-cluster needs --hosts"):
        hosts_of(Job(mode="horovod-cluster"))


@pytest.mark.parametrize(
    ("job", "recipe", "complaint"),
    [
        (Job(processes=2), Recipe(), "--processes is for --mode horovod, not single"),
        (Job(mode="horovod", hosts="a:1"), Recipe(), "--hosts is for --mode horovod-cluster, not"),
        (Job(mode="horovod", ssh="ssh"), Recipe(), "--ssh is for --mode horovod-cluster, not"),
        (Job(), Recipe(sync_norm=True), "--sync-norm is for --mode horovod and horovod-cluster"),
        (Job(), Recipe(compress="fp16"), "--compress is for --mode horovod and horovod-cluster"),
        (Job(controller="mpi"), Recipe(), "--controller is for --mode horovod and horovod-cluster"),
        (
            Job(mode="horovod-cluster", elastic=True, controller="mpi"),
            Recipe(),
            "--elastic is for --controller gloo",
        ),
        (
            Job(mode="horovod"),
            Recipe(sync_norm=True, xla=True, deterministic=False),
            "--sync-norm sends messages",
        ),
    ],
)
def test_settings_of_other_modes_are_refused(job: Job, recipe: Recipe, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_mode(job, recipe)
    assert str(caught.value).startswith(complaint)


def test_settings_of_the_mode_are_taken() -> None:
    check_mode(Job(mode="horovod", processes=2), Recipe(sync_norm=True, compress="fp16"))
    check_mode(Job(mode="horovod-cluster", hosts="a:1", ssh="ssh -p 1"), Recipe())
    check_mode(Job(threads=1), Recipe())


def test_this_machine_is_known_by_its_names() -> None:
    assert is_here("localhost")
    assert address_of("localhost") == "127.0.0.1"
    assert address_towards("127.0.0.1") == "127.0.0.1"
    assert interface_towards("127.0.0.1") == "lo"


def test_a_host_that_doesnt_exist_is_named() -> None:
    with pytest.raises(UsageError, match=r"--hosts: nowhere\.invalid isn't the name of a host"):
        address_of("nowhere.invalid")
