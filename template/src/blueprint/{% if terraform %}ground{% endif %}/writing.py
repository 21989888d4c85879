"""Values written into YAML files of their owner: comments, order and other keys stay."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError

Key = tuple[str, ...]


def write(files: Mapping[str, Mapping[str, Any]], printed: list[Any]) -> None:
    """Write the values of each file, say what changed, then print what others need."""
    for name, values in files.items():
        path = Path(name)
        if not path.exists():
            raise UserError(f"{path} is missing: `make upgrade` brings it back")
        text = path.read_text()
        changed = text
        for key, value in flat(values):
            before, changed = changed, put(changed, key, value, name)
            if changed != before:
                print(f"{path}: {'.'.join(key)} is {value}")
        if changed == text:
            print(f"{path} says it already")
        else:
            path.write_text(changed)
    for each in printed:
        print(each if isinstance(each, str) else json.dumps(each, indent=2))


def flat(values: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    """The values by their whole keys, without those that are not there yet."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, (*above, key))
        elif value is not None:
            yield (*above, key), value


def put(text: str, key: Key, value: Any, name: str) -> str:
    """The text of a YAML mapping with that value at that key, and nothing else changed."""
    node: Any = yaml.compose(text)
    if node is not None and not isinstance(node, yaml.MappingNode):
        raise UserError(f"{name}: expected keys and values")
    for depth, part in enumerate(key):
        found = _find(node, part)
        if found is None:
            return _add(text, node, key[depth:], value)
        before, node = found
        so_far = f"{name}: {'.'.join(key[: depth + 1])}"
        if node.start_mark.index < before.end_mark.index:
            raise UserError(f"{so_far} is an alias (*…): write the value itself there")
        if depth < len(key) - 1 and not isinstance(node, yaml.MappingNode):
            if node.value not in ("", "null", "~"):
                raise UserError(f"{so_far} has a value, not keys")
            return _replace(text, node, "{" + _flow(key[depth + 1 :], value) + "}")
    if not isinstance(node, yaml.ScalarNode):
        raise UserError(f"{so_far} has keys, not a value")
    new = _scalar(value)
    same: Any = yaml.compose(new)
    return text if (node.tag, node.value) == (same.tag, same.value) else _replace(text, node, new)


def _replace(text: str, node: Any, new: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    space = " " if start == end and text[start - 1] == ":" else ""
    return f"{text[:start]}{space}{new}{text[end:]}"


def _add(text: str, node: Any, key: Key, value: Any) -> str:
    """A new key: at the end of its mapping, in the mapping's own style."""
    if node is not None and node.flow_style:
        end = node.end_mark.index - 1
        comma = ", " if node.value else ""
        return f"{text[:end].rstrip()}{comma}{_flow(key, value)}{text[end:]}"
    indent = node.start_mark.column if node is not None else 0
    lines = [f"{' ' * (indent + 2 * depth)}{_scalar(part)}:" for depth, part in enumerate(key)]
    lines[-1] += f" {_scalar(value)}"
    if node is None or not indent:
        return f"{text.rstrip()}\n\n" + "\n".join(lines) + "\n"
    last: Any = node
    while isinstance(last, yaml.CollectionNode) and not last.flow_style:
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
    after = last.end_mark.index
    end = text.find("\n", after - (text[after - 1] == "\n"))  # a block of text ends below itself
    end = len(text) if end < 0 else end
    return f"{text[:end]}\n" + "\n".join(lines) + text[end:]


def _find(node: Any, key: str) -> tuple[Any, Any] | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((pair for pair in pairs if pair[0].value == key), None)


def _flow(key: Key, value: Any) -> str:
    text = f"{_scalar(key[-1])}: {_scalar(value)}"
    for part in reversed(key[:-1]):
        text = f"{_scalar(part)}: " + "{" + text + "}"
    return text


def _scalar(value: Any) -> str:
    return yaml.safe_dump(value, width=10_000, allow_unicode=True).removesuffix("\n...\n").strip()
