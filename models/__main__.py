"""``python -m models …``: train, evaluate, export, import."""

from __future__ import annotations

import typer

from models.commands import evaluate_command, export_command, heads_command, import_command, train_app

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
