"""``modelserve``: looks after a platform that ``pulumi up`` has made."""

import typer

from ops.doctor import doctor
from ops.gate import deploy
from ops.publish import publish
from ops.reference import reference
from ops.reload import reload
from ops.render import render
from ops.shadow import shadow
from ops.status import status

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Looks after a model-serving platform that [b]make up[/b] or [b]pulumi up[/b] has made.",
    epilog="Most commands take --stack (default: local) and --json. Start with: modelserve status",
)
app.command()(status)
app.command()(deploy)
app.command()(doctor)
app.command()(publish)
app.command()(reference)
app.command()(reload)
app.command()(render)
app.command()(shadow)

if __name__ == "__main__":
    app()
