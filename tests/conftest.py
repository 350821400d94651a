"""What holds for every test here: a property is judged by what it says, never by how long a loaded machine took to say it."""

from hypothesis import settings

settings.register_profile("arena", deadline=None)
settings.load_profile("arena")
