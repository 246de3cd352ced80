# What the training scripts begin with: the repository root as current folder, and in it files, databases and mean,
# made where they are not there yet. Sourced, not run.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [[ ! -d examples/cifar10/cifar10_train_lmdb || ! -d examples/cifar10/cifar10_test_lmdb ||
  ! -f examples/cifar10/mean.binaryproto ]]; then
  ./data/cifar10/get_cifar10.sh
  BACKEND=lmdb ./examples/cifar10/create_cifar10.sh
fi
