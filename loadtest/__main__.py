from __future__ import annotations

import sys

from loadtest.command_line import main

sys.exit(main(sys.argv[1:]))
