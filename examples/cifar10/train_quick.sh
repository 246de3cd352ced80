#!/usr/bin/env bash
# Trains the quick net: 8 epochs, then 2 with a tenth of the rate. Fetches CIFAR-10 and makes the databases before, where
# they are not there yet. Options, such as --gpu 0, go to minicaffe.train, both times.
# PYTHON names the interpreter, "python" by default.
set -e
source "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

train() {
  "${PYTHON:-python}" -m minicaffe.train "$@"
}

train examples/cifar10/cifar10_quick_solver.prototxt "$@"
train examples/cifar10/cifar10_quick_solver_lr1.prototxt \
  --snapshot examples/cifar10/cifar10_quick_iter_4000.solverstate "$@"
