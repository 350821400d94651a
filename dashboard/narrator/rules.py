"""Which rule speaks about which type of event; the closed set of DESIGN section 6 but for ``narration`` itself, on which nobody comments."""

from collections.abc import Mapping

from dashboard.narrator import ending_rules, fill_rules, placing_rules
from dashboard.narrator.system_rules import SYSTEM_RULES
from dashboard.narrator.telling import Rule

RULES: Mapping[str, Rule] = {
    "oco_placed": placing_rules.oco_placed,
    "order_modified": placing_rules.order_modified,
    "order_filled": fill_rules.filled,
    "order_partially_filled": fill_rules.filled,
    "order_cancelled": ending_rules.order_cancelled,
    "order_rejected": ending_rules.order_rejected,
    "order_unknown": ending_rules.order_unknown,
    "order_resolved": ending_rules.order_resolved,
    "bracket_closed": ending_rules.bracket_closed,
    **SYSTEM_RULES,
}
