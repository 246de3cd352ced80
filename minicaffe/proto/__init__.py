"""Messages: the schema, reading and writing them as text, and bringing old files up to date."""
