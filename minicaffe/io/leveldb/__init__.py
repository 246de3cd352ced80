"""LevelDB, read by our own code: log, manifest, tables, CRC-32C. Nothing here writes, creates or locks a file."""
