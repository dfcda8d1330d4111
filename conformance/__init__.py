"""The spec: clauses about what an engine must do, and the pytest plugin that runs them."""
