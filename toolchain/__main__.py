"""Commands of the toolchain: ``python -m toolchain COMMAND``."""

import os
import sys

from toolchain import environment

if __name__ == "__main__" and sys.argv[1:] == ["env"]:
    print(environment.exports(os.environ))
