"""The service's settings: `HOTSHELF_*` environment variables, read once into a frozen object."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from service.logs import FORMATS, LEVELS
from service.tokens import Tokens

PREFIX = "HOTSHELF_"

# Read by the command line of model_store.
NOT_OURS = frozenset({PREFIX + "USER"})


class SettingsError(ValueError):
    """A variable is unknown or its value isn't allowed; the message names both."""


@dataclass(frozen=True)
class Serve:
    """Which versions to serve: the newest `latest`, those of `labels`, or exactly `versions`."""

    latest: int = 0
    label: str = ""
    versions: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.label:
            return f"label:{self.label}"
        if self.versions:
            return "versions:" + ",".join(map(str, self.versions))
        return f"latest:{self.latest}"


def _serve(text: str) -> Serve:
    kind, _, rest = text.partition(":")
    if kind == "latest" and re.fullmatch(r"(|[1-9]\d?)", rest):
        return Serve(latest=int(rest or 1))
    if kind == "label" and rest:
        return Serve(label=rest)
    if kind == "versions" and re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", rest):
        return Serve(versions=tuple(sorted({int(each) for each in rest.split(",")})))
    raise ValueError("latest, latest:K (K from 1 to 99), label:NAME or versions:N,M,…")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least:,} to {most:,}")
        return int(text)

    return parse


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise ValueError(f"seconds, from {least:g} to {most:g}")
        return value

    return parse


def _points(text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,9})?", text) or float(text) > 100:
        raise ValueError("points, from 0 to 100")
    return float(text)


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError("one of " + ", ".join(words))
        return text.lower()

    return parse


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError("1 to 64 letters, digits, '.', '_' or '-', not starting with '.' or '-'")
    return text


def _text(text: str) -> str:
    if not text:
        raise ValueError("not empty")
    return text


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError("on or off")
    return text.lower() == "on"


def _setting(default: Any, parse: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"parse": parse, "meaning": meaning})


def _secret(meaning: str) -> Any:
    text = f"{meaning}: name:token,… or, with _FILE after the variable's name, a file of those"
    return field(
        default=Tokens(), metadata={"parse": Tokens.parse, "meaning": text, "secret": True}
    )


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "hotshelf" / "versions"


@dataclass(frozen=True)
class Settings:
    """Everything the service can be told, validated; `describe` masks secrets."""

    store: str = _setting(
        f"file://{Path('shelf').absolute()}", _text, "URL of the model store: file:///… or az://…"
    )
    model: str = _setting("resnet50", _name, "name of the model in the store")
    serve: Serve = _setting(
        Serve(latest=2), _serve, "versions to serve: latest, latest:K, label:NAME, versions:N,M"
    )
    host: str = _setting("127.0.0.1", _text, "address to listen on; 0.0.0.0 for every interface")
    port: int = _setting(8000, _whole(1, 65535), "TCP port to listen on")
    workers: int = _setting(max(1, usable_cores() // 2), _whole(1, 256), "HTTP worker processes")
    device: str = _setting(
        "auto", _one_of("auto", "cpu", "cuda"), "what models run on; auto takes a GPU if it can"
    )
    max_accuracy_loss: float = _setting(
        1.0,
        _points,
        "points of top-1 accuracy that a faster variant of a model may cost",
    )
    lanes: int = _setting(
        0, _whole(0, 256), "batches that run at the same time; 0: one a core, on GPUs two on each"
    )
    threads_per_lane: int = _setting(1, _whole(1, 256), "ONNX Runtime threads for one batch")
    max_batch: int = _setting(
        0, _whole(0, 1024), "images in one batch, at most; 0: 16, on GPUs 128"
    )
    queue_images: int = _setting(
        256, _whole(1, 1_000_000), "images that may wait; more are answered 429"
    )
    memory_mb: int = _setting(
        0,
        _whole(0, 100_000_000),
        "memory for loaded versions, in MB: those not wanted any more stay as long as they fit; "
        "0: they go, and there is no limit",
    )
    poll_s: float = _setting(5.0, _seconds(0.1, 86_400), "seconds between looks at the store")
    timeout_s: float = _setting(10.0, _seconds(0.01, 3_600), "seconds a request may take")
    drain_s: float = _setting(
        0.0,
        _seconds(0, 3_600),
        "seconds to go on serving, not ready any more, before stopping; for load balancers",
    )
    shutdown_s: float = _setting(
        30.0, _seconds(0, 3_600), "seconds running requests get to finish when stopping"
    )
    max_body_mb: int = _setting(16, _whole(1, 1024), "size of a request's body, at most, in MB")
    max_pixels: int = _setting(
        50_000_000, _whole(4096, 1_000_000_000), "pixels of an image, at most"
    )
    max_images: int = _setting(64, _whole(1, 1024), "images in one request, at most")
    admin_tokens: Tokens = _secret("who may change labels, weights and versions")
    predict_tokens: Tokens = _secret("who may ask for predictions; empty: everybody")
    cache: Path = _setting(
        _default_cache(), lambda text: Path(_text(text)).absolute(), "folder of verified versions"
    )
    cache_mb: int = _setting(
        4000,
        _whole(1, 100_000_000),
        "size of that folder, in MB; what is served stays all the same",
    )
    run_dir: str = _setting(
        "", str, "folder for the engine's socket and the counters; empty: a temporary one"
    )
    log_level: str = _setting("info", _one_of(*LEVELS), "debug, info, warning or error")
    log_format: str = _setting("text", _one_of(*FORMATS), "text for people or json for machines")
    access_log: bool = _setting(False, _switch, "a line in the log for each request: on or off")

    def __post_init__(self) -> None:
        if self.max_images > self.queue_images:
            raise SettingsError(
                f"{PREFIX}MAX_IMAGES={self.max_images} is more than "
                f"{PREFIX}QUEUE_IMAGES={self.queue_images}: such a request could never be queued"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read every `HOTSHELF_*` variable.

        Raises SettingsError, naming the variable, its value and what is allowed, for the first
        one that is unknown or invalid.
        """
        known = {PREFIX + each.name.upper(): each for each in fields(cls)}
        files = {name + "_FILE": name for name, each in known.items() if _is_secret(each)}
        values: dict[str, Any] = {}
        for variable in sorted(environment):
            if not variable.startswith(PREFIX) or variable in NOT_OURS:
                continue
            if variable in files:
                if files[variable] in environment:
                    raise SettingsError(f"{variable} and {files[variable]}: give one of them")
                text, each = _content(variable, environment[variable]), known[files[variable]]
            elif variable in known:
                text, each = environment[variable], known[variable]
            else:
                raise SettingsError(_unknown(variable, [*known, *files]))
            try:
                values[each.name] = each.metadata["parse"](text)
            except ValueError as error:
                shown = "***" if _is_secret(each) else repr(text)
                raise SettingsError(
                    f"{variable}={shown} isn't allowed: "
                    f"{each.metadata['meaning']} (allowed: {error})"
                ) from None
        return cls(**values)

    def environment(self) -> dict[str, str]:
        """Return the variables that make another process read these very settings."""
        return {
            PREFIX + each.name.upper(): _written(getattr(self, each.name)) for each in fields(self)
        }

    def describe(self) -> str:
        """Return one line a setting: variable, value with secrets masked, meaning."""
        values = {
            PREFIX + each.name.upper(): _masked(getattr(self, each.name)) for each in fields(self)
        }
        width = max(map(len, values)) + 1
        longest = max(map(len, values.values()))
        return "\n".join(
            f"{PREFIX + each.name.upper():{width}}{values[PREFIX + each.name.upper()]:{longest}}"
            f"  # {each.metadata['meaning']}"
            for each in dataclasses.fields(self)
        )


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _is_secret(setting: dataclasses.Field[Any]) -> bool:
    return bool(setting.metadata.get("secret"))


def _content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}={path!r} can't be read: {error}") from None


def _masked(value: Any) -> str:
    """Hide tokens, and what a URL may carry before its host or after its question mark."""
    if isinstance(value, Tokens):
        return value.masked()
    text = re.sub(r"(?<=://)[^/@]+@", "***@", str(value))
    return re.sub(r"\?.*$", "?***", text)


def _unknown(variable: str, known: list[str]) -> str:
    close = difflib.get_close_matches(variable, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"{variable} isn't a setting of Hotshelf: {hint}"
