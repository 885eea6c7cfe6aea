"""`python -m loadtest`: a run with everything around it, and comparing two runs."""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from loadtest.comparison import compare_files
from loadtest.running_service import ServiceError, service_at

ROOT = Path(__file__).resolve().parents[1]
LOCUSTFILE = ROOT / "loadtest" / "locustfile.py"
_USAGE_EXIT_CODE = 2
_LOCUST = ("locust", "-f", str(LOCUSTFILE))
DEFAULTS = ("--users", "16", "--run-time", "2m")

_EPILOG = """\
exit codes: 0 pass   1 an objective didn't hold, or a run got worse   2 it couldn't begin
            3 inconclusive: what didn't hold may be the load generator's own fault
"""


def main(arguments: list[str]) -> int:
    """Run a command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_compare(commands)
    args, rest = parser.parse_known_args(arguments)
    if args.command == "compare":
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        return compare_files(args.before, args.after, tolerance=args.tolerance)
    return _run(args, rest)


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="put a service under load and judge it",
        epilog="All other options are the load test's and Locust's own:"
        f" locust -f {LOCUSTFILE.relative_to(ROOT)} --help. Where they aren't given:"
        f" {' '.join(DEFAULTS)}.",
    )
    run.add_argument("--url", default="http://127.0.0.1:8000", help="the service")
    run.add_argument("--start", metavar="COMMAND", help="starts it where it doesn't run yet")
    run.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where report.html, result.json and the service's log go (default:"
        " runs/loadtest/TIME)",
    )
    run.add_argument("--web", action="store_true", help="Locust's own page instead of the terminal")


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = commands.add_parser("compare", help="compare the results of two runs")
    compare.add_argument("before", type=Path, metavar="BEFORE.json")
    compare.add_argument("after", type=Path, metavar="AFTER.json")
    compare.add_argument(
        "--tolerance",
        type=float,
        default=10.0,
        metavar="PERCENT",
        help="what times and rates may get worse (default: 10)",
    )


def _run(args: argparse.Namespace, rest: list[str]) -> int:
    name = datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    output = args.output or ROOT / "runs" / "loadtest" / name
    output.mkdir(parents=True, exist_ok=True)
    files = ["--report", str(output / "report.html"), "--result", str(output / "result.json")]
    how = ["--web-host", "127.0.0.1"]
    if not args.web:
        # Locust writes its tables into a file (and adds .json) rather than over our verdict.
        how = ["--headless", "--loglevel", "WARNING", "--only-summary"]
        how += ["--json-file", str(output / "locust")]
    command = [sys.executable, "-m", *_LOCUST, "--host", args.url, *DEFAULTS, *files, *how, *rest]
    try:
        with service_at(args.url, args.start, output / "service.log"):
            if args.web:
                sys.stdout.write("Locust's page is at http://127.0.0.1:8089; Ctrl-C ends it.\n")
                sys.stdout.flush()
            code = _run_to_its_verdict(command)
    except ServiceError as error:
        sys.stderr.write(f"The load test can't begin: {error}\n")
        return _USAGE_EXIT_CODE
    if (output / "report.html").exists():
        sys.stdout.write(f"Report: {output / 'report.html'}\n")
    return code


def _run_to_its_verdict(command: list[str]) -> int:
    """Run Locust, which ends with a verdict when it is interrupted, and never leave it behind.

    It hears of Ctrl-C as we do; SIGTERM is for us alone, so we interrupt it then.
    """
    # Ignored by what shells put in the background, and so by what that starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, cwd=ROOT)
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()
