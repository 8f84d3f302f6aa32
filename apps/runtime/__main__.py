"""``python -m apps.runtime <app>``: one process that serves one app."""

import argparse
import importlib
import sys
from pathlib import Path

from apps.runtime import logs, process, server
from apps.runtime.settings import Settings, SettingsError, read

APPS = Path(__file__).parents[1]
WRONG_USE = 2


def known_apps() -> list[str]:
    """Folders beside the runtime that declare an app."""
    return sorted(path.parent.name for path in APPS.glob("*/app.py") if path.parent.name != "runtime")


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to leave; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m apps.runtime",
        description="Serve one app. Everything else is told by environment variables:",
        epilog="\n".join(_variables())
        + "\n\nExample: MODEL_NAME=circle_detector MODEL_VERSION=1.1.0 python -m apps.runtime detector",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("app", choices=known_apps(), help="the app to serve")
    name = parser.parse_args(arguments).app
    module = importlib.import_module(f"apps.{name}.app")  # its folder is named like the app, with hyphens, too
    try:
        settings = read(module.Settings)
        logs.configure(settings.log_level, name, settings.app_revision)
        app = module.create(settings)
        listener = process.listen(settings.host, settings.port)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return WRONG_USE
    process.serve(server.build(name, app, settings), listener)
    return 0


def _variables() -> list[str]:
    fields = Settings.model_fields
    width = max(map(len, fields)) + 2
    lines = []
    for name, field in fields.items():
        default = field.get_default(call_default_factory=True)
        shown = ":".join(map(str, default)) if isinstance(default, tuple) else default
        lines.append(
            f"  {name.upper():{width}}{field.description}" + (f" (default {shown})" if shown not in (None, "") else "")
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
