"""`python -m laconvnet`, for launchers that start modules."""

from laconvnet.cli import main

main()
