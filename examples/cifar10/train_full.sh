#!/usr/bin/env bash
# Trains the full net: 120 epochs, then twice 10 with a tenth of the rate before. Fetches CIFAR-10 and makes the databases
# before, where they are not there yet. Options, such as --gpu 0, go to minicaffe.train, all three times.
# PYTHON names the interpreter, "python" by default.
set -e
source "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

train() {
  "${PYTHON:-python}" -m minicaffe.train "$@"
}

train examples/cifar10/cifar10_full_solver.prototxt "$@"
train examples/cifar10/cifar10_full_solver_lr1.prototxt \
  --snapshot examples/cifar10/cifar10_full_iter_60000.solverstate.h5 "$@"
train examples/cifar10/cifar10_full_solver_lr2.prototxt \
  --snapshot examples/cifar10/cifar10_full_iter_65000.solverstate.h5 "$@"
