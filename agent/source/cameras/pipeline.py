"""The system's GStreamer, called through its C interface: a description becomes a running pipeline.

Inside this process and not through ``gst-launch-1.0``, on whose command line everybody reads what it says.
Signatures are those of GStreamer 1.0's reference: gst_parse_launchv, GstAppSink, GstBus, gst_buffer_extract.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SINK: Final = "pictures"
"""Name of the appsink at the end of every description."""

_LIBRARY: Final = "libgstapp-1.0.so.0"
_PLAYING: Final = 4
_NULL: Final = 1
_END_OR_ERROR: Final = 1 | 2
"""GST_MESSAGE_EOS and GST_MESSAGE_ERROR."""
_LOOK_UP_NS: Final = 100_000_000
"""While no picture comes, the end of the pipeline is looked for this often."""
_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "gst_init_check": (c_int, c_void_p, c_void_p, c_void_p),
    "gst_parse_launchv": (c_void_p, POINTER(c_char_p), POINTER(c_void_p)),
    "gst_bin_get_by_name": (c_void_p, c_void_p, c_char_p),
    "gst_element_get_bus": (c_void_p, c_void_p),
    "gst_element_set_state": (c_int, c_void_p, c_int),
    "gst_bus_pop_filtered": (c_void_p, c_void_p, c_uint),
    "gst_app_sink_try_pull_sample": (c_void_p, c_void_p, c_uint64),
    "gst_app_sink_is_eos": (c_int, c_void_p),
    "gst_sample_get_buffer": (c_void_p, c_void_p),
    "gst_buffer_get_size": (c_size_t, c_void_p),
    "gst_buffer_extract": (c_size_t, c_void_p, c_size_t, c_void_p, c_size_t),
    "gst_mini_object_unref": (None, c_void_p),
    "gst_object_unref": (None, c_void_p),
}


@cache
def load_gstreamer() -> Any:
    """The library, whose dependencies' functions are found through it too.

    Raises:
        OSError: It is not installed, or doesn't start.
    """
    library = ctypes.CDLL(_LIBRARY)
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    # Plug-ins that have to be looked at anew are, once, before anything hostile is read.
    if not library.gst_init_check(None, None, None):
        raise OSError("GStreamer does not start")
    return library


class Pipeline:
    """One pipeline that ends in an appsink called :data:`SINK`, running until closed.

    Args:
        words: Of the description, as a shell would split it.

    Raises:
        OSError: GStreamer is not installed.
        ValueError: It is no pipeline, or an element is not installed. What GStreamer says is not quoted,
            because it quotes properties.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._gst = load_gstreamer()
        error = c_void_p()
        terminated = (c_char_p * (len(words) + 1))(*map(os.fsencode, words), None)
        self._pipeline = self._gst.gst_parse_launchv(terminated, byref(error))
        if not self._pipeline:
            raise ValueError("no pipeline")
        self._sink = self._gst.gst_bin_get_by_name(self._pipeline, SINK.encode())
        self._bus = self._gst.gst_element_get_bus(self._pipeline)
        if error or not self._sink:
            self.close()
            raise ValueError("no whole pipeline")
        self._gst.gst_element_set_state(self._pipeline, _PLAYING)

    def pull(self, into: NDArray[np.uint8]) -> bool:
        """Block until the next picture, and copy it; False when it ended, or sends another size."""
        while not (sample := self._gst.gst_app_sink_try_pull_sample(self._sink, _LOOK_UP_NS)):
            message = self._gst.gst_bus_pop_filtered(self._bus, _END_OR_ERROR)
            if message or self._gst.gst_app_sink_is_eos(self._sink):
                if message:
                    self._gst.gst_mini_object_unref(message)
                return False
        try:
            buffer = self._gst.gst_sample_get_buffer(sample)
            if self._gst.gst_buffer_get_size(buffer) != into.nbytes:
                return False
            copied: int = self._gst.gst_buffer_extract(buffer, 0, into.ctypes.data, into.nbytes)
            return copied == into.nbytes
        finally:
            self._gst.gst_mini_object_unref(sample)

    def close(self) -> None:
        """Stop it; harmless when it is."""
        if self._pipeline:
            self._gst.gst_element_set_state(self._pipeline, _NULL)
            for held in (self._bus, self._sink, self._pipeline):
                if held:
                    self._gst.gst_object_unref(held)
            self._pipeline = self._sink = self._bus = None
