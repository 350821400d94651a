"""What the venue simulators share: a clock, a quote board, a fault script, control routes and a loopback server."""
