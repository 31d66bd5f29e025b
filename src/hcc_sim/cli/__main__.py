"""`python -m hcc_sim.cli` is `hcc-sim`."""

import sys

from hcc_sim.cli.main import main

sys.exit(main())
