"""The browser's server and Rick, the narrator: what a person sees of the arena (DESIGN sections 3, 7 and 9)."""
