"""How fast is the shelf? Publish and pull of a 100 MB version against what the machine can do.

Local: `cp` of the same files plus `sha256sum` over them. Azurite: the SDK's own upload_blob and
download_blob of the same files with the same concurrency, on a server started for this run.

    python -m benchmarks.store_throughput [--size-mb 100] [--rounds 25] [--json] [--save]

Each round has both sides one after the other, taking turns in who begins. What is compared is the
ratio within a round, of which the median counts and the quartiles tell how sure it is: a machine
shared with others changes its pace from minute to minute, but little within a second.
Azurite keeps what it is sent in memory and gets slower with every new gigabyte of it, so each one
serves a few rounds only.
Over https, which is how Azure is reached, TLS guards every byte. Over plain http an MD5 does, which
the reference goes without; upload_blob(validate_content=True), which has one too, is measured
beside it. The bound is the same for both, and against the plain calls.

Exit code 1 where the shelf misses its bounds: 1.5 times local, 0.9 times the SDK's on Azurite.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from azure.storage.blob import ContainerClient

from benchmarks.results_file import write_results
from model_store import ModelStore, open_store
from model_store.backends.azure import CONCURRENCY
from tests.azurite_server import ACCOUNT, azurite_server
from tests.certificate import make_certificate
from tests.model_store.material import MODEL, make_folder, publish

LOCAL_BOUND = 1.5
AZURITE_BOUND = 0.9
ROUNDS_EACH = 5

Taken = dict[str, list[float]]
Action = Callable[[], object]


def timed(action: Action) -> float:
    """Return how many seconds the action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def copy_and_hash(source: Path, target: Path) -> None:
    """Do what a careful person would do without a shelf."""
    subprocess.run(["cp", "-r", source, target], check=True)
    files = [path for path in target.rglob("*") if path.is_file()]
    subprocess.run(["sha256sum", *files], check=True, stdout=subprocess.DEVNULL)


def settle() -> None:
    """Let the kernel finish earlier rounds' writes, so that no side pays for the other's."""
    os.sync()


def compare(
    store: ModelStore,
    folder: Path,
    work: Path,
    *,
    rounds: int,
    puts: Mapping[str, Action],
    get: Action,
) -> Taken:
    """Return the seconds of publish and pull, and of the reference's puts and get, by round."""
    taken: Taken = {}
    for each in range(rounds + 1):
        number = each + 1
        groups: list[dict[str, Action]] = [
            {**puts, "publish": lambda: publish(store, folder)},
            {"get": get, "pull": lambda: store.pull(MODEL, number, work / "pulled")},  # noqa: B023
        ]
        for group in groups:
            # Who comes later pays for what the others left to the server, so they take turns.
            actions = deque(group.items())
            actions.rotate(each)
            for name, action in actions:
                settle()
                taken.setdefault(name, []).append(timed(action))
        for left in ("pulled", "reference"):
            shutil.rmtree(work / left, ignore_errors=True)
    # The first round warms up both sides.
    return {name: times[1:] for name, times in taken.items()}


def summary(taken: Taken, *, speed: bool) -> dict[str, float]:
    """Return median seconds, and median and quartiles of our ratio to the reference by round.

    The ratio is of speeds, above 1 where we are faster, or of times.
    """
    found = {name: round(statistics.median(times), 4) for name, times in taken.items()}
    for label, ours, theirs in (
        ("publish_ratio", "publish", "put"),
        ("publish_to_checked_ratio", "publish", "checked_put"),
        ("pull_ratio", "pull", "get"),
    ):
        if theirs not in taken:
            continue
        ratios = [
            (b / a if speed else a / b) for a, b in zip(taken[ours], taken[theirs], strict=True)
        ]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        found[label] = round(middle, 3)
        found[f"{label}_low"] = round(low, 3)
        found[f"{label}_high"] = round(high, 3)
    return found


def local(folder: Path, work: Path, rounds: int) -> dict[str, float]:
    """Compare the local backend with cp and sha256sum; above 1 is slower than they are."""

    def reference() -> None:
        copy_and_hash(folder, work / uuid.uuid4().hex)

    store = open_store(f"file://{work}/shelf")
    taken = compare(store, folder, work, rounds=rounds, puts={"put": reference}, get=reference)
    return summary(taken, speed=False)


def azurite(folder: Path, work: Path, rounds: int, *switches: str) -> dict[str, float]:
    """Compare the Azure backend with the SDK's calls; below 1 is slower than they are.

    `switches` are Azurite's; it speaks https if they name a certificate.
    """
    taken: Taken = {}
    for begun in range(0, rounds, ROUNDS_EACH):
        with azurite_server(work, *switches) as server:
            address = server.connection_string
            if "--cert" in switches:
                address = address.replace("http:", "https:").replace("=http;", "=https;")
            os.environ.update(server.environment | {"AZURE_STORAGE_CONNECTION_STRING": address})
            part = against_sdk(folder, work, min(ROUNDS_EACH, rounds - begun), address)
        for name, times in part.items():
            taken.setdefault(name, []).extend(times)
    return summary(taken, speed=True)


def against_sdk(folder: Path, work: Path, rounds: int, address: str) -> Taken:
    """Return the seconds of the Azure backend and of the SDK's calls on one server."""
    container = ContainerClient.from_connection_string(address, f"c{uuid.uuid4().hex[:20]}")
    container.create_container()
    files = [path for path in folder.rglob("*") if path.is_file()]

    # Versions are new blobs and new files, so the reference's are too: the first touch of memory is
    # what costs most on a virtual machine.
    places = [uuid.uuid4().hex]

    def upload(*, validate_content: bool = False) -> None:
        places.append(uuid.uuid4().hex)
        for path in files:
            with path.open("rb") as file:
                container.upload_blob(
                    f"{places[-1]}/{path.name}",
                    file,
                    overwrite=True,
                    max_concurrency=CONCURRENCY,
                    validate_content=validate_content,
                )

    def download() -> None:
        target = work / "reference"
        target.mkdir()
        for path in files:
            with (target / path.name).open("wb") as file:
                name = f"{places[-1]}/{path.name}"
                stream = container.download_blob(name, max_concurrency=CONCURRENCY)
                stream.readinto(file)

    store = open_store(f"az://{ACCOUNT}/c{uuid.uuid4().hex[:20]}")
    puts: dict[str, Action] = {"put": upload}
    if not address.startswith("DefaultEndpointsProtocol=https"):
        puts["checked_put"] = lambda: upload(validate_content=True)
    taken = compare(store, folder, work, rounds=rounds, puts=puts, get=download)
    store.close()
    container.close()
    return taken


def machine() -> dict[str, object]:
    """Return what the numbers depend on; the load is what others do at the end of the run."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    packages = ("azure-core", "azure-storage-blob", "requests", "urllib3")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_of_15_minutes": os.getloadavg()[2],
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def main() -> int:
    """Run both comparisons, print them, and tell by the exit code whether they hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size-mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        # Two thirds are in the ONNX file, one third in the variables.
        folder = make_folder(work / "offered", size=args.size_mb * 1_000_000 * 2 // 3)
        results = {"local": local(folder, work, args.rounds)}
        results["azurite-http"] = azurite(folder, work, args.rounds)
        cert, key = make_certificate(work)
        os.environ["REQUESTS_CA_BUNDLE"] = str(cert)
        switches = ("--cert", str(cert), "--key", str(key))
        results["azurite-https"] = azurite(folder, work, args.rounds, *switches)
    good = (
        max(results["local"]["publish_ratio"], results["local"]["pull_ratio"]) <= LOCAL_BOUND
        and min(
            results[server][ratio]
            for server in ("azurite-http", "azurite-https")
            for ratio in ("publish_ratio", "pull_ratio")
        )
        >= AZURITE_BOUND
    )
    if args.save:
        command = f"store_throughput --size-mb {args.size_mb} --rounds {args.rounds}"
        print(
            write_results("store_throughput", command=command, machine=machine(), results=results)
        )
    if args.json:
        print(json.dumps({"size_mb": args.size_mb, "good": good, **results}))
    else:
        for where, values in results.items():
            print(where, *(f"{key}={value}" for key, value in values.items()))
        print("within bounds" if good else "MISSES ITS BOUNDS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
