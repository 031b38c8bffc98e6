"""`python -m marquee` is the command `marquee`."""

from marquee.cli import main

main()
