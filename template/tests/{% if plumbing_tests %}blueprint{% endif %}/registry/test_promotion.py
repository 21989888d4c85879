"""Promotion and rollback by hand: what is refused, what is recorded, what the server gets."""

from pathlib import Path

import pytest
from registry.conftest import export

from blueprint import settings
from blueprint.errors import UserError
from blueprint.registry import promotion, store
from blueprint.registry.client import RegistryError
from blueprint.registry.in_service import difference


@pytest.fixture
def project(registry, folder):
    """The project's configuration, with the test's registry."""
    values = {"tracking_uri": registry.uri, "name": registry.name}
    return settings.load("test", [f"registry.{key}={value}" for key, value in values.items()])


@pytest.fixture
def in_service(project):
    """The version that the store has in service."""

    def read():
        deployed = store.current(project.serving.store, project.registry.name)
        return deployed and deployed.version

    return read


def test_an_accepted_version_is_promoted_and_deployed(registry, evaluate, project, in_service):
    evaluate(1.0).register(registry)
    evaluate(2.0).register(registry)

    line = promotion.promote(project, "1", reason="2 is slow")

    assert line == "version 1 is the champion after version 2, and in service"
    assert in_service() == registry.champion().number == "1"
    tags = registry.champion().tags
    assert tags["promoted.reason"] == "2 is slow"
    assert tags["promoted.forced"] == "false"
    assert tags["promoted.by"]
    assert tags["promoted.at"].startswith("20")


def test_without_a_store_the_alias_alone_moves(registry, evaluate, project):
    evaluate(1.0).register(registry)
    evaluate(2.0).register(registry)
    serving = project.serving.model_copy(update={"store": None})
    project = project.model_copy(update={"serving": serving})

    assert promotion.promote(project, "1") == "version 1 is the champion after version 2"
    assert registry.champion().number == "1"
    assert promotion.rollback(project).startswith("version 2 is the champion again: rollback of")
    assert registry.champion().number == "2"
    assert not Path(".mlops/store").exists()


def test_a_rejected_version_needs_force_and_a_reason(registry, evaluate, project, in_service):
    evaluate(1.0).register(registry)
    evaluate(2.0, accepted=False).register(registry)

    with pytest.raises(UserError, match=r"version 2 was rejected \(rmse ≤ 1 .*FORCE=1 REASON"):
        promotion.promote(project, "2", reason="a reason alone does not do")
    with pytest.raises(UserError, match="FORCE=1 needs REASON"):
        promotion.promote(project, "2", force=True)
    assert registry.champion().number == "1"
    assert in_service() is None

    line = promotion.promote(project, "2", force=True, reason="the label was wrong")

    assert line.endswith("in service, though the gate rejected it: the label was wrong")
    assert in_service() == registry.champion().number == "2"
    tags = registry.champion().tags
    assert tags["promoted.forced"] == "true"
    assert tags["promoted.reason"] == "the label was wrong"
    assert tags["verdict"] == "rejected"


def test_the_champion_can_be_deployed_again(registry, evaluate, project, in_service):
    evaluate(1.0).register(registry)
    tags = registry.champion().tags

    assert promotion.promote(project, "1") == "version 1 is the champion already, and in service"

    assert in_service() == "1"
    assert registry.champion().tags == tags


def test_a_version_of_an_older_release_is_compared_by_the_hash_that_it_has(
    registry, evaluate, project, in_service
):
    """Before 0.4.1 a version knew the hash of model.onnx alone."""
    evaluated = evaluate(1.0)
    evaluated.register(registry)
    registry.client.delete_model_version_tag(registry.name, "1", store.FILES_TAG)

    assert evaluated.register(registry).version == "1", "still this very model"
    promotion.promote(project, "1")

    assert in_service() == "1"
    assert difference(project) is None
    registry.set_tags("1", {store.MODEL_TAG: "0" * 64})
    assert "another model than the registry's" in difference(project)
    with pytest.raises(UserError, match="differs from the version's tag model"):
        promotion.promote(project, "1")


def test_what_is_in_service_is_compared_with_the_champion(registry, evaluate, project, in_service):
    assert "`make run` trains and deploys one" in difference(project)
    evaluate(1.0).register(registry)
    # A colleague's clone, or a run that was killed between its last two steps.
    assert "version 1 of" in difference(project)
    assert "the champion, is not in .mlops/store yet: `make promote VERSION=1`" in difference(
        project
    )
    promotion.promote(project, "1")
    assert difference(project) is None

    evaluate(2.0).register(registry)
    found = difference(project)
    assert "version 1 of" in found
    assert "and version 2 is the champion: `make promote VERSION=2`" in found

    other = export(Path("another model"), 3.0)
    store.deploy(other, "2", project.serving.store, registry.name)
    assert "another model than the registry's (their SHA-256 differ)" in difference(project)

    lost = project.registry.model_copy(update={"name": "lost"})
    store.deploy(other, "1", project.serving.store, "lost")
    found = difference(project.model_copy(update={"registry": lost}))
    assert "version 1 of lost is in service, and the registry has no champion" in found


def test_rollback_goes_back_step_by_step(registry, evaluate, project, in_service):
    for slope in (1.0, 2.0, 3.0):
        evaluate(slope).register(registry)
    promotion.promote(project, "1")  # 1, 2, 3, 1

    assert promotion.rollback(project, reason="slow") == (
        "version 3 is the champion again, and in service: rollback of version 1: slow"
    )
    assert in_service() == registry.champion().number == "3"
    assert registry.champion().tags["promoted.reason"] == "rollback of version 1: slow"
    for number in ("2", "1"):
        promotion.rollback(project)
        assert in_service() == registry.champion().number == number
    with pytest.raises(UserError, match="there was no champion before version 1"):
        promotion.rollback(project)
    assert in_service() == "1"


def test_after_a_rollback_the_next_model_goes_back_to_what_was_in_service(
    registry, evaluate, project
):
    evaluate(1.0).register(registry)
    evaluate(2.0).register(registry)
    promotion.rollback(project)
    evaluate(3.0).register(registry)

    promotion.rollback(project)

    assert registry.champion().number == "1"


def test_rollback_without_a_champion_is_said(registry, project):
    with pytest.raises(UserError, match="has no champion"):
        promotion.rollback(project)


@pytest.mark.parametrize("number", ["9", "latest"])
def test_a_version_that_is_not_there_is_said(number, registry, evaluate, project):
    evaluate(1.0).register(registry)
    with pytest.raises(RegistryError, match=f"has no version {number}: `make models`"):
        promotion.promote(project, number)


@pytest.mark.parametrize("file", ["model.onnx", "training.json"])
def test_a_version_that_is_damaged_changes_nothing(file, registry, evaluate, project, in_service):
    evaluate(1.0).register(registry)
    evaluate(2.0).register(registry)
    promotion.promote(project, "2")
    run = registry.client.get_run(registry.version("1").run_id)
    stored = Path(run.info.artifact_uri.removeprefix("file://")) / "model" / file
    stored.write_text(stored.read_text(errors="ignore") + " ")

    for attempt in (lambda: promotion.promote(project, "1"), lambda: promotion.rollback(project)):
        with pytest.raises(UserError, match=r"version 1 cannot be served, so nothing was"):
            attempt()

    assert registry.champion().number == "2"
    assert in_service() == "2"
