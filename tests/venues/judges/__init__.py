"""Judges: clients of the venues that nobody here wrote, pointed at the simulators. ``make judges``; docs/venues.md.

A judge runs in an environment of its own, which has the client and nothing of ours but the files of this folder; so these import nothing else.
"""
