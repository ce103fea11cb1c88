"""A whole deployment on one machine: embedded broker, generated clip, the real agent, a live table.

clip ──► agent.daemon ──► MQTT (broker) ──► table
"""
