"""The conformance suite: is a server's contract the one in docs/serving.md?

`make conformance` runs it against a server with a model in service. In `make test`, which has no
trained model, it runs against this project's server with two tiny ones, of pictures and of a table.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from conformance.find import Options, find, served
from conformance.profiles import CONTRACT, PROFILES
from conformance.target import Target

from blueprint.errors import UserError
from blueprint.model import Model
from blueprint.registry import store

LIVE = pytest.StashKey[Target]()
NAME = "tiny"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--url", help='the server to test; "" is the project\'s own')
    group.addoption("--model", help="its name there, if it is not registry.name")
    group.addoption("--runtime", choices=sorted(PROFILES), help="what it is, if it does not show")
    group.addoption("--predict-path", help="of V1, if it is not /v1/models/<name>:predict")
    group.addoption("--model-dir", type=Path, help="the exported model that it must answer like")
    group.addoption("--token-file", type=Path, help="a file with the bearer token that it wants")
    group.addoption("--host", help="the Host header, for a gateway that routes by it")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("url", None) is None:
        return
    options = Options(*(config.getoption(name) or None for name in Options.__dataclass_fields__))
    stack = ExitStack()
    config.add_cleanup(stack.close)
    try:
        config.stash[LIVE] = find(options, stack)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    target = config.stash.get(LIVE, None)
    return [f"{target}, asked for {target.source}"] if target else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames and LIVE not in metafunc.config.stash:
        metafunc.parametrize("target", ["picture", "table"], indirect=True)


@pytest.fixture(scope="session")
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """The server under test."""
    if LIVE in request.config.stash:
        yield request.config.stash[LIVE]
        return
    reason = "this runtime is tested by `make conformance` alone"
    tiny = pytest.importorskip("serving.tiny_models", reason=reason)
    folder = tmp_path_factory.mktemp("store")
    if request.param == "picture":
        model = tiny.write_picture_model(folder / "made", answer=None)
        rows = tiny.picture_rows()
    else:
        model = tiny.write_table_model(folder / "made")
        rows = tiny.table_rows()
    store.deploy(model, "1", folder, NAME)
    with (
        served(NAME, f"serving.store={folder}", clean=True) as url,
        httpx.Client(base_url=url, timeout=20) as http,
    ):
        path = f"/v1/models/{NAME}:predict"
        yield Target(http, NAME, "1", Model(model, 1), rows, CONTRACT, path, "made up")


@pytest.fixture(autouse=True)
def differences(request: pytest.FixtureRequest, target: Target) -> None:
    """Skip, with the reason, what the server's profile says is different there."""
    name = request.node.originalname
    case = request.node.callspec.params.get("case") if hasattr(request.node, "callspec") else None
    for check in (request.path.stem, name, f"{name}[{case}]"):
        if check in target.profile.differs:
            pytest.skip(f"{target.profile.title}: {target.profile.differs[check]}")
