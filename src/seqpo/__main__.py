"""`python -m seqpo` is `seqpo`."""

import sys

from seqpo.cli import main

sys.exit(main())
