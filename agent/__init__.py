"""Counts facial expressions on the device and publishes only the totals.

        Frame         list[Face]      list[Track]       list[Reading]       EmotionWindow
source ───────► detector ───────► tracker ───────► classifier ───────► aggregator ───────► publisher ──► MQTT
pixels live only in this half of the process                         | counts only
"""

from typing import Final

__version__: Final = "0.1.0"
