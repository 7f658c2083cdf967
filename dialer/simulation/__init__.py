"""The simulator that ships with the product: worlds, shifts, days with a finite list, and others' rules beside ours.

Nothing in here runs while calls are made; the live dialer never imports it (the pacer it plays is `dialer/pacing.py`).
"""
