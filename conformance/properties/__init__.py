"""Properties of whole histories of concurrent calls: linearizability."""
