"""The tutorial as it was in 2014 and in 2013, on LevelDB, shortened: it learns MNIST as the current one does."""

import numpy as np
import pytest
from tutorial_kit import outputs_of_tests, train_losses

pytest.importorskip("plyvel")

OLD = ["lenet_2014_solver.prototxt", "lenet_2013_solver.prototxt"]


@pytest.mark.parametrize("solver", OLD)
def test_the_older_tutorial_learns_mnist(tutorial, solver):
    tutorial.make_databases("leveldb")
    short = tutorial.shortened(solver, test_interval=150, test_initialization="false", display=10)
    # The files ask for a GPU.
    text = tutorial.run("train", short, "--max_iter", 150, "--gpu", "none")
    losses, tests = train_losses(text), outputs_of_tests(text)
    assert list(losses) == list(range(0, 151, 10))
    assert losses[0] > 2 and np.mean([losses[i] for i in (120, 130, 140, 150)]) < 0.5
    assert list(tests) == [150] and tests[150]["accuracy"] > 0.9


def test_old_and_new_files_train_the_same_net(tutorial):
    """From one seed the losses are the same, digit for digit, whatever the age of the files and the database."""
    tutorial.make_databases("leveldb")
    tutorial.make_databases("lmdb")
    losses = []
    for solver in ["lenet_solver.prototxt", *OLD]:
        short = tutorial.shortened(solver, test_initialization="false", display=1)
        losses.append(train_losses(tutorial.run("train", short, "--max_iter", 8, "--gpu", "none")))
    assert list(losses[0]) == list(range(9)) and len(set(losses[0].values())) == 9
    assert losses[1] == losses[0] and losses[2] == losses[0]
