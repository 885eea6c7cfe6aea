"""Build Horovod against the TensorFlow of this environment and install it there.

Run by `make horovod` with the Python of the training environment. The wheel is kept in
.cache/wheels under the versions of both and the number of our patches
(`horovod-0.28.1+tf2.21.0.patch3-…whl`), so a second call installs it in a second and a new
TensorFlow gets a new build. With `--mpi` ranks can meet over MPI as well as over Gloo; that needs
an MPI on this machine, such as Debian's openmpi-bin and libopenmpi-dev, and makes a wheel of its
own (`…patch3.mpi-…whl`).

Three things in Horovod 0.28.1 are mended on the way:

1. It doesn't compile against TensorFlow 2.16 and newer, because the headers that `xla_mpi_ops.cc`
   includes have moved. That file holds the XLA-compiled collectives for GPUs, which are off by
   default; without it everything else builds unchanged.
2. HOROVOD_GLOO_IFACE, the network interface to use, is heeded by the first of two connections
   between ranks only. The second takes the address that the host's name stands for: on Debian
   127.0.1.1, where other hosts find nobody ("connect [127.0.0.1]: Connection refused").
3. Gloo's thread asks for events again at once, 170,000 times a second, while another thread holds
   the lock of the connection that has one. Where all cores compute, that other thread waits for a
   core, which Gloo's thread is using up: a sixth of one was measured. It now sleeps in between.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
WHEELS = ROOT / ".cache" / "wheels"
HOROVOD = "0.28.1"
# To be raised with every change to `patched_source`, so that wheels from before aren't used.
PATCH = 3

# Gloo needs nothing installed; set HOROVOD_GPU_OPERATIONS=NCCL to add that.
BUILD_SETTINGS = {
    "HOROVOD_WITH_TENSORFLOW": "1",
    "HOROVOD_WITHOUT_PYTORCH": "1",
    "HOROVOD_WITHOUT_MXNET": "1",
    "HOROVOD_WITH_GLOO": "1",
}


class BuildError(Exception):
    """The build can't go on; the message says why and where the log is."""


def main() -> int:
    """Build if no wheel fits, then install; the exit code says whether Horovod is there."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--force", action="store_true", help="build even if a wheel is cached")
    arguments.add_argument("--mpi", action="store_true", help="build with MPI besides Gloo")
    options = arguments.parse_args()
    try:
        install(cached_wheel(force=options.force, mpi=options.mpi))
    except BuildError as error:
        print(f"build_horovod: {error}", file=sys.stderr)
        return 1
    return 0


def cached_wheel(*, force: bool, mpi: bool) -> Path:
    """Return the wheel for this Python and this TensorFlow, building it if there is none."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    local_version = f"{HOROVOD}+tf{version('tensorflow')}.patch{PATCH}{'.mpi' if mpi else ''}"
    pattern = f"horovod-{local_version}-{tag}-*.whl"
    found = sorted(WHEELS.glob(pattern))
    if found and not force:
        say(f"using the cached wheel {found[-1].name}")
        return found[-1]
    if mpi and shutil.which("mpicxx") is None:
        raise BuildError(
            "--mpi needs an MPI to build with, and there is no mpicxx on the path; "
            "on Debian: apt-get install openmpi-bin libopenmpi-dev"
        )
    say(
        f"building Horovod {HOROVOD} against TensorFlow {version('tensorflow')} "
        f"on {os.cpu_count()} cores; this takes 2 to 5 minutes, once"
    )
    started = time.monotonic()
    WHEELS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="horovod-build-") as folder:
        build(Path(folder), local_version, mpi=mpi)
    built = sorted(WHEELS.glob(pattern))
    if not built:
        raise BuildError(f"the build ended without a wheel named {pattern} in {WHEELS}")
    say(f"built {built[-1].name} in {time.monotonic() - started:.0f} s")
    return built[-1]


def build(folder: Path, local_version: str, *, mpi: bool) -> None:
    """Build the patched source in `folder` and move the wheel into the cache."""
    say("1/4 fetching the source (checked by its hash)")
    pip(
        sys.executable, "download", "--no-deps", "--no-build-isolation", "--no-binary", "horovod",
        "--require-hashes", "-r", REQUIREMENTS / "horovod.txt", "-d", folder,
    )  # fmt: skip
    source = patched_source(folder, local_version)
    say("2/4 preparing a build environment")
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    builder = environment / "bin" / "python"
    pip(builder, "install", "--require-hashes", "-r", REQUIREMENTS / "horovod-build.txt")
    # The build compiles against our TensorFlow without copying its gigabytes.
    site = Path(subprocess.check_output([builder, "-c", _PRINT_SITE], text=True).strip())
    (site / "training.pth").write_text(f"{tensorflow_site()}\n")
    say("3/4 compiling (the long part)")
    pip(
        builder, "wheel", "--no-deps", "--no-build-isolation", "--no-cache-dir",
        "-w", folder / "wheel", source,
        environment={
            **BUILD_SETTINGS,
            ("HOROVOD_WITH_MPI" if mpi else "HOROVOD_WITHOUT_MPI"): "1",
            "MAKEFLAGS": f"-j{os.cpu_count()}",
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
        },
    )  # fmt: skip
    say("4/4 keeping the wheel")
    for wheel in (folder / "wheel").glob("horovod-*.whl"):
        kept = WHEELS / wheel.name
        partial = kept.with_suffix(".part")
        partial.write_bytes(wheel.read_bytes())
        partial.replace(kept)


_PRINT_SITE = "import sysconfig; print(sysconfig.get_path('platlib'))"


def tensorflow_site() -> Path:
    """Return the folder that TensorFlow is installed in, which may be another environment's."""
    found = importlib.util.find_spec("tensorflow")
    if found is None or found.origin is None:
        raise BuildError("there is no TensorFlow in this environment to build against")
    return Path(found.origin).parents[1]


def patched_source(folder: Path, local_version: str) -> Path:
    """Unpack the source distribution, mend what the module's docstring tells, name the version."""
    with tarfile.open(folder / f"horovod-{HOROVOD}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    source = folder / f"horovod-{HOROVOD}"
    replace(
        source / "horovod" / "tensorflow" / "CMakeLists.txt",
        'list(APPEND TF_SOURCES "${PROJECT_SOURCE_DIR}/horovod/tensorflow/xla_mpi_ops.cc")\n',
        "",
    )
    dev = "\n  device_attr.ai_family = AF_UNSPEC;\n  auto dev = CreateDevice(device_attr);\n\n"
    second = f"{dev}  global_ctx = global_context.ctx;"
    replace(
        source / "horovod" / "common" / "gloo" / "gloo_context.cc",
        f"  device_attr.iface = gloo_iface_;{second}",
        f"  device_attr.iface = gloo_iface_ = global_context.gloo_iface_;{second}",
    )
    locked = "lock(m_, std::try_to_lock);\n  if (!lock) {\n"
    replace(
        source / "third_party" / "gloo" / "gloo" / "transport" / "tcp" / "pair.cc",
        f"{locked}    return;\n",
        f"{locked}    std::this_thread::sleep_for(std::chrono::microseconds(50));\n    return;\n",
    )
    replace(
        source / "horovod" / "__init__.py",
        f"__version__ = '{HOROVOD}'",
        f"__version__ = '{local_version}'",
    )
    return source


def replace(path: Path, old: str, new: str) -> None:
    """Replace what must be there exactly once; BuildError if it isn't."""
    text = path.read_text()
    if text.count(old) != 1:
        raise BuildError(f"{path.name} isn't as expected: no single line {old.strip()!r}")
    path.write_text(text.replace(old, new))


def install(wheel: Path) -> None:
    """Install the wheel here; its dependencies are pinned with the rest of the environment."""
    pip(sys.executable, "install", "--no-deps", "--force-reinstall", wheel)
    say("installed; `horovodrun --check-build` shows what it can do")


def pip(
    python: Path | str, *arguments: Path | str, environment: dict[str, str] | None = None
) -> None:
    """Run pip quietly; what it printed is kept and named when it fails."""
    log = WHEELS / "build.log"
    with log.open("w") as output:
        done = subprocess.run(
            [python, "-m", "pip", "--disable-pip-version-check", "-v", *arguments],
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BuildError(f"`pip {arguments[0]}` failed, its log is {log}; it ends with:\n{last}")


def say(message: str) -> None:
    """Tell the user what is going on."""
    print(f"horovod: {message}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
