"""Copier writes the same files in a quarter of the time: what it does again for each part of each
path of each project is done once in a process. tests/render/test_faster.py holds that they are
the same as those of Copier's own program.
"""

from collections.abc import Hashable
from pathlib import Path
from types import CodeType
from typing import Any

import copier._main
import jinja2
from copier._main import SandboxedEnvironment, Worker

_compiled: dict[Hashable, CodeType] = {}
_render_string, _answers_relpath = Worker._render_string, Worker.answers_relpath


class RememberingEnvironment(SandboxedEnvironment):
    """Compiles each name of a file and each default of a question once, not once a project.

    No name of this template holds a `yield`, whose state Copier clears as it compiles.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.made: dict[str, jinja2.Template] = {}

    def compile(self, source: Any, name: Any = None, *args: Any, **options: Any) -> Any:
        if name or args or options or not isinstance(source, str):
            return super().compile(source, name, *args, **options)
        # The lexer stands for the delimiters and the handling of white space.
        key = (source, self.lexer, *sorted(self.extensions))
        if key not in _compiled:
            _compiled[key] = super().compile(source)
        return _compiled[key]

    def from_string(self, source: Any, *args: Any, **options: Any) -> jinja2.Template:
        if args or options or not isinstance(source, str):
            return super().from_string(source, *args, **options)
        if source not in self.made:
            self.made[source] = super().from_string(source)
        return self.made[source]


def is_plain(text: object) -> bool:
    """A text that Jinja leaves as it is: it would take off the newline at an end."""
    return isinstance(text, str) and "{" not in text and "\n" not in text and "\r" not in text


def rendered(worker: Worker, string: str, extra_context: Any = None) -> str:
    return string if is_plain(string) else _render_string(worker, string, extra_context)


def answers_relpath(worker: Worker) -> Path:
    path = worker.answers_file or worker.template.answers_relpath
    return Path(path) if is_plain(str(path)) else _answers_relpath.__get__(worker)


def nothing(worker: Worker, *args: Any) -> None:
    """In place of two git processes a file, which do something only where git's core.fileMode is
    false: not on the file systems of Linux and macOS.
    """


def apply() -> None:
    """For this process; there is no way back, and no program of a user is one."""
    copier._main.SandboxedEnvironment = RememberingEnvironment  # type: ignore[misc]
    Worker._render_string = rendered  # type: ignore[method-assign]
    Worker.answers_relpath = property(answers_relpath)  # type: ignore[method-assign,assignment]
    Worker._sync_git_index_executable_bit = nothing  # type: ignore[method-assign]
