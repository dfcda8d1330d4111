"""`metaparity bench`: what metadata primitives cost on several engines, measured in turns on one server."""
