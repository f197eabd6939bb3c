"""`python -m pixsim7_simulator`."""

import sys

from pixsim7_simulator.cli import main

sys.exit(main())
