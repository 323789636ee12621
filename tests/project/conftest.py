"""Clones that the tests of the project share. Tests of one xdist_group run in one process, so each
clone is made once."""

import pytest
from clone import Clone, project, stubbed


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Clone:
    """clone.project after one run of its pipeline. Tests leave its workspace as it is."""
    clone = project(tmp_path_factory.mktemp("undisturbed"))
    clone.dvc("repro")
    clone.commit("ran")
    return clone


@pytest.fixture(scope="session")
def stubs(tmp_path_factory) -> Clone:
    """clone.stubbed after one run of its pipeline. Tests leave its workspace as it is."""
    clone = stubbed(tmp_path_factory.mktemp("stubs"))
    clone.dvc("repro")
    clone.commit("ran")
    return clone
