"""`python -m mintgate.cli`."""

from mintgate.cli import main

main()
