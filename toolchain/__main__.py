"""``python -m toolchain COMMAND``, also on a Python that is too old to read the rest."""

import os
import shutil
import sys

if sys.version_info < (3, 11):  # noqa: UP036 (this file is what tells the user)
    for newer in ("python3.14", "python3.13", "python3.12", "python3.11"):
        if shutil.which(newer):
            os.execvp(newer, [newer, "-m", "toolchain", *sys.argv[1:]])  # noqa: S606 (no shell is wanted)
    sys.exit(
        "Python 3.11 or newer is needed; {} is {}.{}.\n"
        "  Install one, and name it: make PYTHON=/path/to/python3.12 …".format(sys.executable, *sys.version_info)
    )

if __name__ == "__main__":
    from toolchain import cli

    sys.exit(cli.main(sys.argv[1:]))
