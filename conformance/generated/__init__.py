"""Generated histories: drawn step by step, made on several engines at once, shrunk to what they disagree in."""
