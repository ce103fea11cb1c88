"""Everything between a closed window and the broker's acknowledgement; ``agent.publisher`` is its face.

outbox (memory, or spool on disk) ──► delivery ──► broker (connection) ──► topics
"""
