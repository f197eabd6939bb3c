"""`python -m pixsim7_backend` is the command `pixsim7`."""

from pixsim7_backend.cli.app import main

main()
