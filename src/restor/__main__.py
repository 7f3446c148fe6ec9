"""`python -m restor`, which is also what torchrun starts: `torchrun --nproc-per-node 2 -m restor evaluate ...`."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # Python puts the working directory first, where a user's own attr.py would stand in for a library's.
        del sys.path[0]
    from restor.cli.main import main

    sys.exit(main())
