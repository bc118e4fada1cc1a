"""Cases and their views on disk: load, check, split and audit.

Where they come from is `sources`, what is done to pixels `preprocessing`.
"""
