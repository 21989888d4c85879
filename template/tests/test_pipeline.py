"""Your pipeline: what passes the gate is served, and what does not changes nothing."""


def test_an_accepted_model_is_deployed(accepted):
    assert set(accepted.steps.values()) == {"finished"}
    assert accepted.in_service == "1"


def test_a_rejected_model_changes_nothing(accepted, rejected):
    assert rejected.steps["register_model"] == "finished"
    assert rejected.steps["deploy_model"] == "skipped"
    assert rejected.in_service == accepted.in_service
