"""``python -m models …``: train, evaluate, export, import."""

from __future__ import annotations

import typer

from models.commands.evaluate import evaluate_command
from models.commands.export import export_command
from models.commands.heads import heads_command
from models.commands.importing import import_command
from models.commands.train import train_app

app = typer.Typer(
    help="Train, evaluate and export the networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(train_app, name="train")
app.command("evaluate")(evaluate_command)
app.command("import")(import_command)
app.command("heads")(heads_command)
app.command("export")(export_command)

if __name__ == "__main__":
    app()
