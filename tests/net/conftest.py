"""Tests of nets may use the layers of net_kit, and read the log."""

import pytest
from net_kit import kit, logged  # noqa: F401


@pytest.fixture(autouse=True)
def every_test_has_the_kit(kit):  # noqa: F811
    pass
