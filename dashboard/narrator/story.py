"""The story: one source's journal in, one comment for each of its events out.

``fold`` is pure. What it returns depends on that one source's events up to and including this one and on nothing else: no clock, no quote, no other
source, no chance. So the same journal tells the same story, told in one go or with any number of restarts in between.
"""

from dataclasses import dataclass

from dashboard.narrator.reading import Happening
from dashboard.narrator.rules import RULES
from dashboard.narrator.state import Story, advance
from dashboard.narrator.system_rules import anything_else
from dashboard.narrator.telling import Turn

# A comment is a line or two in the feed; the longest the rules write from our own events is about half of this.
TEXT_CHARS_MAX = 480
UNNARRATED = frozenset({"narration", "heartbeat", "quote"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What Rick says about one event. ``tone`` is plain, good, bad, warning or serious."""

    text: str
    tone: str
    about: Happening

    def payload(self) -> dict[str, object]:
        """The ``narration`` event's payload (DESIGN section 6)."""
        about = {"source": self.about.source, "epoch": self.about.epoch, "seq": self.about.seq, "order_id": self.about.order_id}
        return {"text": self.text, "tone": self.tone, "about": about}


def fold(story: Story, event: Happening) -> tuple[Story, Comment | None]:
    """The story after ``event``, and the comment on it; None only for what is no fact of a broker's (``UNNARRATED``)."""
    if event.type in UNNARRATED:
        return story, None
    after = advance(story, event)
    text, tone = RULES.get(event.type, anything_else)(Turn(before=story, after=after, event=event))
    if len(text) > TEXT_CHARS_MAX:
        text = text[: TEXT_CHARS_MAX - 1] + "…"
    return after, Comment(text=text, tone=tone, about=event)
