"""How this template is checked: the only place that says so.

`make demo` and `make test` set nox up and call it; `nox --list` shows every session, and what
follows `--` goes to pytest: `nox -s render -- -k pairs`.
"""

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Where the environment forbids .pyc files, every start of a project's program imports its libraries
# from source, which is seconds slower; sessions measure and time out on what a user sees.
ENV = {"PYTHONDONTWRITEBYTECODE": None, "PYTHONUNBUFFERED": "1"}


def install(session: nox.Session, group: str) -> None:
    session.install(*nox.project.dependency_groups(PYPROJECT, group))


def pytest(session: nox.Session, *folders: str) -> None:
    install(session, "tests")
    session.run("python", "-m", "pytest", *folders, *session.posargs, env=ENV)


@nox.session(python=PYTHON)
def tests(session: nox.Session) -> None:
    """Everything the README promises: the sessions below in one but for what is marked slow."""
    install(session, "tests")
    # A file's tests share what they set up; the files are taken in the order of pyproject.toml.
    sharing = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
    quick = ("-m", "not slow")
    session.run("python", "-m", "pytest", *sharing, *quick, *session.posargs, env=ENV)


@nox.session(python=PYTHON)
def static(session: nox.Session) -> None:
    """Question files, Jinja budget, file names, the reference page (seconds)."""
    pytest(session, "tests/static")


@nox.session(python=PYTHON)
def render(session: nox.Session) -> None:
    """Every pair of answers renders to files that parse, lint and hold no leftovers."""
    pytest(session, "tests/render")


@nox.session(python=PYTHON)
def combinations(session: nox.Session) -> None:
    """Every triple of answers: rendered, checked, installed, its types and pipelines (an hour)."""
    install(session, "tests")
    folders = ("tests/render/test_rows.py", "tests/agreement", "tests/combinations")
    sharing = ("-n", "2", "--dist", "loadgroup", "--strength", "3")
    session.run("python", "-m", "pytest", *sharing, *folders, *session.posargs, env=ENV)


@nox.session(python=PYTHON)
def agreement(session: nox.Session) -> None:
    """What several files of a project say, they say alike."""
    pytest(session, "tests/agreement")


@nox.session(python=PYTHON)
def cookiecutter(session: nox.Session) -> None:
    """Cookiecutter's door asks the same questions and writes the same files."""
    pytest(session, "tests/cookiecutter")


@nox.session(python=PYTHON)
def update(session: nox.Session) -> None:
    """An updated project equals a fresh one, and the user's files stay the user's; all of it."""
    pytest(session, "tests/update")


@nox.session(python=PYTHON)
def ci(session: nox.Session) -> None:
    """Both CIs call the same targets, and every job that can run here does, in order."""
    pytest(session, "tests/ci")


@nox.session(python=PYTHON)
def release(session: nox.Session) -> None:
    """Prepare a release, `-- 1.2.3`: the changelog, the commit, its line in releases.yml."""
    install(session, "demo")
    session.run("python", "-m", "tools.releases", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(python=PYTHON)
def e2e(session: nox.Session) -> None:
    """Generated projects, set up, trained, served and called through their own make targets."""
    pytest(session, "tests/e2e")


@nox.session(python=PYTHON)
def images(session: nox.Session) -> None:
    """A project's images, built and run; skipped, with the reason, where no container engine is."""
    pytest(session, "tests/images")


@nox.session(python=PYTHON)
def cluster(session: nox.Session) -> None:
    """A project on the cluster that KUBECONFIG names; skipped, with the reason, without one."""
    pytest(session, "tests/cluster")


@nox.session(python=PYTHON)
def manifests(session: nox.Session) -> None:
    """What deploy/ builds: for every combination, by the schemas of four releases, by checkov."""
    pytest(session, "tests/manifests")


@nox.session(python=PYTHON)
def monitoring(session: nox.Session) -> None:
    """Alert rules, dashboards and five faults, on a real Prometheus and Alertmanager (minutes)."""
    pytest(session, "tests/monitoring")


@nox.session(python=PYTHON)
def demo(session: nox.Session) -> None:
    """Scaffold a project, train it, serve it, ask it: with times; `-- --keep build` leaves it."""
    install(session, "demo")
    session.run("python", "-m", "tools.demo", *session.posargs, env=ENV | {"PYTHONPATH": "tests"})


@nox.session(python=PYTHON, name="last-release")
def last_release(session: nox.Session) -> None:
    """Make projects of the newest tag as a user does, and use them (half an hour)."""
    install(session, "demo")
    command = ("python", "-m", "tools.last_release", *session.posargs)
    session.run(*command, env=ENV | {"PYTHONPATH": "tests"})


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """The template repository's own code, scripts and workflows."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("yamllint", "--strict", "copier.yml", "questions", "mkdocs.yml", ".github")
    scripts = (".ci/run", "tests/cluster/kind.sh", "tests/images/standins/postgres.sh")
    session.run("shellcheck", *scripts)
    session.run("zizmor", "--offline", "--quiet", ".github/workflows")


@nox.session(python=PYTHON)
def docs(session: nox.Session) -> None:
    """Write what follows from the questions and the files, then build the site, strictly."""
    install(session, "docs")
    pages = ("reference", "settings_page", "make_page", "cli_page", "matrix")
    for page in (*pages, "readme", "cookiecutter", "words"):
        session.run("python", "-m", f"tools.{page}", env={"PYTHONPATH": "tests"})
    env = {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": "tests"}
    # Not --quiet: it hides the warnings that --strict counts.
    session.run("mkdocs", "build", "--strict", *session.posargs, env=env)


@nox.session(python=PYTHON)
def names(session: nox.Session) -> None:
    """Write the names that a project's slug may not be, from what is resolved and installed."""
    install(session, "demo")
    session.run("python", "-m", "tools.names", env=ENV | {"PYTHONPATH": "tests"})


@nox.session(python=PYTHON)
def tutorial(session: nox.Session) -> None:
    """Run the tutorial as its reader does (minutes); `-- --write` corrects what it shows."""
    install(session, "demo")
    command = ("python", "-m", "tools.walkthrough", "docs/tutorial.md", *session.posargs)
    session.run(*command, env=ENV | {"PYTHONPATH": "tests"})


@nox.session(python=PYTHON)
def screenshots(session: nox.Session) -> None:
    """Take the pictures in docs/images from a project that lived (minutes); needs chromium."""
    install(session, "screenshots")
    command = ("python", "-m", "tools.screenshots", *session.posargs)
    session.run(*command, env=ENV | {"PYTHONPATH": "tests"})


@nox.session(python=PYTHON)
def mutation(session: nox.Session) -> None:
    """Change the generated project's gate in hundreds of ways: its tests must notice (minutes)."""
    install(session, "mutation")
    session.run("python", "tests/mutation/mutate.py", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(python=PYTHON)
def bench(session: nox.Session) -> None:
    """Measure each target against its reference, into build/bench.json; `-- NAME` runs one row."""
    install(session, "tests")
    requirements = Path("bench/requirements.txt")
    if requirements.exists():
        session.install("-r", str(requirements))
    session.run("python", "bench/bench.py", *session.posargs, env=ENV | {"PYTHONPATH": "tests"})
