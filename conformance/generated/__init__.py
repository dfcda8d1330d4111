"""Generated histories: drawn step by step, made on several engines at once, shrunk where they disagree."""
