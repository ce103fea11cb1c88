"""Stage 6: everything between a closed window and the broker's acknowledgement.

window ──► thread ──► outbox (memory, or spool on disk) ──► delivery ──► agent.mqtt ──► broker
"""
