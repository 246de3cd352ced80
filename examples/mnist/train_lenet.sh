#!/usr/bin/env bash
# Trains LeNet on MNIST: fetches the files and makes the databases where they are not there yet, then runs
#   python -m minicaffe.train examples/mnist/lenet_solver.prototxt
# Options go to minicaffe.train, paths in them from the repository root:
#   --max_iter 1000, --gpu 0, --snapshot examples/mnist/lenet_iter_5000.solverstate
# PYTHON names the interpreter, "python" by default.
set -e

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
"$root/data/mnist/get_mnist.sh"
BACKEND=lmdb "$root/examples/mnist/create_mnist.sh"
cd "$root"
exec "${PYTHON:-python}" -m minicaffe.train examples/mnist/lenet_solver.prototxt "$@"
