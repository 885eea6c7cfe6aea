"""How training scales with Horovod: measured with two ranks, predicted for many.

    python -m benchmarks.scaling [--stem imagenet] [--batch-size 32] [--rounds 5] [--steps 6]
        [--json]

Needs root: the two ranks are hosts of their own, network namespaces joined by a link that `tc`
limits to 1 Gbit/s and delays by 0.5 ms. Measured one after the other, in turns:

- alone: two ranks that compute at the same time and never meet, one thread each
- single: one rank of one thread, with the other core idle
- fast: the two ranks meet over the link as it is, without limits
- slow: they meet over the limited link

What the links do is measured by plain sockets. The model of `benchmarks/scaling_model.py` gets the
step from `alone`, what handling bytes costs a processor from `fast`, and predicts `slow`. Exit code
1 where it is off by more than 15%, or where two ranks over the fast link reach less than 1.8 times
the images a second of one. What part of two cores the host gave to others meanwhile is told for
each run: where that differs, so does what was measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.link_delay import slow_link
from benchmarks.link_speed import measure_link
from benchmarks.results_file import write_results
from benchmarks.scaling_model import Link, Step, buckets_of, efficiency, step_s
from benchmarks.scaling_rank import run_rank
from benchmarks.serving.processes import stolen_s
from tests.namespaces import Host, connected_hosts, ssh_between

RATE, DELAY_S = "1gbit", 0.0005
ACCURACY = 0.15
SPEEDUP = 1.8
# Shared links of data centres, as a rank gets them.
GBIT = 1e9 / 8
NETWORKS = {
    "1 Gbit/s, 0.5 ms": Link(0.94 * GBIT, 5e-4),
    "10 Gbit/s, 50 µs": Link(0.94 * 10 * GBIT, 5e-5),
    "25 Gbit/s, 20 µs": Link(0.94 * 25 * GBIT, 2e-5),
    "100 Gbit/s, 10 µs": Link(0.94 * 100 * GBIT, 1e-5),
}
RANKS = (2, 8, 64, 512)


def launch(options: argparse.Namespace) -> None:
    """Start the ranks from one of the hosts, as Hotshelf does; passes on what rank 0 prints."""
    from training.modes.horovod_gloo import run_ranks
    from training.modes.horovod_hosts import parse_hosts

    command = [sys.executable, "-m", "benchmarks.scaling", "rank", *_rank_options(options)]
    ranks = run_ranks(command, parse_hosts(options.hosts), ssh=options.ssh.split())
    failed = [end for end in ranks.ends if end.exit_code != 0]
    if failed:
        sys.exit(f"{failed[0].place}: {failed[0].last_line or failed[0].report}")


def _rank_options(options: argparse.Namespace) -> list[str]:
    return [
        *("--what", options.what, "--batch-size", str(options.batch_size)),
        *("--steps", str(options.steps), "--precision", options.precision),
        *("--stem", options.stem),
    ]


def measure(
    what: str, hosts: Sequence[Host], ssh: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Return what rank 0 measured."""
    places = ",".join(f"{host.address}:1" for host in hosts)
    options = argparse.Namespace(**vars(options) | {"what": what})
    command = [sys.executable, "-m", "benchmarks.scaling", "launch", "--hosts", places]
    command += ["--ssh", " ".join(ssh), *_rank_options(options)]
    done = subprocess.run(
        hosts[0].command(command), check=False, capture_output=True, text=True, timeout=900
    )
    if done.returncode != 0:
        sys.exit(f"{what}: {done.stderr[-6000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Return the medians of all four, and the two links."""
    taken: dict[str, list[float]] = {"single": [], "alone": [], "fast": [], "slow": []}
    computed: dict[str, list[float]] = {name: [] for name in taken}
    stolen: dict[str, list[float]] = {name: [] for name in taken}
    updates: list[float] = []
    parameters: list[Any] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        connected_hosts(2) as hosts,
        ssh_between(hosts, Path(folder)) as ssh,
    ):
        fast = measure_link(*hosts)
        with slow_link(*hosts, rate=RATE, delay_s=DELAY_S):
            slow = measure_link(*hosts)
        print(f"links, bytes/s and seconds: fast {fast}, slow {slow}", file=sys.stderr)
        for each in range(options.rounds):
            for name, what in (
                ("single", "single"),
                ("alone", "alone"),
                ("fast", "meet"),
                ("slow", "meet"),
            ):
                began, stolen_before_s = time.monotonic(), stolen_s()
                if name == "slow":
                    with slow_link(*hosts, rate=RATE, delay_s=DELAY_S):
                        found = measure(what, hosts, ssh, options)
                else:
                    found = measure(what, hosts, ssh, options)
                taken[name].append(statistics.median(found["step_s"]))
                computed[name].append(statistics.median(found["processor_s"]))
                both_cores_s = 2 * (time.monotonic() - began)
                stolen[name].append((stolen_s() - stolen_before_s) / both_cores_s)
                if name == "alone":
                    updates.append(found["update_s"])
                    parameters = found["parameters"]
                said = f"{taken[name][-1]:.3f} s a step, {computed[name][-1]:.3f} s of a processor"
                print(
                    f"round {each + 1} {name}: {said}, {stolen[name][-1]:.1%} stolen",
                    file=sys.stderr,
                )
    return {
        "seconds_a_step": {name: statistics.median(values) for name, values in taken.items()},
        "rounds": taken,
        "stolen": stolen,
        "processor_seconds_a_step": {
            name: statistics.median(values) for name, values in computed.items()
        },
        "update_s": statistics.median(updates),
        "parameters": parameters,
        "links": {"fast": fast, "slow": slow},
    }


def evaluate(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the model's parameters, its prediction of `slow`, and its table."""
    seconds = measured["seconds_a_step"]
    fast, slow = (Link(*measured["links"][name]) for name in ("fast", "slow"))
    step = model_of(measured, seconds["alone"])
    step = replace(step, handling_s_per_byte=handling(step, fast, seconds["fast"]))
    predicted = step_s(step, 2, slow)
    return {
        "speedup_of_two_ranks": 2 * seconds["single"] / seconds["fast"],
        "predicted_s": predicted,
        "measured_s": seconds["slow"],
        "error": predicted / seconds["slow"] - 1,
        "handling_s_per_gb": step.handling_s_per_byte * 1e9,
        "gradient_mb": sum(bucket.size_bytes for bucket in step.buckets) / 1e6,
        "efficiency": table(step),
        "efficiency_of_a_device_ten_times_as_fast": table(faster(step, 10)),
        "efficiency_of_a_device_a_hundred_times_as_fast": table(faster(step, 100)),
    }


def model_of(measured: dict[str, Any], step_alone_s: float) -> Step:
    """Return the step as the model sees it; a backward pass computes twice what a forward does."""
    from training.modes.horovod import buckets

    sizes = [size for size, _ in measured["parameters"]]
    costs = [cost for _, cost in measured["parameters"]]
    passes_s = step_alone_s - measured["update_s"]
    return Step(
        forward_s=passes_s / 3,
        backward_s=passes_s * 2 / 3,
        update_s=measured["update_s"],
        buckets=buckets_of(sizes, costs, buckets(sizes)),
    )


def handling(step: Step, link: Link, measured_s: float) -> float:
    """Return the seconds a byte with which the model gives what was measured; 0 if it is faster."""
    low, high = 0.0, 1e-6
    for _ in range(60):
        middle = (low + high) / 2
        if step_s(replace(step, handling_s_per_byte=middle), 2, link) < measured_s:
            low = middle
        else:
            high = middle
    return low if low > 1e-15 else 0.0


def faster(step: Step, times: float) -> Step:
    """Return the step of a device that computes so many times faster, and moves bytes by itself."""
    return replace(
        step,
        forward_s=step.forward_s / times,
        backward_s=step.backward_s / times,
        update_s=step.update_s / times,
        handling_s_per_byte=0.0,
    )


def table(step: Step) -> dict[str, dict[str, float]]:
    """Return the efficiency by network and number of ranks."""
    return {
        name: {str(ranks): round(efficiency(step, ranks, link), 3) for ranks in RANKS}
        for name, link in NETWORKS.items()
    }


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("role", nargs="?", choices=("rank", "launch"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--stem", default="imagenet", choices=("imagenet", "stride2", "full"),
        help="4 and 15 times the work of imagenet for the same gradients",
    )  # fmt: skip
    parser.add_argument("--batch-size", type=int, default=32, help="images a step and rank")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--precision", default="float32", choices=("float32", "mixed_bfloat16"))
    parser.add_argument("--json", action="store_true")
    for hidden in ("--what", "--hosts", "--ssh"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Measure, predict, write the results, and tell by the exit code whether the bounds hold."""
    options = parse()
    if options.role is not None:
        {"rank": run_rank, "launch": launch}[options.role](options)
        return 0
    from training.outlook.machine import this_machine

    measured = measure_all(options)
    asked = ("stem", "batch_size", "precision")
    results: dict[str, Any] = {name: getattr(options, name) for name in asked}
    results |= {key: value for key, value in measured.items() if key != "parameters"}
    results |= evaluate(measured)
    command = f"python -m benchmarks.scaling {' '.join(sys.argv[1:])}".strip()
    machine = this_machine()
    # The page on scaling goes by the default stem's file.
    name = "scaling" if options.stem == "imagenet" else f"scaling_{options.stem}"
    path = write_results(name, command=command, machine=str(machine), results=results)
    good = abs(results["error"]) <= ACCURACY and results["speedup_of_two_ranks"] >= SPEEDUP
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        print(
            f"two ranks: {results['speedup_of_two_ranks']:.2f} times one; over 1 Gbit/s predicted"
            f" {results['predicted_s']:.3f} s a step, measured {results['measured_s']:.3f} s"
            f" ({results['error']:+.1%}); all of it in {path}"
        )
        print("within bounds" if good else "MISSES ITS BOUNDS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
