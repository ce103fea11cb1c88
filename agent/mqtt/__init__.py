"""A connection to the broker that is kept alive. It knows no windows."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.mqtt.backoff import Backoff
    from agent.mqtt.credentials import load_credentials, tls_context, warn_of_exposure
    from agent.mqtt.dial import Dial
    from agent.mqtt.link import BrokerLink, Received, Will
    from agent.mqtt.refusals import broker_name, explain_subscription
    from agent.mqtt.wake import Wake
else:
    __getattr__, __all__ = opened(__name__)
