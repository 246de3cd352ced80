"""Train logistic regression and a net with a hidden layer on the same samples, and compare them.

    python examples/hdf5_classification/train.py

from the repository root. The samples are drawn first (make_data.py).
"""

import make_data

from minicaffe import Solver

FOLDER = "examples/hdf5_classification"
SOLVERS = {"logistic regression": "solver.prototxt", "one hidden layer": "nonlinear_solver.prototxt"}
BATCH = 10


def train(solver_file):
    """Train as the file says. Returns the trained net's accuracy on all test samples."""
    solver = Solver(solver_file)
    solver.solve()
    net = solver.test_nets[0]
    passes = make_data.TEST // BATCH
    accuracy = sum(float(net.forward()["accuracy"]) for _ in range(passes)) / passes
    solver.close()
    return accuracy


def main():
    best = make_data.make(make_data.FOLDER)
    found = {name: train(f"{FOLDER}/{file}") for name, file in SOLVERS.items()}
    for name, accuracy in {**found, "best possible": best}.items():
        print(f"{name:20}accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
