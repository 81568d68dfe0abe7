"""The reference page of all settings and the commented example file, both made from ``config.settings``."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.settings import Settings


def _fields() -> Iterator[tuple[str, str, list[tuple[dataclasses.Field[Any], Any]]]]:
    for name, cls in typing.get_type_hints(Settings).items():
        yield name, (cls.__doc__ or "").strip(), [(field, field.default) for field in dataclasses.fields(cls)]


def _quantity(kind: str, value: float) -> str:
    steps = (
        (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
        if kind == "size"
        else (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    )
    for unit, step in steps:
        if value and value % step == 0:
            return f'"{int(value // step)} {unit}"'
    return f"{value:g}"


def written(field: dataclasses.Field[Any], value: Any) -> str:
    """A value as it is written in the file."""
    kind = field.metadata["kind"]
    if isinstance(value, tuple):
        return "[" + ", ".join(written(field, one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return '""'
    if isinstance(value, str | Path):
        return f'"{value}"'
    if kind in ("size", "duration"):
        return _quantity(kind, value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def example() -> str:
    """A configuration file with every setting, its sentence above it and its default commented out."""
    lines = [
        "# Configuration of mailserver. What is commented out shows the default.",
        '# Sizes: 20971520 or "20 MiB". Durations: seconds, or "30 s", "5 min", "1 h", "2 d".',
        "# Check it with: mailserver check-config --config FILE",
    ]
    for section, sentence, fields in _fields():
        lines += ["", f"# {sentence}", f"[{section}]"]
        for field, default in fields:
            choices = field.metadata["choices"]
            lines.append(f"# {field.metadata['sentence']}" + (f" One of: {', '.join(choices)}." if choices else ""))
            lines.append(f"#{field.name} = {written(field, default)}")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The settings as a Markdown page."""
    lines = ["# Settings", "", "Made from `config/settings.py` by `mailserver check-config --reference`.", ""]
    for section, sentence, fields in _fields():
        lines += [f"## [{section}]", "", sentence, "", "| setting | default | meaning |", "|---|---|---|"]
        for field, default in fields:
            text = field.metadata["sentence"]
            if field.metadata["choices"]:
                text += f" One of: {', '.join(field.metadata['choices'])}."
            low, high = field.metadata["low"], field.metadata["high"]
            if low is not None or high is not None:
                text += " Range: " + (f"from {low:g}" if low is not None else "")
                text += f" to {high:g}." if high is not None else "."
            lines.append(f"| `{field.name}` | `{written(field, default)}` | {text} |")
        lines.append("")
    return "\n".join(lines)
