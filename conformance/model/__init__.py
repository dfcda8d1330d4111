"""What an engine does, in plain Python without a server: the reference, executable."""
