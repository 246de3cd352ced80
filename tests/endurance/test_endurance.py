"""Snapshots survive: the short forms of the trials in this folder (README.md)."""

import os

import pytest
from endurance import disks
from endurance.damage import damage_all
from endurance.full_disk import fill_disk
from endurance.interrupt import interrupt_at_random
from endurance.kill import kill_at_random
from endurance.lost_folder import WAYS, cannot, lose_folder
from endurance.steps import SCENES, kill_at_each_step
from endurance.training import FORMATS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, fork and limits of POSIX")


@pytest.fixture(params=FORMATS)
def form(request):
    return request.param


def assert_sound(tally, **counted):
    """Nothing was found wrong, and what the trial is about did happen: at least so often."""
    assert not tally.faults, tally.report()
    for what, least in counted.items():
        assert tally.counts[what.replace("_", " ")] >= least, tally.report()


@pytest.mark.parametrize("scene", SCENES)
def test_killed_before_each_step_of_a_snapshot(tmp_path, scene, form):
    tally = kill_at_each_step(tmp_path / "run", scene, form)
    assert_sound(tally, kills=15, kills_that_left_temporary_files=8)


def test_killed_at_random(tmp_path):
    assert_sound(kill_at_random(tmp_path, 4, keep=2), kills=4)


def test_interrupted_at_random(tmp_path, form):
    name = {"binary": "SIGINT", "hdf5": "SIGHUP, then SIGINT"}[form]
    tally = interrupt_at_random(tmp_path, 1, form=form, names=(name,))
    assert_sound(tally, resumed_runs=1, pairs_judged=3)


def test_damaged(tmp_path, form):
    cuts, flips = {"binary": (5, 300), "hdf5": (100, 100)}[form]
    assert_sound(damage_all(tmp_path, form, cuts=cuts, flips=flips), bits=flips, cuts=90, tears=20, detected=flips)


@pytest.mark.parametrize(("disk", "form"), [("tmpfs", "binary"), ("limit", "binary"), ("limit", "hdf5")])
def test_a_disk_that_fills(tmp_path, form, disk):
    if disk == "tmpfs" and disks.namespace() is None:
        pytest.skip("nothing can be mounted here")
    tally = fill_disk(tmp_path, form=form, disk=disk, hidden=20, step=16 * disks.PAGE, shares=(0.5,))
    assert_sound(tally, failed_while_training=5, failed_over_an_older_pair=5, command_lines_that_said_so=1)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "removed"])
def test_a_folder_that_is_lost(tmp_path, way):
    if cannot(way):
        pytest.skip(cannot(way))
    assert_sound(lose_folder(tmp_path, way), snapshots_that_failed=10)
