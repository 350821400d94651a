"""Rick, who narrates: follows the brokers' journals and comments on every event once, in a journal of his own (docs/narration.md)."""
