"""What the reader sees: the results of a run, and the report made of them."""
