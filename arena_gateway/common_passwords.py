"""The passwords that are tried first: the usual words, names, years and keyboard walks, joined the usual ways.

Made, not copied: lists of leaked passwords are other people's files, and nearly all of their long entries are such joins. Only entries of twelve
characters and more are kept, as shorter passwords are weak already.
"""

_CHARS_MIN = 12

_WORDS = """
password passwort passw0rd p@ssword p@ssw0rd letmein welcome welcome1 iloveyou princess sunshine superman batman football baseball basketball
dragon monkey shadow master michael jennifer jordan hunter ashley bailey charlie daniel thomas trustno1 starwars whatever freedom computer internet
secret secret1 admin administrator root changeme default guest login user trader trading bitcoin ethereum coinbase oanda forex crypto money
dollars market markets qwerty qwertz azerty asdfgh zxcvbn qwertyuiop asdfghjkl zxcvbnm 1q2w3e4r 1qaz2wsx abc123 abcdef abcdefgh 123456 1234567
12345678 123456789 1234567890 111111 000000 654321 987654321 summer winter spring autumn january monday london berlin paris newyork america
liverpool chelsea arsenal pokemon naruto minecraft killer flower cookie chocolate cheese banana orange purple family forever friends jesus angel
"""

_TAILS = """
1 12 123 1234 12345 123456 1234567 12345678 123456789 1234567890 0 00 000 007 01 11 111 69 99 321 4321 54321 2020 2021 2022 2023 2024 2025 2026
2027 ! !! !!! 1! 12! 123! 1234! 2024! 2025! 2026! @ @1 @12 @123 @1234 # #1 #123 . * ? abc xyz qwerty
"""


def _make() -> frozenset[str]:
    words, tails = _WORDS.split(), _TAILS.split()
    joined = {word + tail for word in words for tail in ("", *tails)} | {tail + word for word in words for tail in tails}
    doubled = {first + second for first in words[:60] for second in words[:60]}
    return frozenset(password for password in joined | doubled if len(password) >= _CHARS_MIN)


COMMON_PASSWORDS = _make()
