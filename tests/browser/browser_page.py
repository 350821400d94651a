"""Finding a Chromium, and what each test of the page asserts besides its own sentence: no console error, no page error, no CSP violation."""

import os
import shutil
from dataclasses import dataclass, field

from playwright.async_api import BrowserContext, ConsoleMessage, Page

CANDIDATES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium: install chromium-headless-shell (or set ARENA_CHROMIUM)"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
]


def find_chromium() -> str | None:
    named = os.environ.get("ARENA_CHROMIUM")
    return named or next((found for name in CANDIDATES if (found := shutil.which(name))), None)


@dataclass
class Watch:
    """What went wrong in a page; ``expected`` are parts of messages that the test itself provokes (a refused stream is logged by the browser)."""

    errors: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        def on_console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.errors.append(f"console: {message.text}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: self.errors.append(f"page: {error}"))

    def unexpected(self) -> list[str]:
        return [error for error in self.errors if not any(part in error for part in self.expected)]


# Runs before the page's own script: violations of the policy, and the one function that must never be called.
WATCH_SCRIPT = """
  window.violations = [];
  document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective + ' ' + event.blockedURI));
  window.hacked = () => { window.wasHacked = true; };
"""


async def new_page(context: BrowserContext, watch: Watch) -> Page:
    page = await context.new_page()
    watch.follow(page)
    return page
