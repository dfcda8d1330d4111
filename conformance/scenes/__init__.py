"""What clauses are set in: who calls, what is there, what may be drawn, in which order rules refuse."""
