"""`python -m restor`, which is also what torchrun starts: `torchrun --nproc-per-node 2 -m restor evaluate ...`."""

import sys

from restor.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
