import re
from pathlib import Path

import pytest
from conformance.profiles import PROFILES

SUITE = Path(__file__).with_name("conformance")
CHECKS = "\n".join(path.read_text() for path in SUITE.glob("test_*.py"))


@pytest.mark.parametrize("runtime", PROFILES)
def test_a_profile_names_checks_that_there_are(runtime: str) -> None:
    for check in PROFILES[runtime].differs:
        name, _, case = check.removesuffix("]").partition("[")
        assert (SUITE / f"{name}.py").exists() or re.search(rf"^def {name}\(", CHECKS, re.M), check
        assert not case or f'"{case}"' in CHECKS, check
