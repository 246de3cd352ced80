"""The command line: `minicaffe train|test`, with Caffe's flags in both spellings."""
