"""The tutorial as it was in 2014 and in 2013, on LevelDB, shortened: it is the current one in other words."""

import pytest
from tutorial_kit import outputs_of_tests, train_losses

pytest.importorskip("plyvel")

OLD = ["lenet_2014_solver.prototxt", "lenet_2013_solver.prototxt"]


def test_old_and_new_files_train_the_same_net(tutorial):
    """From one seed losses and tests are the same, digit for digit, whatever the age of the files and the database."""
    tutorial.make_databases("leveldb")
    tutorial.make_databases("lmdb")
    losses, tests = [], []
    for solver in ["lenet_solver.prototxt", *OLD]:
        short = tutorial.shortened(solver, test_interval=10, test_iter=5, test_initialization="false", display=1)
        # The old files ask for a GPU.
        text = tutorial.run("train", short, "--max_iter", 20, "--gpu", "none")
        losses.append(train_losses(text))
        # The net of 2013 has no loss in its tests.
        tests.append({i: outputs["accuracy"] for i, outputs in outputs_of_tests(text).items()})
    assert list(losses[0]) == list(range(21)) and len(set(losses[0].values())) == 21
    assert losses[1] == losses[0] and losses[2] == losses[0]
    assert list(tests[0]) == [10, 20] and tests[0][20] > 0.5
    assert tests[1] == tests[0] and tests[2] == tests[0]
