"""The story: one source's journal in, one comment for each of its events out.

What ``fold`` returns depends on that one source's events up to and including this one and on nothing else: no clock, no quote, no other source, no
chance. So the same journal tells the same story, told in one go or with any number of restarts in between.
"""

import msgspec

from dashboard.narrator.reading import Happening
from dashboard.narrator.rules import RULES
from dashboard.narrator.state import ORDERS_MAX, Story, advance
from dashboard.narrator.system_rules import anything_else
from dashboard.narrator.telling import turn_of

# A comment is a line or two in the feed; the longest the rules write from our own events is about half of this.
TEXT_CHARS_MAX = 480
UNNARRATED = frozenset({"narration", "heartbeat", "quote"})


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """What Rick says about one event. ``tone`` is plain, good, bad, warning or serious."""

    text: str
    tone: str
    about: Happening

    def payload(self) -> dict[str, object]:
        """The ``narration`` event's payload (DESIGN section 6)."""
        about = {"source": self.about.source, "epoch": self.about.epoch, "seq": self.about.seq, "order_id": self.about.order_id}
        return {"text": self.text, "tone": self.tone, "about": about}


def fold(story: Story, event: Happening) -> Comment | None:
    """Move ``story`` past ``event`` and return the comment on it; None only for what is no fact of a broker's (``UNNARRATED``)."""
    if event.type in UNNARRATED:
        return None
    order_id = event.order_id
    known = story.orders.get(order_id) if order_id is not None else None
    advance(story, event)
    text, tone = RULES.get(event.type, anything_else)(turn_of(story, event, order_id, known))
    story.forget_beyond(ORDERS_MAX)
    if len(text) > TEXT_CHARS_MAX:
        text = text[: TEXT_CHARS_MAX - 1] + "…"
    return Comment(text=text, tone=tone, about=event)
