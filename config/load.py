"""A TOML file, environment variables and secret files become ``Settings``; all errors are reported at once.

Order, the later wins: defaults, the file, ``MAILSERVER_SECTION__KEY`` of the environment, ``--set section.key=value``.
A text setting may name a file that holds it: ``database = { file = "/run/credentials/database" }``.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.check import complaints
from config.settings import Settings

PREFIX = "MAILSERVER_"

_UNITS: dict[str, dict[str, float]] = {
    "size": {"": 1, "B": 1, "KIB": 1024, "KB": 1000, "MIB": 1024**2, "MB": 1000**2, "GIB": 1024**3, "GB": 1000**3},
    "duration": {"": 1.0, "MS": 0.001, "S": 1.0, "MIN": 60.0, "H": 3600.0, "D": 86400.0},
}
_QUANTITY = re.compile(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]{0,3})\s*")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (file and line, variable or option), what, and what would be right."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class ConfigurationError(Exception):
    """The configuration can't be used; ``problems`` has every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str] | None = None,
    assignments: Iterable[str] = (),
) -> Settings:
    """Settings of a file (or the defaults), the environment and ``section.key=value`` assignments.

    Raises ConfigurationError with all problems.
    """
    reader = _Reader()
    if path is not None:
        reader.file(path)
    for name, value in sorted((environ or {}).items()):
        if name.startswith(PREFIX) and "__" in name:
            section, key = name[len(PREFIX) :].lower().split("__", 1)
            reader.text(f"environment variable {name}", section, key, value)
    for assignment in assignments:
        reader.assignment(assignment)
    settings = reader.settings()
    if reader.complete:
        for place, text in complaints(settings):
            origin = reader.origin(place)
            reader.complain(origin, text if origin == place else f"{place}: {text}")
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return settings


class _Reader:
    """Collects values and problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.complete = True
        """False when a file could not be read: what it would have set is not known, so nothing is missed in it."""
        self._values: dict[str, dict[str, Any]] = {}
        self._origins: dict[str, str] = {}
        self._sections = typing.get_type_hints(Settings)

    def complain(self, where: str, text: str) -> None:
        self.problems.append(Problem(where, text))

    def origin(self, place: str) -> str:
        """Where ``section.key`` got its value."""
        return self._origins.get(place, place)

    def settings(self) -> Settings:
        """Settings of all values that were good."""
        return Settings(**{name: cls(**self._values.get(name, {})) for name, cls in self._sections.items()})

    # ---------------------------------------------------------------- sources

    def file(self, path: Path) -> None:
        try:
            text = path.read_text("utf-8")
            document = tomllib.loads(text)
        except FileNotFoundError:
            self._unreadable(path, "there is no such file; mailserver check-config --example prints one")
            return
        except tomllib.TOMLDecodeError as error:
            self._unreadable(path, f"is not TOML: {error}")
            return
        except (OSError, UnicodeDecodeError) as error:
            self._unreadable(path, f"can't be read: {error}")
            return
        lines = _lines(text)
        for section, table in document.items():
            where = f"{path}:{lines.get((section, ''), 1)}"
            if not isinstance(table, dict):
                self.complain(where, f"{section!r} must stand in a section{_near(section, self._sections)}")
                continue
            for key, value in table.items():
                self._value(f"{path}:{lines.get((section, key), 1)}", section, key, value)
            if not table and section not in self._sections:
                self._unknown_section(where, section)

    def _unreadable(self, path: Path, why: str) -> None:
        self.complete = False
        self.complain(str(path), why)

    def assignment(self, text: str) -> None:
        place, equals, value = text.partition("=")
        section, dot, key = place.strip().partition(".")
        where = f"--set {text}"
        if not equals or not dot:
            self.complain(where, "write it as section.key=value")
            return
        self.text(where, section, key, value.strip())

    def text(self, where: str, section: str, key: str, text: str) -> None:
        """A value written as text: TOML if it is that, else the bare words."""
        try:
            value = tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            value = text
        self._value(where, section, key, value, bare=text)

    # ---------------------------------------------------------------- values

    def _unknown_section(self, where: str, section: str) -> None:
        self.complain(where, f"there is no section [{section}]{_near(section, self._sections)}")

    def _value(self, where: str, section: str, key: str, value: Any, bare: str | None = None) -> None:
        cls = self._sections.get(section)
        if cls is None:
            self._unknown_section(where, section)
            return
        fields = {field.name: field for field in dataclasses.fields(cls)}
        field = fields.get(key)
        if field is None:
            self.complain(where, f"[{section}] has no setting {key!r}{_near(key, fields)}")
            return
        hint = typing.get_type_hints(cls)[key]
        if bare is not None and (hint is str or hint is Path or hint == (Path | None)):
            value = value if isinstance(value, str | dict) else bare
        if bare is not None and typing.get_origin(hint) is tuple and not isinstance(value, list):
            value = [part.strip() for part in bare.split(",")] if bare else []
        try:
            good = _converted(hint, field.metadata, value)
        except ValueError as error:
            self.complain(where, f"{section}.{key}: {error}")
            return
        self._values.setdefault(section, {})[key] = good
        self._origins[f"{section}.{key}"] = where


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Line numbers of sections and of their keys."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
            section = match[1]
            found.setdefault((section, ""), number)
        elif match := re.match(r"\s*([\w-]+)\s*(?:\.\s*([\w-]+)\s*)?=", line):
            if section or match[2] is None:
                found.setdefault((section, match[1]) if section else (match[1], ""), number)
            else:
                found.setdefault((match[1], match[2]), number)
    return found


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"


def _converted(hint: Any, metadata: Mapping[str, Any], value: Any) -> Any:
    """The value in its type; ValueError says what would be right."""
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError("must be a list")
        return tuple(_single(typing.get_args(hint)[0], metadata, one) for one in value)
    if origin in (types.UnionType, typing.Union):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        if value in ("", None):
            return None
    return _single(hint, metadata, value)


def _single(hint: Any, metadata: Mapping[str, Any], value: Any) -> Any:
    kind = metadata.get("kind", "plain")
    if isinstance(value, dict) and hint is str:
        value = _secret(value)
    if hint is bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, not {value!r}")
        return value
    if hint in (int, float):
        number = _number(hint, kind, value)
        low, high = metadata.get("low"), metadata.get("high")
        if (low is not None and number < low) or (high is not None and number > high):
            limits = f"at least {low:g}" if high is None else f"from {low or 0:g} to {high:g}"
            raise ValueError(f"must be {limits}, not {value!r}")
        return number
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes, not {value!r}")
    if hint is Path:
        return Path(value)
    choices = metadata.get("choices") or ()
    if choices and value not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}, not {value!r}")
    if kind == "network":
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise ValueError(f"must be a network such as 192.0.2.0/24, not {value!r}") from None
    return value


def _number(hint: Any, kind: str, value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    if isinstance(value, int | float):
        if hint is int and int(value) != value:
            raise ValueError(f"must be a whole number, not {value!r}")
        return hint(value)
    units = _UNITS.get(kind)
    if isinstance(value, str) and units is not None:
        match = _QUANTITY.fullmatch(value)
        if match and match[2].upper() in units:
            return hint(float(match[1]) * units[match[2].upper()])
    example = {"size": '"20 MiB"', "duration": '"5 min"'}.get(kind, "25")
    raise ValueError(f"must be a number such as {example}, not {value!r}")


def _secret(value: dict[str, Any]) -> str:
    name = value.get("file")
    if set(value) != {"file"} or not isinstance(name, str):
        raise ValueError('must be text, or { file = "/path" } for a file that holds it')
    try:
        return Path(name).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"its file can't be read: {error}") from None
