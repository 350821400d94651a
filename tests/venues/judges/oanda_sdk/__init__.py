"""Clients of v20 as judges of the simulated OANDA, each in an environment that has nothing of the arena.

The checks are written once, against a ``Desk``; ``fivetwenty`` and ``v20`` are a desk each: what their client made of the venue's answers is judged.
"""
