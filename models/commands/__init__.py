"""``python -m models …``, a file per command."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.commands.evaluate import evaluate_command, heads_command
    from models.commands.export import export_command
    from models.commands.importing import import_command
    from models.commands.train import train_app
else:
    __getattr__, __all__ = opened(__name__)
