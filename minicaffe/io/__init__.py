"""Files and databases: weights, solver states, images, datums, and the one atomic writer of all output."""
