"""Command line tools under Caffe's names, each run as `python -m minicaffe.tools.<name>`."""
