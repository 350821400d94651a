"""What the exit code of every ``arena`` command means; scripts may rely on it.

Source: docs/operations.md, "Exit codes".
"""

OK = 0
FAILED = 1  # the arena refused, or something went wrong: the message says what
USAGE = 2  # the command line itself was not understood
PARTLY = 3  # some of it: a program is down, or one of several orders could not be cancelled
UNREACHABLE = 4  # no gateway answered: is the arena running?
UNKNOWN = 5  # sent, and no definite answer yet: look it up, never send it again with another id
