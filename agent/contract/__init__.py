"""What version 1 of the MQTT contract says: topics, payloads, schemas."""
