"""A repository on any host, by HTTPS, SSH or a path, with the program git: commits, no reviews."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from ...errors import UserError
from ...text import shorten
from .changes import SHORT, Change, Moved, Review, moved, protected
from .settings import TOKEN

SECONDS = 120  # for one call of git
TRIES = 3  # to replace a branch that others change at the same time
STALLED = 30  # seconds without a byte, after which git gives up on a host
PASSWORD = "BLUEPRINT_GIT_PASSWORD"  # the variable that git's helper below prints
USER = "x-token-auth"  # Bitbucket wants this name; others look at the password alone
LOGIN = f"printf '%s\\n' username={USER} \"password=${PASSWORD}\""
HELPER = f'!f() {{ test "$1" != get || {LOGIN}; }}; f'
SIGN = "commit.gpgSign"
NOBODY = ("-c", "user.name=blueprint", "-c", "user.email=blueprint@localhost")
FASTER = re.compile(
    "stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref"
    "|shallow update|reference already exists",
    re.I,
)
LOCAL = re.compile(
    "GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR"
    "|NAMESPACE|PREFIX|CEILING_DIRECTORIES|TRACE.*|CURL_VERBOSE)$"
)
# What git says, and what it means; the first that fits. {host}, {login} and {words} are put in.
MEANINGS = {
    r"certificate|\b(SSL|TLS|gnutls)": (
        "TLS with {host} fails ({words}): set GIT_SSL_CAINFO to the certificates that your "
        "company trusts"
    ),
    "host key verification": "the key of {host} is not known: `ssh-keyscan` it into known_hosts",
    "authentication failed|could not read (username|password)|terminal prompts|permission denied"
    "|access denied|error: 40[13]": "{host} does not let git in ({words}): {login}",
    "could not resolve|failed to connect|could not connect|connection refused"
    "|connection (timed out|reset|closed)|no route|too slow|empty reply|hung up|error: 5\\d\\d"
    "|early EOF": (
        "{host} does not answer ({words}): is it up, is the address right (gitops.repository)?"
    ),
    "not found|does not exist|not appear to be a git repository|error: 404|no such": (
        "there is no repository at {address}, or the login may not see it ({words}): correct "
        "gitops.repository"
    ),
}


class Remote:
    """A Host without reviews: whatever is asked of one is a UserError, before anything is changed.

    Every call uses a repository of its own in a temporary folder. The token reaches git by a
    credential helper in the environment, for this host alone; without one, git logs in as it does
    for the person who runs it. A path is file:///…
    """

    def __init__(self, address: str, base: str, token: str | None) -> None:
        self.address, self.base, self.token = address, base, token
        self.host = urlsplit(address).hostname or address

    def head(self, branch: str) -> str | None:
        """The commit that a branch is at; None: there is no such branch."""
        ref = f"refs/heads/{branch}"
        for line in self._git("ls-remote", "--", self.address, ref).splitlines():
            commit, _, name = line.partition("\t")
            if name == ref:  # what ends alike is listed too
                return commit
        return None

    def read(self, path: str, commit: str) -> str | None:
        """A file's text at a commit; None: it is not there."""
        with self._copy() as copy:
            if not self._fetch(copy, commit):
                return None
            code, text, _ = self._try("cat-file", "blob", f"{commit}:{path}", copy=copy)
            return None if code else text

    def history(self, path: str, branch: str, number: int) -> list[str]:
        """The commits of a branch that changed a file, at most `number`, newest first."""
        if self.head(branch) is None:
            return []
        with self._copy() as copy:
            ref = f"refs/heads/{branch}"
            self._git("fetch", "--quiet", "--no-tags", "--filter=blob:none", "--", self.address,
                      ref, copy=copy)  # fmt: skip
            query = ("log", "--format=%H", f"--max-count={number}", "FETCH_HEAD")
            return self._git(*query, "--", f":(literal){path}", copy=copy).split()

    def commit(self, change: Change, branch: str, onto: str, *, replace: bool = False) -> str:
        """One commit upon `onto` as the new head of the branch; its SHA. Raises Moved.

        It is signed where git is configured to sign (commit.gpgSign).
        """
        at = None if replace else self.head(branch)
        if at not in (None, onto):
            raise moved(branch, onto, f"it is at {str(at)[:SHORT]}")
        with self._copy() as copy:
            if not self._fetch(copy, onto):
                raise moved(branch, onto, "that commit is gone")
            new = self._make(copy, change, onto)
            ref = f"refs/heads/{branch}"
            force = "--force" if replace else f"--force-with-lease={ref}:{at or ''}"
            for left in reversed(range(TRIES if replace else 1)):
                try:
                    self._push(copy, force, f"{new}:{ref}", branch, onto)
                    break
                except Moved:
                    if not left:
                        raise
        return new

    def review(self, branch: str, base: str) -> Review | None:
        """Raises UserError."""
        self._no_reviews()

    def open(self, branch: str, base: str, title: str, text: str) -> Review:
        """Raises UserError."""
        self._no_reviews()

    def comment(self, review: Review, text: str) -> None:
        """Raises UserError."""
        self._no_reviews()

    def of_commit(self, commit: str) -> Review | None:
        """Raises UserError."""
        self._no_reviews()

    def _no_reviews(self) -> NoReturn:
        raise UserError(
            "gitops.provider: git knows no pull requests: set gitops.review: false, which commits "
            f"to {self.base}, or gitops.provider: github or gitlab"
        )

    def _make(self, copy: Path, change: Change, onto: str) -> str:
        """The commit in the copy; its SHA."""
        self._git("read-tree", onto, copy=copy)
        for path, text in change.files.items():
            blob = self._git("hash-object", "-w", "--stdin", copy=copy, text=text).strip()
            self._git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", copy=copy)
        tree = self._git("write-tree", copy=copy).strip()
        command, signs = ["commit-tree", "-p", onto, tree], ("config", "--type=bool", SIGN)
        if self._try(*signs, copy=copy)[1].strip() == "true":
            command.insert(1, "-S")  # this command of git's does not look
        if self._try("config", "user.email", copy=copy)[0]:  # a pod is nobody
            command = [*NOBODY, *command]
        return self._git(*command, copy=copy, text=change.message.rstrip() + "\n").strip()

    def _fetch(self, copy: Path, commit: str) -> bool:
        """Whether the commit is there: alone, or, from a host that gives none alone, with all."""
        fetch = ("fetch", "--quiet", "--no-tags")
        if self._try(*fetch, "--depth=1", "--", self.address, commit, copy=copy)[0]:
            self._git(*fetch, "--", self.address, "+refs/heads/*:refs/heads/*", copy=copy)
        return not self._try("cat-file", "-e", commit + "^{commit}", copy=copy)[0]

    def _push(self, copy: Path, force: str, refspec: str, branch: str, onto: str) -> None:
        options = ("--porcelain", "--no-verify", "--no-signed", force)
        code, output, errors = self._try("push", *options, "--", self.address, refspec, copy=copy)
        rejected = re.search(r"^!\t.*\t\[(.*?)\] \((.*)\)$", output, re.M)
        if not code:
            return
        if rejected and FASTER.search(rejected[2]):
            raise moved(branch, onto, rejected[2])
        if rejected:
            words = " ".join(re.findall(r"^remote: *(\S.*?)\s*$", errors, re.M)) or rejected[2]
            raise protected(branch, self.base, shorten(words, 300))
        raise self._meaning(errors)

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        """An empty repository, for as long as a `with` block."""
        with tempfile.TemporaryDirectory(prefix="git-") as folder:
            self._git("init", "--quiet", "--bare", "--template=", folder)
            yield Path(folder)

    def _git(self, *arguments: str, copy: Path | None = None, text: str | None = None) -> str:
        """What git prints. Raises UserError where it fails."""
        code, output, errors = self._try(*arguments, copy=copy, text=text)
        if code:
            raise self._meaning(errors)
        return output

    def _try(
        self, *arguments: str, copy: Path | None = None, text: str | None = None
    ) -> tuple[int, str, str]:
        """Exit code, output and errors of git; it is ended, with what it started, in time."""
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(
                ("git", *arguments),
                cwd=copy or Path.cwd().anchor,  # not in the project, whose git has settings too
                env=self._environment(copy),
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,  # no terminal: nothing can ask a person
            )
        except FileNotFoundError:
            raise UserError("gitops.provider: git needs the program git: install it") from None
        try:
            output, errors = process.communicate((text or "").encode(), SECONDS)
        except subprocess.TimeoutExpired:
            raise UserError(
                f"{self.host} does not answer in {SECONDS} s: is it up? Whatever was asked may be "
                "asked again"
            ) from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return process.returncode, output.decode(errors="replace"), errors.decode(errors="replace")

    def _environment(self, copy: Path | None) -> Mapping[str, str]:
        """What git is told: of this process nothing about another repository, and the token."""
        variables = {key: value for key, value in os.environ.items() if not LOCAL.match(key)}
        variables |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
        if copy:
            variables |= {"GIT_DIR": str(copy), "GIT_INDEX_FILE": str(copy / "index")}
        settings = [("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", str(STALLED))]
        url = urlsplit(self.address)
        if self.token and url.scheme in ("http", "https"):
            variables[PASSWORD] = self.token
            helper = f"credential.{url.scheme}://{url.netloc}.helper"
            settings += [("credential.helper", ""), (helper, HELPER)]  # and no one else's
        first = int(variables.get("GIT_CONFIG_COUNT") or 0)
        for number, (key, value) in enumerate(settings, first):
            variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return variables | {"GIT_CONFIG_COUNT": str(first + len(settings))}

    def _meaning(self, errors: str) -> UserError:
        """What git's errors mean, in one line."""
        lines = [line.strip() for line in errors.splitlines() if line.strip()]
        words = next((each for each in lines if each.startswith(("fatal:", "error:"))), "")
        words = shorten(words or (lines or ["git gives no reason"])[-1], 300)
        if self.token:
            words = words.replace(self.token, "…")
        ssh = urlsplit(self.address).scheme == "ssh"
        login = "add a key that may push: `ssh-add`" if ssh else f"set {TOKEN} to one that may push"
        said = errors.replace(urlsplit(self.address).path, "")  # a name is no reason
        for pattern, text in MEANINGS.items():
            if re.search(pattern, said, re.I):
                return UserError(
                    text.format(host=self.host, login=login, words=words, address=self.address)
                )
        return UserError(f"git fails with {self.host}: {words}")
