#!/usr/bin/env bash
# Trains the siamese net on pairs of MNIST's digits: fetches the files and makes the databases where they are not there
# yet, then runs
#   python -m minicaffe.train examples/siamese/mnist_siamese_solver.prototxt
# Options go to minicaffe.train, paths in them from the repository root: --max_iter 1000, --gpu 0
# PYTHON names the interpreter, "python" by default.
set -e

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [[ ! -d examples/siamese/mnist_siamese_train_lmdb || ! -d examples/siamese/mnist_siamese_test_lmdb ]]; then
  ./data/mnist/get_mnist.sh
  BACKEND=lmdb ./examples/siamese/create_mnist_siamese.sh
fi
exec "${PYTHON:-python}" -m minicaffe.train examples/siamese/mnist_siamese_solver.prototxt "$@"
