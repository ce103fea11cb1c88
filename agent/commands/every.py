"""Every command, in the order of the help."""

from __future__ import annotations

from typing import Final

from agent.commands.bench import bench
from agent.commands.check import check
from agent.commands.demo import demo
from agent.commands.doctor import doctor
from agent.commands.notice import notice
from agent.commands.provision import provision
from agent.commands.run import run
from agent.commands.sbom import sbom
from agent.commands.simulate import simulate
from agent.commands.tally import tally
from agent.commands.watch import watch

COMMANDS: Final = (run, check, demo, doctor, tally, bench, notice, sbom, watch, simulate, provision)
