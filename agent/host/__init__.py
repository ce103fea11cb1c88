"""The box itself: its service manager, its memory protection, its temperature."""
